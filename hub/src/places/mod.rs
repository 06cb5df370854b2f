//! Where the cameras are: edges, their keys, and how they are; gates on the map and their
//! municipalities.

pub mod area;
pub mod desk;
pub mod edges;
pub mod ended;
pub mod forks;
pub mod gates;
pub mod invitations;
pub mod municipal_desk;
pub mod municipalities;
pub mod place;
pub mod tampering;
