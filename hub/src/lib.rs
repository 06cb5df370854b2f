//! The hub: takes sealed transits in from a broker, keeps them for seven days, and answers
//! lookups that state who asks, why and for which case.
//!
//! Each module is a room. ARCHITECTURE.md lists them from the ground up: what each owns, which others it uses, and
//! what it may not. Its last part says what holds the hub up.

pub mod agreements;
pub mod alerts;
pub mod approvals;
pub mod audit;
pub mod backup;
pub mod bench;
pub mod bodies;
pub mod boxes;
pub mod cases;
pub mod certificates;
pub mod chains;
pub mod cli;
pub mod config;
pub mod departures;
pub mod enrolment;
pub mod evidence;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod home;
pub mod hotlists;
pub mod hours;
pub mod intake;
pub mod judgement;
pub mod lookups;
pub mod machine;
pub mod map;
pub mod municipalities;
pub mod opening;
pub mod people;
pub mod plates;
pub mod policy;
pub mod postgres;
pub mod proof;
pub mod purposes;
pub mod running;
pub mod signing;
pub mod store;
pub mod timekeeping;
pub mod tlog;
pub mod transits;
pub mod upkeep;
pub mod web;
pub mod witnessing;
