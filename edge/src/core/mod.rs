//! What the edge works out, as values in and values out: no I/O, no clock.

pub mod frame;
