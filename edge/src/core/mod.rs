//! What the edge works out, as values in and values out: no I/O, no clock.

pub mod crop;
pub mod detect;
pub mod edit;
pub mod frame;
pub mod geometry;
pub mod manifest;
pub mod nets;
pub mod number;
pub mod pass;
pub mod picture;
pub mod pipeline;
pub mod read;
pub mod rectify;
pub mod scale;
pub mod sighting;
pub mod stages;
pub mod survey;
pub mod syntax;
mod texts;
pub mod track;
pub mod tracks;
pub mod view;
pub mod vision;
pub mod vote;
