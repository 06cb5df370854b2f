//! The clock's thread: asks who keeps it, reports its steps, and lets the cameras begin.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use varco_proto::tamper::TamperKind;
use varco_proto::time::UtcTime;

use super::alarm::Alarm;
use crate::adapters::clock::Clock as _;
use crate::adapters::clock::steady::{ClockStep, SteadyClock};
use crate::adapters::timesync::{SharedTimeSync, TimeState};
use crate::config::ClockRule;
use crate::progress::Beat;
use crate::status::ClockHealth;

/// How often the system's clock is compared.
const EVERY: Duration = Duration::from_millis(500);
/// How often somebody is asked about the clock: while it is in doubt, and otherwise.
const ASKED_IN_DOUBT: Duration = Duration::from_secs(2);
const ASKED: Duration = Duration::from_secs(30);
/// Error of a clock that nobody keeps and that will do all the same.
const ERROR_ANY: Duration = Duration::from_secs(1);

/// 2026-01-01T00:00:00Z: earlier it cannot be.
const BEGINNING: UtcTime = UtcTime::from_unix_us(1_767_225_600_000_000);

/// See the module.
#[derive(Debug)]
pub(super) struct Timekeeper {
    clock: Arc<SteadyClock>,
    sync: SharedTimeSync,
    rule: ClockRule,
    health: Arc<ClockHealth>,
    ask_at: Duration,
    waiting_logged: bool,
}

impl Timekeeper {
    pub(super) fn new(
        clock: Arc<SteadyClock>,
        sync: SharedTimeSync,
        rule: ClockRule,
        health: Arc<ClockHealth>,
    ) -> Self {
        Self {
            clock,
            sync,
            rule,
            health,
            ask_at: Duration::ZERO,
            waiting_logged: false,
        }
    }

    /// Until `stop`.
    pub(super) fn run(mut self, alarm: &Alarm, beat: &Beat, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            beat.on(self.clock.monotonic());
            if let Some(step) = self.look() {
                report_step(step, alarm);
            }
            std::thread::sleep(EVERY);
        }
    }

    /// Compares once; gives a step of the system's clock.
    fn look(&mut self) -> Option<ClockStep> {
        let now = self.clock.monotonic();
        let vouched = if now >= self.ask_at {
            let state = self.sync.ask();
            self.note(state);
            let wait = if state.vouched().is_some() {
                ASKED
            } else {
                ASKED_IN_DOUBT
            };
            self.ask_at = now + wait;
            match self.rule {
                ClockRule::Synchronised => state.vouched(),
                // What a clock of before this program seals is refused by every hub.
                ClockRule::Any if self.clock.now() < BEGINNING => state.vouched(),
                ClockRule::Any => Some(state.vouched().unwrap_or(ERROR_ANY)),
            }
        } else {
            None
        };
        let step = self.clock.watch(vouched);
        if step.is_some_and(|step| !step.followed) {
            self.ask_at = now;
        }
        if vouched.is_some() && !self.health.is_good.swap(true, Ordering::Relaxed) {
            tracing::info!("the clock is good: the cameras are watched");
        }
        step
    }

    fn note(&mut self, state: TimeState) {
        let kept = state.vouched().is_some();
        let before = self.health.is_kept.swap(kept, Ordering::Relaxed);
        if before && !kept {
            tracing::warn!("nobody keeps the clock any more: its doubt grows from now on");
        }
        let waits = !kept && self.rule == ClockRule::Synchronised;
        if waits && !self.health.is_good.load(Ordering::Relaxed) && !self.waiting_logged {
            self.waiting_logged = true;
            let why = match state {
                TimeState::Unknown => "neither chrony nor timedatectl answers",
                _ => "NTP has not set it yet",
            };
            tracing::error!(
                why,
                "the clock is not synchronised: no camera is watched until it is; check NTP and \
                 the network, or `varco-edge check`"
            );
        }
    }
}

