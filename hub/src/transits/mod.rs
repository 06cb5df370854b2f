//! The transits: an encrypted file an hour of capture, lookups over them, and their end.

pub mod allowed;
pub mod archive;
pub mod batch;
mod claims;
pub mod counts;
pub mod dictionary;
pub mod entry;
pub mod horizon;
pub mod hot;
pub mod lookup;
pub mod names;
mod placed;
pub mod purge;
pub mod query;
pub mod retention;
pub mod rows;
pub mod sealed;
mod search;
pub mod store;
pub mod together;
pub(crate) mod wanted;
