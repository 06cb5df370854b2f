//! Why a message cannot be understood.

use thiserror::Error;

/// The message cannot be understood: the camera gets an error, and it is counted. No text repeats
/// what the message held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Not the format of its maker.
    #[error("it is no {0}; set the camera to the format that the configuration names")]
    Format(&'static str),
    /// More than is read.
    #[error("it has more {0} than are taken")]
    TooMuch(&'static str),
    /// A field is missing.
    #[error("it has no `{0}`; switch it on in the camera's settings")]
    Missing(&'static str),
    /// A field cannot be used.
    #[error("`{0}` is not {1}")]
    Field(&'static str, &'static str),
}
