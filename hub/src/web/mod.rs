//! HTTPS: the API under `/api/v1`, and one plain page that uses it.
//!
//! Nothing here deletes or changes a transit: there is no such route. This room owns requests, answers and
//! connections; the SQL is in the rooms that it asks.

pub mod access;
pub mod agreements;
pub mod alert_view;
pub mod alerts;
pub mod approval_view;
pub mod approvals;
pub mod area;
mod arrival;
mod attempts;
pub mod audit;
pub mod boxes;
pub mod cases;
pub mod connections;
mod cookies;
pub mod corrections;
pub mod counts;
pub mod description;
pub mod edges;
pub mod enrolments;
pub mod errors;
pub mod evidence;
pub mod filter;
mod form;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod gate_claims;
pub mod gates;
pub mod grounds;
mod guard;
pub mod guard_view;
pub mod hotlist_plates;
pub mod hotlists;
pub mod left_out;
mod let_in;
pub mod live;
pub mod lookups;
mod near;
pub mod office;
mod opener;
pub mod openings;
pub mod page;
mod presence;
pub mod purposes;
mod question;
pub mod readiness;
pub mod request;
mod router;
mod same_site;
pub mod second_looks;
pub mod server;
pub mod session_view;
pub mod sessions;
pub mod signing_desk;
mod standing;
pub mod state;
mod strangers;
mod throttle;
pub mod together;
pub mod unsigned;
pub mod view;
mod webhook_post;
pub mod webhooks;
pub mod witness;
pub mod words;
