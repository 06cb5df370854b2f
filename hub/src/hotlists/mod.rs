//! Hotlists: plates that somebody with a reason and a term waits for.

pub mod active;
mod compare;
pub mod desk;
pub mod ended;
pub mod follow;
pub mod import;
pub mod list;
pub mod matcher;
pub mod pages;
pub mod singly;
