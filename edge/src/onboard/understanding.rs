//! How a camera's messages are understood, as the configuration says.

use super::maker::Maker;
use super::moment::Zone;

/// How a camera's messages are understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Understanding {
    /// Whose format.
    pub maker: Maker,
    /// Of the times that name none.
    pub zone: Zone,
    /// Which of several messages of one vehicle counts.
    pub take: Take,
}

/// Which of several messages of one vehicle counts, where a camera sends several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// The first: soonest, but its direction is not known yet.
    First,
    /// The last, when the vehicle is gone. The default.
    Last,
}
