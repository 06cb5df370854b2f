//! Who may use the hub: actors, and the tokens that let them in. This room owns the tables `actors` and
//! `tokens`; it never looks at what is done with a token.

pub mod actors;
pub mod desk;
pub mod ended;
pub mod tokens;
