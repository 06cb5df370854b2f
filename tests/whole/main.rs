//! Real processes: a broker, a hub, an edge and a camera, on this machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod audit;
mod browser;
mod chain;
mod commands;
mod connections;
mod faults;
mod identity;
mod installing;
mod kill;
mod operations;
mod readers;
mod refusals;
mod stage;
mod tampering;
mod watchdog;
