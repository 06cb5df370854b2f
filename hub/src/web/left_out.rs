//! Gates that a question did not search, and why, as answers show them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words::WhyLeftOutView;
use crate::municipalities::reach::{LeftOut, Reach};

/// Gates that were not searched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeftOutView {
    /// Whose; null when nobody's, or not known to be anybody's.
    pub municipality: Option<String>,
    /// Which, by name; all of them when empty.
    pub gates: Vec<String>,
    /// Why.
    pub why: WhyLeftOutView,
}

impl From<&LeftOut> for LeftOutView {
    fn from(one: &LeftOut) -> Self {
        Self {
            municipality: one.municipality.as_ref().map(ToString::to_string),
            gates: one.gates.iter().map(ToString::to_string).collect(),
            why: one.why.into(),
        }
    }
}

impl LeftOutView {
    /// As an answer shows them.
    #[must_use]
    pub fn all(left_out: &[LeftOut]) -> Vec<Self> {
        left_out.iter().map(Self::from).collect()
    }
}

/// The gates that were left out because the first level uses them, by name.
#[must_use]
pub fn in_use(reach: &Reach) -> Vec<String> {
    reach.in_use().iter().map(ToString::to_string).collect()
}
