//! Where the cameras are: edges, their keys, and how they are.

pub mod edges;
pub mod forks;
pub mod invitations;
pub mod tampering;
