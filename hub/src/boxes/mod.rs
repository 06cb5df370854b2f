//! How the boxes beside the cameras are: what each reported last and over a week, what is wrong with
//! it and who is told, and which gates and cameras it is believed about.

pub mod anomalies;
pub mod desk;
pub mod gate_hours;
pub mod history;
pub mod kinds;
pub mod learning;
pub mod registered;
pub mod report;
pub mod signs;
pub mod status;
pub mod watch;
