//! How near a search is to a rule against misuse, as an officer sees it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words::SearchRuleView;
use crate::judgement::judge::JudgedSearch;
use crate::judgement::rule::{Nearness, SearchRule};
use crate::judgement::words::{self, RuleWords};

/// How near a search is to a rule, or that it is beyond it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NearView {
    /// Which rule.
    pub rule: SearchRuleView,
    /// How many it counts, with this search.
    pub count: u32,
    /// At how many a second person is needed.
    pub of: u32,
    /// In how many days; 0 for today.
    pub days: u64,
    /// What that means, Italian.
    pub it: String,
    /// The same, English.
    pub en: String,
}

impl NearView {
    /// That a second person is needed.
    pub(super) fn stopped(why: &Nearness) -> Self {
        Self::with(why, words::stopped(why))
    }

    fn with(how: &Nearness, words: RuleWords) -> Self {
        Self {
            rule: how.rule.into(),
            count: how.count,
            of: how.of,
            days: how.days,
            it: words.it,
            en: words.en,
        }
    }

    /// What whoever searched is told: each rule that this brought half the way or more, and how often a plate
    /// was looked at from the second look on. Nothing of plates that the answer merely shows.
    pub(super) fn of(judged: &[JudgedSearch]) -> Vec<Self> {
        let Some(asked) = judged.first() else {
            return Vec::new();
        };
        let mut told: Vec<Nearness> = Vec::new();
        for near in &asked.verdict.near {
            let is_near = near.count.saturating_mul(2) >= near.of && near.count > 1;
            // Of two ways to one rule the nearer is told.
            let is_told = told.iter().any(|known| known.rule == near.rule);
            if is_near && (!is_told || near.rule == SearchRule::Enumeration) {
                told.push(*near);
            }
        }
        let view = |near: &Nearness| Self::with(near, words::near(near));
        told.iter().map(view).collect()
    }
}
