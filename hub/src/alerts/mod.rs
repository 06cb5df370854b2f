//! Alerts: a listed plate was read, and somebody is told.

pub mod alert;
pub mod deliveries;
pub mod ended;
pub mod patience;
pub mod raise;
pub mod webhook;
