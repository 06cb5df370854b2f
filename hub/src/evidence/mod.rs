//! Evidence that leaves the hub, who lets it, and who was let in to see recordings.
//!
//! This room owns the tables `standing_permits` and `access_entries`.
//!
//! A package is made of what an authorisation names, once, and of nothing else (C50). Pictures in it are masked
//! ([`mask`]). Its audit line has the digest of its contents, and it has the line, with the proof that the line is in
//! the log.

pub mod container;
pub mod contents;
pub mod desk;
pub mod draft;
pub mod ended;
pub mod mask;
pub mod register;
pub mod report;
pub mod stamp;
pub mod stamping;
pub mod standing;
pub mod verify;

use varco_proto::cipher::Key;

use self::stamping::{Stamper, StampingError};
use crate::config::evidence::StampingConfig;
use crate::tlog::note::NoteKey;

/// What a hub extracts with.
#[derive(Debug)]
pub struct EvidenceDesk {
    /// Seals who was let in.
    pub register_key: Key,
    /// The service that stamps packages; none where none is configured.
    pub stamper: Option<Stamper>,
    /// The witnesses that hub.toml names.
    pub witnesses: Vec<NoteKey>,
}

impl EvidenceDesk {
    /// As hub.toml says.
    ///
    /// # Errors
    /// [`StampingError`].
    pub fn new(
        register_key: Key,
        stamping: Option<&StampingConfig>,
        witnesses: Vec<NoteKey>,
    ) -> Result<Self, StampingError> {
        Ok(Self {
            register_key,
            stamper: stamping.map(Stamper::new).transpose()?,
            witnesses,
        })
    }
}

#[cfg(test)]
mod tests;
