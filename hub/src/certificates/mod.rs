//! Certificates: the hub's private authority, and TLS by what it issued or was given. This room reads no file
//! and no clock, and knows no edge: names, moments and texts are arguments.

pub mod authority;
pub mod tls;
