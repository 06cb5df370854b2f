//! One outside thing each: the only doors through which outside crates enter.

pub mod capture;
pub mod clock;
pub mod disk;
pub mod onnx;
pub mod random;
pub mod spool;
pub mod uplink;
