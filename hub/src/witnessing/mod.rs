//! Witnesses of the audit's log (C2SP tlog-witness).
//!
//! A witness cosigns a checkpoint only if its tree continues the one that it cosigned before, so that whoever holds the hub's disk and its key cannot tell another story later.
//!
//! A witness is a folder of its own on another machine ([`settings`], [`witness`]). The hub sends it checkpoints
//! ([`sending`]) and remembers what came of it ([`standing`]).

pub mod sending;
pub mod settings;
pub mod standing;
pub mod witness;
