//! Who may use the hub: actors, their appointments, and the tokens that let programs in. This room owns the
//! tables `actors`, `appointments` and `tokens`; it never looks at what is done with a token.

pub mod actors;
pub mod appointments;
pub mod desk;
pub mod ended;
pub mod tokens;
