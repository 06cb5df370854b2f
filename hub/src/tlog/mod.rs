//! Transparency logs that anybody can check.
//!
//! Merkle trees of RFC 6962, checkpoints as signed notes, tiles and proofs, as C2SP writes them (tlog-checkpoint,
//! signed-note, tlog-cosignature, tlog-tiles, tlog-proof).
//!
//! Values in, values out. It knows neither what is logged nor where it is stored.

pub mod checkpoint;
pub mod note;
pub mod proof;
#[cfg(test)]
mod properties;
pub mod tile;
pub mod tree;
