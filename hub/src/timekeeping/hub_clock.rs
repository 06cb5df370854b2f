//! A clock that a jump of the system's does not tear, and that remembers from one run to the next.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use varco_proto::time::UtcTime;

use super::keeper::{Keeper, Vouching};
use super::memory::{Anchor, Memory, Voucher};
use super::reading::{Doubt, Lead, Reading};
use super::source::{Moment, Source};
use crate::timekeeping::Clock;

/// A larger difference since the last look is a jump; a leap second is none.
const STEP_MAX: Duration = Duration::from_secs(2);
/// What the clock may drift in all since somebody vouched for it: one part in so many. Slewing is
/// followed that far, and no chain of small steps leads further.
const DRIFT_PART: u32 = 1000;
/// How long a keeper of time must vouch for a jumped clock before it is followed: a keeper that has
/// not looked since the jump vouches for the time before.
const SETTLED_AFTER: Duration = Duration::from_secs(10);
/// How often the home's memory is written while nothing happens.
const REMEMBERED_EVERY: Duration = Duration::from_secs(60);

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockNews {
    /// The clock is in doubt from now on.
    Doubted(Reading),
    /// The doubt is over: the clock agrees with the kept time again.
    Agreed(Reading),
    /// Somebody vouches: the time is taken, which is so far from what was kept.
    Followed {
        /// Who vouches.
        by: Voucher,
        /// What is taken.
        at: UtcTime,
        /// How far that is from the kept time.
        apart: Duration,
    },
}

/// See the module.
pub struct HubClock {
    source: Arc<dyn Source>,
    boot: Option<String>,
    file: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// Where the clock was last seen without doubt.
    kept: Anchor,
    /// When somebody last vouched for it, and who; none when nobody has since the boot.
    vouched: Option<(Anchor, Voucher)>,
    /// What was told last.
    told: Option<Doubt>,
    /// Since when a keeper has vouched for a clock that is in doubt: the uptime, and the time then.
    settling: Option<Anchor>,
    /// The uptime at which the memory was last written.
    remembered: Option<Duration>,
    leads: Vec<Lead>,
}

impl fmt::Debug for HubClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubClock").finish_non_exhaustive()
    }
}

impl HubClock {
    /// Begins with what a home's `file` remembers. Without a memory of this boot the time is no earlier
    /// than what the home's own records bear, and in doubt until somebody vouches.
    ///
    /// # Errors
    /// Those of `borne`, when what the home bears cannot be read.
    pub fn open<E>(
        file: PathBuf,
        source: Arc<dyn Source>,
        borne: impl FnOnce() -> Result<UtcTime, E>,
    ) -> Result<Arc<Self>, E> {
        let (boot, moment) = (source.boot(), source.moment());
        let memory = Memory::read(&file);
        let (kept, vouched) = match memory {
            Some(memory) if memory.is_of(boot.as_deref(), moment.uptime) => {
                (memory.kept, Some((memory.vouched, memory.by)))
            }
            memory => {
                let remembered = memory.map(|memory| memory.kept.at);
                let floor = Some(borne()?).max(remembered);
                let floor = floor.unwrap_or(moment.system);
                (Anchor::kept(floor, moment.uptime), None)
            }
        };
        Ok(Arc::new(Self {
            source,
            boot,
            file,
            state: Mutex::new(State {
                kept,
                vouched,
                told: None,
                settling: None,
                remembered: None,
                leads: Vec::new(),
            }),
        }))
    }

    /// Which boot this is; none when that cannot be told, and nothing can be remembered.
    #[must_use]
    pub fn boot(&self) -> Option<&str> {
        self.boot.as_deref()
    }

    /// Who vouched last, and when by the kept time; none when nobody has since the boot.
    #[must_use]
    pub fn last_vouched(&self) -> Option<(Voucher, UtcTime)> {
        let vouched = self.state().vouched;
        vouched.map(|(anchor, by)| (by, anchor.at))
    }

    /// Compares the clocks, follows the system's while it is in no doubt, and remembers. To be called
    /// each second or so.
    pub fn look(&self) -> Option<ClockNews> {
        let moment = self.source.moment();
        let mut state = self.state();
        let mut reading = state.read(&moment);
        // A person, or another hub of this home, may have vouched.
        if let Some(doubted) = reading.doubt().map(|_| reading)
            && let Some(memory) = Memory::read(&self.file)
            && memory.is_of(self.boot.as_deref(), moment.uptime)
            && state.adopt(&memory, &moment)
        {
            reading = state.read(&moment);
            state.told = None;
            let at = reading.kept();
            return Some(ClockNews::Followed {
                by: memory.by,
                at,
                apart: at.since(doubted.kept()).max(doubted.kept().since(at)),
            });
        }
        let before = std::mem::replace(&mut state.told, reading.doubt());
        if reading.doubt().is_some() {
            return before.is_none().then_some(ClockNews::Doubted(reading));
        }
        state.kept = Anchor::of(&moment);
        state.settling = None;
        self.remember(&mut state, &moment, false);
        before.is_some().then_some(ClockNews::Agreed(reading))
    }

