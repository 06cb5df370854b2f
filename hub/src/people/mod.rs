//! Who uses the hub, why, and the record of it that nobody can change unseen.

pub mod actors;
pub mod audit;
pub mod desk;
pub mod ended;
pub mod purpose;
pub mod tokens;
