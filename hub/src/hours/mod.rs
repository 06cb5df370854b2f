//! The hours in which transits lie, and their keys: what is stored under an hour's key ends with it.

pub mod keys;
pub mod partition;
#[cfg(test)]
mod properties;
