//! Who takes what a camera sends.

use std::fmt::Debug;

use super::{Malformed, Part};

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Sealed, or kept back by an alarm: the camera need not send it again.
    Taken,
    /// Taken before.
    Repeated,
    /// Rightly sent, and nothing to seal.
    Other(&'static str),
    /// Not understood.
    Malformed(Malformed),
    /// It cannot be sealed now: the camera sends it again.
    Busy(&'static str),
}

/// Takes messages of cameras. It may write to the disk.
pub trait Sink: Debug + Send + Sync {
    /// A message of the reader at this place of the configuration.
    fn take(&self, reader: usize, parts: &[Part]) -> Answer;

    /// A message that could not even be taken apart.
    fn refused(&self, reader: usize, why: Malformed) -> Answer;

    /// Somebody who did not show who he is, or who sent more than is read, was turned away at a
    /// reader's door.
    fn turned_away(&self, reader: usize);
}
