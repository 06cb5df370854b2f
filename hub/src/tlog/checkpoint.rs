//! A tree at one moment, as its log signs it (C2SP tlog-checkpoint): origin, size and root, a line each.

use super::note::{Note, NoteError};
use super::tree::{LEAVES_MAX, TreeHash, TreeHead};

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// Its tree.
    pub head: TreeHead,
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let TreeHead { size, root } = self.head;
        format!("{}\n{size}\n{root}\n", self.origin)
    }

    /// Reads the text of a note. Lines after the third are let stand: they are signed, and say nothing here.
    ///
    /// # Errors
    /// [`NoteError::Note`].
    pub fn of(note: &Note) -> Result<Self, NoteError> {
        let body = note.text.strip_suffix('\n').ok_or(NoteError::Note)?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(NoteError::Note);
        };
        let leaves: u64 = size.parse().map_err(|_| NoteError::Note)?;
        let is_written_once = leaves.to_string() == size;
        let is_whole = !origin.is_empty() && lines.all(|line| !line.is_empty());
        if !is_written_once || !is_whole || leaves > LEAVES_MAX {
            return Err(NoteError::Note);
        }
        Ok(Self {
            origin: origin.to_owned(),
            head: TreeHead {
                size: leaves,
                root: root.parse::<TreeHash>().map_err(|_| NoteError::Note)?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_written_in_the_one_way_is_a_checkpoint() {
        let root = TreeHash::EMPTY;
        let of = |text: String| {
            Checkpoint::of(&Note {
                text,
                signatures: Vec::new(),
            })
        };
        let good = of(format!("hub\n7\n{root}\n")).unwrap();
        assert_eq!(good.text(), format!("hub\n7\n{root}\n"));
        assert!(of(format!("hub\n7\n{root}\nmore\n")).is_ok());
        for wrong in [
            format!("\n7\n{root}\n"),
            format!("hub\n07\n{root}\n"),
            format!("hub\n+7\n{root}\n"),
            format!("hub\n-1\n{root}\n"),
            format!("hub\n18446744073709551615\n{root}\n"),
            format!("hub\n7\n{root}"),
            format!("hub\n7\n{root}\n\n"),
            "hub\n7\nAAAA\n".to_owned(),
            "hub\n7\n".to_owned(),
        ] {
            assert!(of(wrong.clone()).is_err(), "{wrong:?}");
        }
    }
}
