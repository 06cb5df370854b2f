//! Alerts: a listed plate was read, and somebody is told.
//!
//! This room owns alerts, who acknowledged them, and webhooks with what they are still to be told. It sends
//! nothing itself, and destroys no transit.

pub mod alert;
pub mod deliveries;
pub mod desk;
pub mod ended;
pub mod patience;
pub mod raise;
pub mod target;
pub mod webhook;
