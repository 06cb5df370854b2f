//! Hotlists: plates that somebody with a reason and a term waits for. Each list has a key of its own, which
//! lies with those of the hours and is destroyed when the list is closed.
//!
//! This room owns lists, their plates, imports with their account, and holding a read against them. It raises
//! no alert.

pub mod active;
mod compare;
pub mod desk;
pub mod ended;
pub mod follow;
pub mod import;
pub mod keys;
pub mod list;
pub mod matcher;
pub mod pages;
pub mod singly;
