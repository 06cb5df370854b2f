//! What the hub promises, tried through its public interface. A test that proves a requirement
//! bears its number.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alerts;
mod answers;
mod attempts;
mod audit;
mod backing;
mod backups;
mod blocked;
mod blocked_routes;
mod boxes;
mod cases;
mod certificates;
mod chains;
mod claims;
mod clocks;
mod counts;
mod crash;
mod described;
mod drops;
mod ended;
mod full;
mod generated;
mod home;
mod hotlists;
mod http;
mod identity;
mod kills;
mod list_keys;
mod lookups;
mod opened;
mod places;
mod pressure;
mod refusals;
mod retention;
mod second_start;
mod setup;
mod shortened;
mod storing;
mod support;
mod tampering;
mod terms;
mod together;
mod tokens;
mod upgrades;
mod webhooks;
