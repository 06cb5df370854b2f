//! Plates as a search and a hotlist see them: their bytes, patterns, and what may have been read instead.
//! Values in, values out.

pub mod misread;
pub mod pattern;
pub mod plate;
#[cfg(test)]
mod properties;
