//! The daemon on the box beside a camera.
//!
//! # Layout
//!
//! - [`core`]: from frames to passes, as values in and values out.
//! - [`adapters`]: cameras and files, nets, spool, broker, clock: one outside thing each.
//! - [`onboard`]: readings of cameras that read plates themselves, in one form.
//! - [`config`], [`status`], [`progress`], [`logging`]: how the daemon is set, how it is, whether it gets
//!   on, what it says.
//! - [`commands`]: the commands of `varco-edge`, which wire the rest.

pub mod adapters;
pub mod commands;
pub mod config;
pub mod core;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod logging;
pub mod onboard;
pub mod progress;
pub mod status;
