//! The hub: takes sealed transits in from a broker, keeps them for seven days, and answers
//! lookups that state who asks, why and for which case.
//!
//! # Layout
//!
//! Each folder is a room: it owns what its first lines say. A room imports only rooms that stand above
//! it here, so that there is no circle.
//!
//! - [`machine`]: private files, random bytes, spans of time, the door to Prometheus's measures.
//! - [`store`]: the one door to SQLite; each domain keeps the SQL of its own tables.
//! - [`certificates`]: the private authority and TLS.
//! - [`config`]: `hub.toml`, as written and as checked.
//! - [`timekeeping`]: the time that the hub may claim, and whether it may destroy by it.
//! - [`plates`], [`hours`]: what a plate may be read as; an hour's partition and its key.
//! - [`home`]: where each file of the hub lies, who works there, and the reserve on its disk.
//! - [`audit`]: who did what, when and why: the chain of lines and its signed head.
//! - [`people`]: who may use the hub, and their tokens.
//! - [`municipalities`], [`map`]: whose a gate is and how long its transits are kept; where it stands.
//! - [`transits`], [`postgres`]: the stored transits, in the home or in PostgreSQL, lookups and their end.
//! - [`hotlists`]: plates that are waited for; [`cases`]: what an order keeps, and what nobody may process;
//!   [`alerts`]: that a plate was read, and who is told.
//! - [`boxes`]: the edges, their keys, how they are, and the broker's files that keep them apart.
//! - [`intake`]: broker → [`intake::judge`] → [`intake::writer`] → receipts and refusals.
//! - [`opening`]: making a home, its main database with all schemas, its keys, its store, its clock, what had
//!   ended, and the move into PostgreSQL.
//! - [`enrolment`]: how an edge comes into a home's registry, renews, and leaves it.
//! - [`proof`]: that audit and tables hold, and that what is past its term was destroyed.
//! - [`backup`]: two folders that live no longer than what they hold.
//! - [`upkeep`]: what the hub does by itself, and how it is.
//! - [`web`]: HTTPS: the API and one plain page.
//! - [`bench`]: how fast all that is, on made-up transits.
//! - [`running`] wires the hub; [`cli`] is the command.

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
pub mod lookups;
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
