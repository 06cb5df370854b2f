//! One outside thing each: the only doors through which outside crates enter.

pub mod cabinet;
pub mod capture;
mod child;
pub mod clock;
pub mod disk;
pub mod feed;
pub mod files;
pub mod folder_lock;
pub mod http;
pub mod hub_api;
pub mod identity;
pub mod last_run;
pub mod machine;
pub mod onnx;
pub mod ports;
pub mod random;
pub mod scene_file;
pub mod spool;
pub mod systemd;
pub mod timesync;
mod trust;
pub mod uplink;
pub mod vault;
