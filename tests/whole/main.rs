//! Real processes: a broker, a hub, an edge and a camera, on this machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod audit;
mod browser;
mod chain;
#[path = "../../hub/tests/postgres/cluster.rs"]
#[allow(dead_code, reason = "what the hub's own tests need beside")]
mod cluster;
mod commands;
mod connections;
mod faults;
mod hubs;
mod identity;
mod installing;
mod kill;
mod map;
mod operations;
mod readers;
mod refusals;
mod second;
mod signing;
mod stage;
mod tampering;
mod watchdog;
