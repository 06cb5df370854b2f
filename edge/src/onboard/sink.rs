//! Who takes what a camera sends.

use std::fmt::Debug;

use super::malformed::Malformed;
use super::part::Part;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Sealed, or it waits in memory to be: the camera need not send it again.
    Taken,
    /// Taken before.
    Repeated,
    /// Rightly sent, and nothing to seal.
    Other(&'static str),
    /// Taken, but for a further vehicle that could not be understood.
    Part(Malformed),
    /// Not understood.
    Malformed(Malformed),
    /// It can neither be sealed now nor kept: it is lost, unless whoever sent it sends it again.
    Busy(&'static str),
}

impl Answer {
    /// One answer to a message of several vehicles: what it says holds for each of them.
    #[must_use]
    pub fn of_all(answers: &[Self], refused: Option<Malformed>) -> Self {
        let busy = |answer: &&Self| matches!(answer, Self::Busy(_));
        if let Some(busy) = answers.iter().find(busy) {
            return *busy;
        }
        match refused {
            Some(why) if answers.is_empty() => Self::Malformed(why),
            Some(why) => Self::Part(why),
            None if answers.contains(&Self::Taken) => Self::Taken,
            None => answers.first().copied().unwrap_or(Self::Repeated),
        }
    }
}

/// Takes messages of cameras. It may write to the disk.
pub trait Sink: Debug + Send + Sync {
    /// A message of the reader at this place of the configuration.
    fn take(&self, reader: usize, parts: &[Part]) -> Answer;

    /// The same of a message that a broker kept since long ago, and says so.
    fn take_kept(&self, reader: usize, parts: &[Part]) -> Answer {
        self.take(reader, parts)
    }

    /// A message that could not even be taken apart.
    fn refused(&self, reader: usize, why: Malformed) -> Answer;

    /// Somebody who did not show who he is, or who sent more than is read, was turned away at a
    /// reader's door.
    fn turned_away(&self, reader: usize);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_several_vehicles_holds_for_each() {
        use Answer::{Busy, Malformed, Part, Repeated, Taken};
        let torn = super::Malformed::Missing("licensePlate");
        for (answers, refused, told) in [
            (vec![Taken, Taken], None, Taken),
            (vec![Repeated, Taken], None, Taken),
            (vec![Repeated], None, Repeated),
            (vec![Taken, Busy("full")], None, Busy("full")),
            (vec![Taken, Busy("full")], Some(torn), Busy("full")),
            (vec![Taken], Some(torn), Part(torn)),
            (vec![], Some(torn), Malformed(torn)),
        ] {
            assert_eq!(Answer::of_all(&answers, refused), told, "{answers:?}");
        }
    }
}
