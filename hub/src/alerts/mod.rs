//! Alerts: a listed plate was read, and somebody is told.

pub mod alert;
pub mod ended;
pub mod raise;
pub mod webhook;
