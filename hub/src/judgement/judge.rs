//! Judging a question: what is asked becomes marks, the past is read, the rule speaks.

use thiserror::Error;
use varco_proto::cipher::Key;
use varco_proto::time::UtcTime;

use super::duty;
use super::marks::{PlateMarks, SearchMarks};
use super::own_people;
use super::past::PastOf;
use super::rule::{Duty, Mark, Nearness, SearchAsked, SearchOf, Verdict, judge};
use super::searches::{self, NotedSearch};
use super::thresholds::{THRESHOLDS, Thresholds};
use crate::audit::actor::{Actor, ActorKind};
use crate::audit::purpose::Grounds;
use crate::plates::pattern::PlatePattern;
use crate::plates::plate::Plate;
use crate::store::StoreError;
use crate::store::sql::Connection;

/// A question needs a second person: nothing is shown. The caller asks one, with what [`Nearness`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a second person is needed: {}", .0.rule.as_str())]
pub struct NeedsSecond(pub Nearness);

/// What a question is about.
#[derive(Debug, Clone, Copy)]
pub enum SearchTarget<'a> {
    /// Of nobody: a count.
    Nobody,
    /// A plate or a pattern.
    Plate {
        /// Which.
        pattern: &'a PlatePattern,
        /// Where, as a text that is the same for the same places.
        places: &'a str,
    },
    /// Whatever passed.
    Everything {
        /// Where, likewise.
        places: &'a str,
    },
}

/// Who asks, why and when.
#[derive(Debug, Clone, Copy)]
pub struct Searcher<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// Why.
    pub grounds: &'a Grounds,
    /// When the case of the grounds last grew: something held in it, an alert of its list.
    pub grown_at: Option<UtcTime>,
    /// By the hub's clock.
    pub now: UtcTime,
}

/// A search with its verdict, before it is noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedSearch {
    /// Who.
    person: Mark,
    of: SearchOf,
    exact: Mark,
    reference: Mark,
    run: u32,
    /// What the rule says.
    pub verdict: Verdict,
}

/// Judges questions.
#[derive(Debug)]
pub struct Judge {
    pub(super) marks: SearchMarks,
    pub(crate) key: Key,
    limits: Thresholds,
}

