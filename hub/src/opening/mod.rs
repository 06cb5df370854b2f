//! Opening what a home has: its main database, its keys, and the store where its transits are. This room
//! alone knows all tables of the main database; it owns none.

pub mod clock;
pub mod clock_confirmation;
pub mod floor;
pub mod init;
pub mod keys;
pub mod main_database;
pub mod moving;
pub mod pairs;
pub mod store;
