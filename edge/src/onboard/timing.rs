//! Which clock a pushed reading is dated by, and how far it can be trusted.
//!
//! The rule, for a reading that arrived at A by the edge's clock and says that it was captured at S:
//!
//! 1. **It says no time**: A, with the doubt of its way. Of what is marked as late nobody knows when
//!    it was: it is not taken.
//! 2. **Prompt**, S within [`OFFSET_MAX`] of A: the camera's clock is right. S; the doubt covers A too
//!    where the way alone does not explain the difference. Of a camera that tells of a vehicle when it
//!    is gone, S may lie [`GONE_AFTER`] further back.
//! 3. **Ahead**, S after A: only its clock can be wrong. A, with a doubt that covers S.
//! 4. **Behind, and its maker marks it as late**: S, when the clock was right before. A mark says
//!    nothing of the clock. What nobody may keep any more is not taken.
//! 5. **Behind without a mark**: it was held up, or the clock went back. A, with a doubt that covers S.
//!    - S before the newest time that this camera has said while its clock was right, or before a
//!      moment at which another message of it came: the clock is wrong, until a prompt reading.
//!    - Else nobody knows yet, and that is reported. The next ones decide: a backlog arrives much faster than
//!      its times advance, each within [`BATCH`] of the one before, while a clock that went back stays
//!      as far behind. So S for the readings of such a backlog when the clock was right before it; and
//!      a clock that is still behind after [`BATCH`] is wrong.

use std::time::Duration;

use varco_proto::time::UtcTime;
use varco_proto::transit::{CaptureTime, ClockSource};

/// A reading is on its way for at most so long, unless something held it up.
const ON_ITS_WAY: Duration = Duration::from_secs(5);
/// A camera's clock that differs by more than this from the edge's is not kept.
pub const OFFSET_MAX: Duration = Duration::from_secs(10);
/// A camera that tells of a vehicle when it is gone does so at most this much later; what it waits
/// for is set in the camera, 10 s and more.
const GONE_AFTER: Duration = Duration::from_secs(120);
/// Two readings of a backlog arrive within so long of each other.
const BATCH: Duration = Duration::from_secs(60);
/// Longest that a transit may be kept, from its capture: what the hub may not keep longer, an edge
/// may not either (Perugia, art. 10 c. 5).
pub const AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Largest doubt that a reading is given: nobody may keep what is older.
const DOUBT_MAX: Duration = AGE_MAX;

/// A reading as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When the camera says that it was captured.
    pub said: Option<UtcTime>,
    /// Whether its maker marks it as late.
    pub late: bool,
    /// Whether its camera tells of a vehicle only when it is gone.
    pub waits: bool,
    /// By the edge's clock.
    pub at: UtcTime,
    /// Of the edge's clock.
    pub error: Duration,
    /// What the configuration grants the camera's clock.
    pub granted: Duration,
}

/// What a camera's clock is worth, as far as its readings show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// No reading yet.
    #[default]
    Unknown,
    /// By the last prompt reading it is right.
    Right,
    /// It is behind, or its readings are held up.
    Doubtful,
    /// It is wrong.
    Wrong,
}

impl Trust {
    /// Whether its times are not believed.
    #[must_use]
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Doubtful | Self::Wrong)
    }
}

/// When a reading was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dated {
    /// At this time.
    At(CaptureTime),
    /// Longer ago than anybody may keep it.
    TooOld,
    /// At some time before its arrival; nobody says when.
    Unknown,
}

/// One camera's clock, as its readings show it.
#[derive(Debug, Default)]
pub struct CameraClock {
    trust: Trust,
    /// Whether it was right before it became doubtful.
    was_right: bool,
    /// The newest time that it has said while it was right.
    newest: Option<UtcTime>,
    /// When something of the camera last came.
    contact: Option<UtcTime>,
    /// Of the last doubtful reading: what it said, and when it came.
    doubtful: Option<(UtcTime, UtcTime)>,
    offset_us: Option<i64>,
}

impl CameraClock {
    /// A clock that was found right, up to this time of its own, before the edge was restarted.
    #[must_use]
    pub fn known(newest: UtcTime) -> Self {
        Self {
            trust: Trust::Right,
            newest: Some(newest),
            ..Self::default()
        }
    }

    /// A message of the camera that says no time came.
    pub fn met(&mut self, at: UtcTime) {
        self.contact = self.contact.max(Some(at));
    }

    /// What it is worth.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// The newest time that it has said while it was right.
    #[must_use]
    pub fn newest(&self) -> Option<UtcTime> {
        self.newest
    }

