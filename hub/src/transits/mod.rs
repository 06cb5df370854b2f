//! The transits: what every store of them does ([`stored`]), the home's own store with an encrypted
//! file an hour of capture, what may be processed of them, and their end.

pub mod allowed;
pub mod archive;
pub mod batch;
pub mod blocks;
pub mod claims;
pub mod corrections;
pub mod dictionary;
pub mod ended;
pub mod entry;
mod entry_block;
mod erase;
pub mod erasures;
mod home_store;
pub mod horizon;
pub mod hot;
pub mod names;
mod placed;
pub mod purge;
pub mod query;
pub mod retention;
pub mod rows;
pub mod sealed;
mod search;
pub mod stored;
pub(crate) mod wanted;
