//! The transits: one SQLite file a UTC day of capture, lookups over them, and their end.

pub mod lookup;
pub mod partition;
pub mod pattern;
pub mod retention;
