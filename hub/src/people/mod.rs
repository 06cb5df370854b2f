//! Who may use the hub: actors, what persons are appointed for, what is delegated to them, and the tokens that let
//! them in; who keeps keys, and the people of firms who come in.
//!
//! This room owns the tables `actors`, `appointments`, `tokens`, `delegations`, `key_custody` and `external_staff`; it
//! never looks at what is done with a token.

pub mod actors;
pub mod appointing;
pub mod appointments;
pub mod custody;
pub mod delegations;
pub mod desk;
pub mod ended;
pub mod external_staff;
pub mod office;
pub mod permissions;
pub mod tokens;
