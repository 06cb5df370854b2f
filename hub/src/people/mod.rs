//! Who may use the hub: actors, what persons are appointed for, and the tokens that let them in.
//!
//! This room owns the tables `actors`, `appointments` and `tokens`; it never looks at what is done with a token.

pub mod actors;
pub mod appointing;
pub mod appointments;
pub mod desk;
pub mod ended;
pub mod tokens;
