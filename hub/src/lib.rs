//! The hub: takes sealed transits in from a broker, keeps them for seven days, and answers
//! lookups that state who asks, why and for which case.
//!
//! # Layout
//!
//! - [`intake`]: broker → [`intake::judge`] → [`intake::writer`] → receipts and refusals.
//! - [`transits`]: an encrypted file an hour, lookups over them, and their end.
//! - [`hotlists`]: plates that are waited for; [`alerts`]: that one was read, and who is told.
//! - [`people`]: tokens, purposes, the audit, and its verification in [`verify`]; the
//!   [`proof`] of what was destroyed.
//! - [`places`]: the edges and their keys.
//! - [`store`]: the one door to SQLite; each domain keeps the SQL of its own tables.
//! - [`postgres`]: the transits and chains in PostgreSQL, for several hubs of one home.
//! - [`timekeeping`]: the time that the hub may claim, and whether it may destroy by it.
//! - [`room`]: room on the disk for the end of transits.
//! - [`web`]: HTTPS: the API and one plain page.
//! - [`enrolment`]: edges that make their own keys.
//! - [`floor`]: what had ended does not live again in a restored home.
//! - [`bench`]: how fast all that is, on made-up transits.
//! - [`home`], [`setup`]: the hub's folder and how it is made; [`lock`]: who works on it;
//!   [`whereabouts`], [`opening`]: where its transits are; [`hub`] runs it; [`cli`] is the command.

pub mod alerts;
pub mod audit;
pub mod backup;
pub mod bench;
pub mod boxes;
pub mod cases;
pub mod certificates;
pub mod cli;
pub mod config;
pub mod enrolment;
pub mod home;
pub mod hotlists;
pub mod hours;
pub mod intake;
pub mod machine;
pub mod map;
pub mod municipalities;
pub mod opening;
pub mod people;
pub mod plates;
pub mod postgres;
pub mod proof;
pub mod running;
pub mod store;
pub mod timekeeping;
pub mod transits;
pub mod upkeep;
pub mod web;
