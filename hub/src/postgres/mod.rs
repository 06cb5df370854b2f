//! The store in PostgreSQL, for several hubs of one home. This is the one door to PostgreSQL.
//!
//! A batch is one transaction: the heads of its edges' chains are locked in their order, its records
//! are judged as everywhere, and transits and links go in by binary COPY. Nothing goes through a
//! staging table: under the locks no other hub writes to these chains, and ids that are taken are
//! asked for beforehand; the one case that is left, two edges that use one id at the same moment,
//! breaks the slower batch, which is judged again.
//!
//! PostgreSQL never sees a plate, a camera, a moment within the hour or a picture. A row is two
//! sealed values and three numbers: the id's random part, and tokens of plate and camera under the
//! hour's key. The keys stay in the home, so that no disk, log or copy of the database can be read,
//! and an hour is dead in all of them once its key is. What finds patterns and misread plates is a
//! dictionary in each hub's memory ([`plates`]).

mod batch;
mod chain;
mod claims;
mod connection;
mod expiry;
mod find;
mod identity;
mod inspect;
mod names;
mod placed;
mod plates;
mod purge;
mod put;
mod ranges;
mod schema;
mod scratch;
mod secrets;
mod server;
mod stored;
mod take_over;

pub use batch::{PgBatch, Shelf};
pub use identity::FoundDatabase;
pub use inspect::Inspected;
pub use scratch::Scratch;
pub use server::Server;
pub use take_over::{MovedChain, MovedGap, MovedLink};
