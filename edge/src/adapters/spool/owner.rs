//! Whose a spool is.

use std::sync::Arc;

use varco_proto::ids::EdgeId;
use varco_proto::keys::SealingKey;

use crate::adapters::vault::Cipher;
use crate::config::SpoolLimits;

/// Whose a spool is, and how much it may hold.
#[derive(Debug, Clone)]
pub struct Owner {
    /// The edge.
    pub edge: EdgeId,
    /// Seals its records.
    pub key: Arc<SealingKey>,
    /// Encrypts them on the disk.
    pub cipher: Cipher,
    /// The bounds.
    pub limits: SpoolLimits,
}
