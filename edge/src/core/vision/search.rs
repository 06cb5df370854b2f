//! How thoroughly a picture is searched for plates.

use crate::core::manifest::{PlateRule, Recogniser};

/// How thoroughly a picture is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// Once: it is one of many frames of a camera, and must not take long.
    Frame,
    /// As [`Self::Frame`], but not for plates that fill the picture: a frame before has shown that
    /// there is none.
    Narrow,
    /// At several scales, mirrored too, which must agree: there is no other picture of its
    /// vehicles. Takes some four times as long.
    Still,
}

impl Search {
    /// When what it finds is a plate.
    pub(super) fn rule(self, rules: &Recogniser) -> PlateRule {
        match self {
            Self::Frame | Self::Narrow => rules.plate_frame,
            Self::Still => rules.plate_still,
        }
    }
}