    /// Asks a keeper of time, which may take seconds, and follows the system's clock when it vouches.
    pub fn ask(&self, keeper: &dyn Keeper) -> Option<ClockNews> {
        let before = self.source.moment();
        let vouches = keeper.ask() == Vouching::Yes;
        let moment = self.source.moment();
        let mut state = self.state();
        // A clock that jumped while the keeper was asked is not the one it answered for.
        if !vouches || !goes_along(Anchor::of(&before), &moment) {
            state.settling = None;
            return None;
        }
        let reading = state.read(&moment);
        if reading.doubt().is_some() {
            let since = state.settling.filter(|since| goes_along(*since, &moment));
            let since = *state.settling.insert(since.unwrap_or(Anchor::of(&moment)));
            if since.elapsed(moment.uptime) < SETTLED_AFTER {
                return None;
            }
        }
        state.settling = None;
        state.told = None;
        state.kept = Anchor::of(&moment);
        state.vouched = Some((state.kept, Voucher::Keeper));
        self.remember(&mut state, &moment, reading.doubt().is_some());
        state.read(&moment);
        reading.doubt().map(|_| ClockNews::Followed {
            by: Voucher::Keeper,
            at: moment.system,
            apart: reading.apart(),
        })
    }

    /// A person vouches for the system's clock. Hubs that run see it at their next look.
    ///
    /// # Errors
    /// The system's, when it cannot be remembered.
    pub fn confirm(&self, boot: &str) -> std::io::Result<()> {
        let moment = self.source.moment();
        let memory = Memory::vouched(boot.to_owned(), &moment, Voucher::Person);
        memory.write(&self.file)?;
        let mut state = self.state();
        state.adopt(&memory, &moment);
        state.read(&moment);
        Ok(())
    }

    fn remember(&self, state: &mut State, moment: &Moment, at_once: bool) {
        let (Some(boot), Some((vouched, by))) = (&self.boot, state.vouched) else {
            return;
        };
        let recent = |at| moment.uptime.saturating_sub(at) < REMEMBERED_EVERY;
        if !at_once && state.remembered.is_some_and(recent) {
            return;
        }
        state.remembered = Some(moment.uptime);
        let memory = Memory {
            boot: boot.clone(),
            kept: state.kept,
            vouched,
            by,
        };
        if let Err(error) = memory.write(&self.file) {
            // An older memory serves as well while the machine runs.
            tracing::warn!(error = %error, "the time cannot be remembered; it is tried again");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is whole: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The time at a moment, told to whoever hides by it.
    fn read(&self, moment: &Moment) -> Reading {
        let reading = self.judge(moment);
        for lead in &self.leads {
            lead.set(reading.lead());
        }
        reading
    }

    fn judge(&self, moment: &Moment) -> Reading {
        let expected = self.kept.expected(moment.uptime);
        let Some((vouched, _)) = self.vouched else {
            return Reading::doubted(expected, moment.system, Doubt::Start);
        };
        let drift = vouched.elapsed(moment.uptime) / DRIFT_PART;
        let within = |expected: UtcTime, most: Duration| apart(expected, moment.system) <= most;
        let in_all = STEP_MAX.saturating_add(drift);
        if within(expected, STEP_MAX + self.drift_since_kept(moment))
            && within(vouched.expected(moment.uptime), in_all)
        {
            Reading::vouched(moment.system)
        } else {
            Reading::doubted(expected, moment.system, Doubt::Jump)
        }
    }

    /// While no process looked, the clock may have drifted as it may while one does.
    fn drift_since_kept(&self, moment: &Moment) -> Duration {
        self.kept.elapsed(moment.uptime) / DRIFT_PART
    }

    /// Takes what the home remembers, when the system's clock goes along with it.
    fn adopt(&mut self, memory: &Memory, moment: &Moment) -> bool {
        let before = (self.kept, self.vouched);
        (self.kept, self.vouched) = (memory.kept, Some((memory.vouched, memory.by)));
        let agrees = self.judge(moment).doubt().is_none();
        if !agrees {
            (self.kept, self.vouched) = before;
        }
        agrees
    }
}

impl Clock for HubClock {
    fn now(&self) -> UtcTime {
        self.reading().kept()
    }

    fn reading(&self) -> Reading {
        // The clocks are read anew each time: nothing is destroyed between a jump and the next look.
        let state = self.state();
        let moment = self.source.moment();
        state.read(&moment)
    }

    fn tell(&self, lead: &Lead) {
        self.state().leads.push(lead.clone());
        self.reading();
    }
}

/// Whether the system's clock went on with the uptime since then.
fn goes_along(since: Anchor, moment: &Moment) -> bool {
    apart(since.expected(moment.uptime), moment.system) <= STEP_MAX
}

fn apart(a: UtcTime, b: UtcTime) -> Duration {
    a.since(b).max(b.since(a))
}