impl Judge {
    /// With marks under a key of the hub's.
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self {
            marks: SearchMarks::under(&key),
            key,
            limits: THRESHOLDS,
        }
    }

    /// The numbers that hold.
    #[must_use]
    pub fn limits(&self) -> &Thresholds {
        &self.limits
    }

    /// Judges a question, and each plate of a narrow answer as if it had been asked for: the question first.
    /// Whoever works on the hub's own machine is no officer, and a count is about nobody.
    ///
    /// # Errors
    /// [`StoreError`]: then nothing may be shown.
    pub fn judge(
        &self,
        main: &Connection,
        searcher: &Searcher<'_>,
        target: SearchTarget<'_>,
        shown: &[Plate],
    ) -> Result<Vec<JudgedSearch>, StoreError> {
        if searcher.actor.is_system() || matches!(target, SearchTarget::Nobody) {
            return Ok(Vec::new());
        }
        let asked = self.target(target);
        let mut judged = vec![self.one(main, searcher, &asked)?];
        let mut marks: Vec<PlateMarks> = Vec::new();
        for plate in shown.iter().map(|plate| self.marks.shown(plate)) {
            if !marks.iter().any(|known| known.plate == plate.plate) {
                marks.push(plate);
            }
        }
        if marks.len() > self.limits.narrow_plates {
            return Ok(judged);
        }
        let is_asked = |plate: &PlateMarks| asked.of == SearchOf::Plate(plate.plate);
        for plate in marks.into_iter().filter(|plate| !is_asked(plate)) {
            let found = TargetMarks {
                of: SearchOf::Plate(plate.plate),
                exact: plate.exact,
                next_to: Vec::new(),
            };
            judged.push(self.one(main, searcher, &found)?);
        }
        Ok(judged)
    }

    /// What a question is about, as marks.
    fn target(&self, target: SearchTarget<'_>) -> TargetMarks {
        let wide = match target {
            SearchTarget::Plate { pattern, .. } if self.is_about_a_plate(pattern) => {
                let marks = self.marks.pattern(pattern);
                return TargetMarks {
                    of: SearchOf::Plate(marks.plate),
                    exact: marks.exact,
                    next_to: self.marks.next_to(pattern),
                };
            }
            SearchTarget::Plate { pattern, places } => format!("{} {places}", pattern.as_str()),
            SearchTarget::Everything { places } => format!("* {places}"),
            SearchTarget::Nobody => String::new(),
        };
        let exact = self.marks.wide(&wide);
        TargetMarks {
            of: SearchOf::Wide(exact),
            exact,
            next_to: Vec::new(),
        }
    }

    /// Whether a pattern is about one plate, and no wide question.
    fn is_about_a_plate(&self, pattern: &PlatePattern) -> bool {
        pattern.is_exact() || pattern.literal_characters() >= self.limits.pattern_characters
    }

    fn one(
        &self,
        main: &Connection,
        searcher: &Searcher<'_>,
        asked: &TargetMarks,
    ) -> Result<JudgedSearch, StoreError> {
        let actor = searcher.actor;
        let of = asked.of;
        let past = PastOf {
            person: self.marks.person(actor.id()),
            at: searcher.now,
            of,
            next_to: &asked.next_to,
            reference: self.marks.reference(&searcher.grounds.case_reference),
            grown_at: searcher.grown_at,
            is_listed: match of {
                SearchOf::Plate(_) => own_people::is_listed(main, asked.exact)?,
                SearchOf::Wide(_) => false,
            },
            duty: match actor.kind() {
                ActorKind::Person => duty::at(main, actor.id(), searcher.now)?,
                // A program is always on duty.
                _ => Duty::On,
            },
        };
        let read = past.read(main, &self.limits)?;
        let at = searcher.now;
        Ok(JudgedSearch {
            person: past.person,
            of,
            exact: asked.exact,
            reference: past.reference,
            run: match of {
                SearchOf::Plate(_) => read.run + 1,
                SearchOf::Wide(_) => 0,
            },
            verdict: judge(&read, &SearchAsked { at, of }, &self.limits),
        })
    }

    /// Notes what was judged, in the caller's transaction.
    ///
    /// # Errors
    /// [`StoreError`]; the caller rolls back and shows nothing.
    pub fn note(
        &self,
        main: &Connection,
        searcher: &Searcher<'_>,
        judged: &[JudgedSearch],
        shown: u64,
    ) -> Result<(), StoreError> {
        for search in judged {
            let noted = NotedSearch {
                person: search.person,
                at: searcher.now,
                of: search.of,
                exact: search.exact,
                reference: search.reference,
                purpose: searcher.grounds.purpose.as_str(),
                shown,
                run: search.run,
                grown_at: searcher.grown_at,
            };
            searches::note(main, &noted, &search.verdict)?;
        }
        Ok(())
    }
}

impl JudgedSearch {
    /// Who, as a mark.
    pub(super) fn person(&self) -> Mark {
        self.person
    }

    /// The plate, as a mark; none of a wide question.
    pub(super) fn plate(&self) -> Option<Mark> {
        match self.of {
            SearchOf::Plate(plate) => Some(plate),
            SearchOf::Wide(_) => None,
        }
    }

    /// Under which reference, as a mark.
    pub(super) fn reference(&self) -> Mark {
        self.reference
    }
}

/// The rule that needs a second person, if one does.
#[must_use]
pub fn stopped(judged: &[JudgedSearch]) -> Option<NeedsSecond> {
    let mut fired = judged
        .iter()
        .filter_map(|search| search.verdict.needs_second);
    fired.next().map(NeedsSecond)
}

#[derive(Debug, Clone)]
struct TargetMarks {
    of: SearchOf,
    exact: Mark,
    next_to: Vec<Mark>,
}