fn report_step(step: ClockStep, alarm: &Alarm) {
    let (by_ms, forward) = (step.by.as_millis(), step.forward);
    let way = if forward { "forward" } else { "back" };
    let detail = format!("the clock was set {way} by {by_ms} ms");
    alarm.raise(TamperKind::TimeStep, None, &detail);
    if step.followed {
        tracing::warn!(
            by_ms,
            forward,
            "the clock was set, and the new time is taken"
        );
    } else {
        tracing::warn!(
            by_ms,
            forward,
            "the clock was set while nobody vouches for it: the time goes on as before"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use varco_proto::envelope::open;
    use varco_proto::keys::SealingKey;
    use varco_proto::record::{Record, RecordBody};
    use varco_proto::tamper::TamperEvent;

    use super::*;
    use crate::adapters::clock::HandClock;
    use crate::adapters::clock::SharedClock;
    use crate::adapters::spool::Spool;
    use crate::adapters::spool::owner::Owner;
    use crate::adapters::spool::shared::SharedSpool;
    use crate::adapters::timesync::TimeSync;
    use crate::adapters::vault::{BoxKey, Purpose};
    use crate::config::SpoolLimits;
    use crate::config::Tamper;
    use crate::progress::Progress;

    #[derive(Debug)]
    struct Says(Mutex<TimeState>);

    impl TimeSync for Says {
        fn ask(&self) -> TimeState {
            *self.0.lock().unwrap()
        }
    }

    const KEPT: TimeState = TimeState::Synchronised(Duration::from_millis(4));

    struct Stage {
        system: Arc<HandClock>,
        clock: Arc<SteadyClock>,
        says: Arc<Says>,
        health: Arc<ClockHealth>,
        keeper: Timekeeper,
    }

    fn stage(rule: ClockRule, says: TimeState) -> Stage {
        let system = HandClock::at(1_800_000_000_000_000);
        let clock = Arc::new(SteadyClock::new(system.clone()));
        let says = Arc::new(Says(Mutex::new(says)));
        let health = Arc::new(ClockHealth::default());
        let (sync, shared) = (says.clone(), Arc::clone(&health));
        Stage {
            keeper: Timekeeper::new(Arc::clone(&clock), sync, rule, shared),
            system,
            clock,
            says,
            health,
        }
    }

    impl Stage {
        fn pass(&mut self, seconds: u64) -> Vec<ClockStep> {
            let looks = 0..seconds * 2;
            let look = |_| {
                self.system.advance(EVERY);
                self.keeper.look()
            };
            looks.filter_map(look).collect()
        }

        fn is_good(&self) -> bool {
            self.health.is_good.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn nothing_begins_until_somebody_vouches_for_the_clock() {
        for doubt in [TimeState::Unsynchronised, TimeState::Unknown] {
            let mut stage = stage(ClockRule::Synchronised, doubt);
            stage.pass(3600);
            assert!(!stage.is_good());
            *stage.says.0.lock().unwrap() = KEPT;
            stage.pass(3);
            assert!(stage.is_good());
            assert!(stage.clock.error() < Duration::from_millis(5));
        }
        let mut any = stage(ClockRule::Any, TimeState::Unknown);
        any.pass(1);
        assert!(any.is_good());
        assert!(!any.health.is_kept.load(Ordering::Relaxed));
    }

    #[test]
    fn a_clock_in_1970_is_good_for_nobody() {
        let system = HandClock::at(7_000_000);
        let clock = Arc::new(SteadyClock::new(system.clone()));
        let health = Arc::new(ClockHealth::default());
        let sync = Arc::new(Says(Mutex::new(TimeState::Unknown)));
        let mut keeper = Timekeeper::new(clock, sync, ClockRule::Any, Arc::clone(&health));
        for _ in 0..10 {
            system.advance(ASKED_IN_DOUBT);
            keeper.look();
        }
        assert!(!health.is_good.load(Ordering::Relaxed));
    }

    /// The keeper as it runs, over a real spool; gives the alarms that it sealed.
    fn running(stage: Stage, while_it_runs: impl FnOnce(&HandClock)) -> Vec<TamperEvent> {
        let folder = tempfile::tempdir().unwrap();
        let key = SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap();
        let key = Arc::new(key);
        let owner = Owner {
            edge: "sud".parse().unwrap(),
            key: Arc::clone(&key),
            cipher: BoxKey::from_bytes([7; 32]).cipher(Purpose::Spool),
            limits: SpoolLimits::default(),
        };
        let clock: SharedClock = stage.clock.clone();
        let spool = Spool::open(folder.path(), owner, clock.now()).unwrap();
        let spool = SharedSpool::new(spool, Arc::clone(&clock));
        let rules = Tamper {
            ignored: BTreeSet::new(),
            told_only: BTreeSet::new(),
            cabinet: None,
        };
        let alarm = Alarm::new(spool.clone(), Arc::clone(&clock), rules);
        let mut progress = Progress::default();
        let beat = progress.expect("the clock".to_owned(), clock.monotonic());
        let stop = Arc::new(AtomicBool::new(false));
        let Stage {
            system,
            health,
            keeper,
            ..
        } = stage;
        let (own, stopped) = (alarm, Arc::clone(&stop));
        let thread = std::thread::spawn(move || keeper.run(&own, &beat, &stopped));
        while !health.is_good.load(Ordering::Relaxed) {
            std::thread::sleep(EVERY / 50);
        }
        while_it_runs(&system);
        let due = || spool.with(|spool| spool.due(10).unwrap());
        // Two looks of the thread; a step that is sealed ends the wait.
        for _ in 0..300 {
            if !due().is_empty() {
                break;
            }
            std::thread::sleep(EVERY / 50);
        }
        stop.store(true, Ordering::Relaxed);
        thread.join().unwrap();
        let envelope = |sequence| spool.with(|spool| spool.envelope(sequence).unwrap().unwrap());
        let records = due().into_iter().map(|sequence| {
            let record = open::<Record>(&envelope(sequence), &key.opening_key()).unwrap();
            record.value().body.clone()
        });
        let alarm = |body| match body {
            RecordBody::Tamper(event) => Some(event),
            _ => None,
        };
        records.filter_map(alarm).collect()
    }

    #[test]
    fn a_step_of_the_clock_is_sealed_as_an_alarm_by_the_running_keeper() {
        for (forward, way) in [(true, "forward"), (false, "back")] {
            let stage = stage(ClockRule::Synchronised, KEPT);
            let alarms = running(stage, |system| {
                system.set_by(Duration::from_secs(3600), forward);
            });
            let [alarm] = &alarms[..] else {
                panic!("{alarms:?}");
            };
            assert_eq!((alarm.kind, &alarm.camera), (TamperKind::TimeStep, &None));
            assert!(alarm.suspends && alarm.detail.contains(way), "{alarm:?}");
        }
    }

    #[test]
    fn a_clock_set_by_night_waits_for_ntp_while_time_goes_on() {
        let mut stage = stage(ClockRule::Synchronised, KEPT);
        stage.pass(60);
        *stage.says.0.lock().unwrap() = TimeState::Unsynchronised;
        let before = stage.clock.now();
        stage.system.set_by(Duration::from_secs(7200), false);
        let steps = stage.pass(100);
        assert_eq!(steps.len(), 1);
        assert!(!steps[0].forward && !steps[0].followed);
        assert_eq!(stage.clock.now(), before + Duration::from_secs(100));
        *stage.says.0.lock().unwrap() = KEPT;
        let steps = stage.pass(3);
        assert_eq!(steps.len(), 1);
        assert!(steps[0].followed);
        assert!(stage.is_good(), "what has begun goes on");
    }
}
