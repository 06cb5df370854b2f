//! The boxes beside the cameras.
//!
//! This room owns which boxes there are, their keys, invitations and forks, what each reported last and over a
//! week, what is wrong with it and who is told, which gates and cameras it is believed about, and how the broker
//! keeps them apart. It reads no transit but to learn claims, and judges no envelope.

pub mod anomalies;
pub mod desk;
pub mod edges;
pub mod ended;
pub mod forks;
pub mod gate_hours;
pub mod history;
pub mod invitations;
pub mod kinds;
pub mod learning;
pub mod mosquitto;
pub mod registered;
pub mod report;
pub mod revocation;
pub mod signs;
pub mod status;
pub mod tampering;
pub mod watch;