    /// How far the camera's clock is behind the edge's, in microseconds, by the last reading that was
    /// not marked as late; none before the first.
    #[must_use]
    pub fn offset_us(&self) -> Option<i64> {
        self.offset_us
    }

    /// When a reading was captured, by the module's rule.
    pub fn captured(&mut self, came: &Arrival) -> Dated {
        if came.late && came.said.is_none() {
            return Dated::Unknown;
        }
        let contact = self.contact.max(Some(came.at));
        let before = std::mem::replace(&mut self.contact, contact);
        let Some(said) = came.said else {
            return by_arrival(came, ON_ITS_WAY);
        };
        let late_us = came.at.unix_us().saturating_sub(said.unix_us());
        let apart = Duration::from_micros(late_us.unsigned_abs());
        if came.late && apart > OFFSET_MAX && late_us > 0 {
            return match self.trust {
                Trust::Right if apart > AGE_MAX => Dated::TooOld,
                Trust::Right => by_camera(said, came),
                _ => by_arrival(came, apart),
            };
        }
        self.offset_us = Some(late_us);
        let waited = late_us > 0 && came.waits && apart <= OFFSET_MAX + GONE_AFTER;
        if apart <= OFFSET_MAX || waited {
            self.is_right(said);
            let explained = apart <= came.granted || (late_us > 0 && apart <= ON_ITS_WAY);
            let granted = if explained {
                came.granted
            } else {
                came.granted.max(apart)
            };
            return by_camera(said, &Arrival { granted, ..*came });
        }
        if late_us > 0 && self.is_of_a_backlog(said, came.at) {
            self.doubtful = Some((said, came.at));
            self.newest = self.newest.max(Some(said));
            return by_camera(said, came);
        }
        let surely =
            late_us < 0 || self.stays_behind(came.at) || self.is_behind_itself(said, before);
        self.is_bad(surely, said, came.at);
        by_arrival(came, apart)
    }

    fn is_right(&mut self, said: UtcTime) {
        // One that was set anew may say less than before it was wrong.
        self.newest = match self.trust {
            Trust::Right => self.newest.max(Some(said)),
            _ => Some(said),
        };
        self.trust = Trust::Right;
        self.doubtful = None;
    }

    fn is_bad(&mut self, surely: bool, said: UtcTime, at: UtcTime) {
        let next = match self.trust {
            _ if surely => Trust::Wrong,
            Trust::Wrong => Trust::Wrong,
            Trust::Unknown | Trust::Right | Trust::Doubtful => Trust::Doubtful,
        };
        self.was_right = match self.trust {
            Trust::Right => true,
            Trust::Doubtful => self.was_right,
            Trust::Unknown | Trust::Wrong => false,
        };
        self.trust = next;
        self.doubtful = (next == Trust::Doubtful).then_some((said, at));
    }

    /// Whether it says less than it, or a message of its camera, has shown before.
    fn is_behind_itself(&self, said: UtcTime, contact: Option<UtcTime>) -> bool {
        let after = |known: Option<UtcTime>| known.is_some_and(|known| said + OFFSET_MAX < known);
        // Of a doubtful camera the readings themselves are the contact.
        let met = contact.filter(|_| self.trust != Trust::Doubtful);
        after(self.newest) || (self.trust != Trust::Unknown && after(met))
    }

    /// Whether it was behind already, longer ago than a backlog takes.
    fn stays_behind(&self, at: UtcTime) -> bool {
        self.doubtful
            .is_some_and(|(_, came)| at.since(came) > BATCH)
    }

    fn is_of_a_backlog(&self, said: UtcTime, at: UtcTime) -> bool {
        let Some((said_before, came_before)) = self.doubtful else {
            return false;
        };
        let apart = at.since(came_before);
        let advanced = said.since(said_before);
        self.was_right && apart <= BATCH && advanced > apart + OFFSET_MAX
    }
}

fn by_arrival(came: &Arrival, doubt: Duration) -> Dated {
    Dated::At(CaptureTime {
        at: came.at,
        uncertainty: doubt.saturating_add(came.error).min(DOUBT_MAX),
        source: ClockSource::Arrival,
    })
}

fn by_camera(said: UtcTime, came: &Arrival) -> Dated {
    Dated::At(CaptureTime {
        at: said,
        uncertainty: came.granted.saturating_add(came.error).min(DOUBT_MAX),
        source: ClockSource::Camera,
    })
}

#[cfg(test)]
mod tests;
