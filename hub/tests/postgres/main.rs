//! What the hub promises when its transits are in PostgreSQL: the same tests as of the store in the
//! home, and those of what only a server can do. They start a server of their own, and fail without
//! its binaries.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../promises/alerts.rs"]
mod alerts;
mod away;
mod backing;
#[path = "../promises/blocked.rs"]
mod blocked;
#[path = "../promises/blocked_routes.rs"]
mod blocked_routes;
#[path = "../promises/cases.rs"]
mod cases;
#[path = "../promises/chains.rs"]
mod chains;
#[path = "../promises/claims.rs"]
mod claims;
#[path = "../promises/clocks.rs"]
mod clocks;
mod cluster;
#[path = "../promises/corrections.rs"]
mod corrections;
#[path = "../promises/counts.rs"]
mod counts;
#[path = "../promises/credentials.rs"]
mod credentials;
#[path = "../promises/drops.rs"]
mod drops;
#[path = "../promises/http.rs"]
mod http;
mod hubs;
#[path = "../promises/kills.rs"]
mod kills;
#[path = "../promises/lookups.rs"]
mod lookups;
mod moving;
mod older;
#[path = "../promises/opened.rs"]
mod opened;
#[path = "../promises/places.rs"]
mod places;
#[path = "../promises/refusals.rs"]
mod refusals;
#[path = "../promises/retention.rs"]
mod retention;
#[path = "../promises/storing.rs"]
mod storing;
#[path = "../promises/support.rs"]
mod support;
#[path = "../promises/tampering.rs"]
mod tampering;
#[path = "../promises/terms.rs"]
mod terms;
#[path = "../promises/together.rs"]
mod together;
