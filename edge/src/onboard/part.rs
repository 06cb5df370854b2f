//! A camera's message as it arrives: in parts, within bounds.

use std::fmt;

/// Largest message of a camera, in bytes: two pictures of it, as base64.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most parts of one message.
pub const PARTS_MAX: usize = 32;

/// One part of a message in parts.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// As its header names it and its file, with a space between them when they differ.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

// A part may hold a plate, and whatever can be printed ends up in a log.
impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({:?}, {} bytes)", self.name, self.bytes.len())
    }
}
