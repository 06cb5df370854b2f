//! Hotlists: plates that somebody with a reason and a term waits for.

pub mod active;
pub mod desk;
pub mod ended;
pub mod import;
pub mod list;
pub mod matcher;
pub mod pages;
