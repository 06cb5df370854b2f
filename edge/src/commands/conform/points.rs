//! What a capture point is judged by.

use serde::Serialize;

/// One point of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Point {
    /// What is judged.
    pub(super) name: &'static str,
    /// Whether it holds.
    pub(super) holds: bool,
    /// What was found; never a plate.
    pub(super) found: String,
    /// What to do; empty when it holds.
    pub(super) to_do: &'static str,
}

/// Collects points.
#[derive(Debug, Default)]
pub(super) struct Points(pub(super) Vec<Point>);

impl Points {
    pub(super) fn add(
        &mut self,
        name: &'static str,
        holds: bool,
        found: impl Into<String>,
        to_do: &'static str,
    ) {
        self.0.push(Point {
            name,
            holds,
            found: found.into(),
            to_do: if holds { "" } else { to_do },
        });
    }
}
