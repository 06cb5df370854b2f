//! A simulated camera.

pub mod clip;
pub mod picture;
pub mod pictures;
pub mod show;
pub mod stream;

pub use show::{Show, Shown};
pub use stream::{Camera, Codec, StreamSettings};
