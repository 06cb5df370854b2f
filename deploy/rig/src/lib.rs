//! A whole Varco on one machine, for the demo and for the tests of the whole.
//!
//! # Layout
//!
//! - [`camera`]: a simulated camera: RTSP with real H.264, H.265 or MJPEG, from a clip or from
//!   pictures that are made to move and grow as a car does.
//! - [`house`]: broker, hub and edge as processes of their own, on ports and in folders of their
//!   own; all of it is gone when the value is dropped.
//! - [`lookup`]: a client of the hub's API.
//! - [`officer`]: a person who signs in from a workstation.
//! - [`sender`]: an edge of the rig's own, that sends what a test wants, right or wrong.
//! - [`demo`]: shown against found.

pub mod camera;
pub mod clock;
pub mod consortium;
pub mod demo;
pub mod house;
pub mod lookup;
pub mod officer;
pub mod process;
pub mod sender;
