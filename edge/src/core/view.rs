//! What a camera has before it, apart from plates: is the picture sound, does anything move.

pub mod health;
pub mod thumb;
