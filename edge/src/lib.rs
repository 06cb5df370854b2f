//! The daemon on the box beside a camera.

pub mod adapters;
pub mod core;
