//! A clock that jumps, drifts or begins anew: nothing is destroyed too early, nothing is shown past its
//! term, and nothing is refused for it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use varco_hub::audit::action::Action;
use varco_hub::audit::actor::Actor;
use varco_hub::audit::{self};
use varco_hub::chains::place::Limits;
use varco_hub::config::RETENTION_MAX;
use varco_hub::hours::keys::HourKeys;
use varco_hub::intake::writer::Writer;
use varco_hub::opening::clock;
use varco_hub::opening::clock_confirmation::{ConfirmError, confirm};
use varco_hub::proof::destruction::{Proof, proof};
use varco_hub::timekeeping::Clock as _;
use varco_hub::timekeeping::{
    ClockNews, Doubt, HubClock, Keeper, Memory, Moment, Source, Voucher, Vouching,
};
use varco_proto::time::UtcTime;

use crate::retention::shown;
use crate::support::{DAY, House, SECOND, TestEdge};

const MINUTE: Duration = Duration::from_secs(60);

/// A machine whose clocks are moved by hand.
struct Hand {
    system_us: AtomicI64,
    uptime_us: AtomicU64,
    boot: Mutex<String>,
}

impl Hand {
    /// Both clocks go on.
    fn pass(&self, span: Duration) {
        self.uptime_us
            .fetch_add(u64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
        self.set_by(i64::try_from(span.as_micros()).unwrap());
    }

    /// The system's clock alone, by microseconds.
    fn set_by(&self, span_us: i64) {
        self.system_us.fetch_add(span_us, Ordering::SeqCst);
    }

    fn jump_days(&self, days: i64) {
        self.set_by(days * 86_400_000_000);
    }

    fn boots(&self) {
        self.boot.lock().unwrap().push('x');
        self.uptime_us.store(5_000_000, Ordering::SeqCst);
    }
}

impl Source for Hand {
    fn moment(&self) -> Moment {
        Moment {
            system: UtcTime::from_unix_us(self.system_us.load(Ordering::SeqCst)),
            uptime: Duration::from_micros(self.uptime_us.load(Ordering::SeqCst)),
        }
    }

    fn boot(&self) -> Option<String> {
        Some(self.boot.lock().unwrap().clone())
    }
}

struct Says(Vouching);

impl Keeper for Says {
    fn ask(&self) -> Vouching {
        self.0
    }
}

/// A house whose hub has a clock of its own, and an edge.
struct Watch {
    house: House,
    hand: Arc<Hand>,
    clock: Arc<HubClock>,
    edge: TestEdge,
}

impl Watch {
    fn new() -> Self {
        let mut house = House::new();
        let edge = house.edge("porta-nord-01");
        let hand = Arc::new(Hand {
            system_us: house.clock.now().unix_us().into(),
            uptime_us: 1_000_000_000.into(),
            boot: Mutex::new("boot".to_owned()),
        });
        let memory = Memory::vouched("boot".to_owned(), &hand.moment(), Voucher::Beginning);
        memory.write(&house.home.clock_file()).unwrap();
        let clock = begin(&mut house, &hand);
        Self {
            house,
            hand,
            clock,
            edge,
        }
    }

    /// The hub is started anew, on the same disk.
    fn restart(&mut self) {
        self.house.restart();
        self.clock = begin(&mut self.house, &self.hand);
    }

    fn writer(&self) -> Writer {
        Writer::new(
            self.house.home.open_main().unwrap(),
            self.house.archive(),
            self.house.home.sealing_key().unwrap(),
            self.clock.clone(),
            Limits {
                term: RETENTION_MAX,
                ahead_max: MINUTE,
            },
        )
    }

    /// A vehicle passes at a moment, by a clock that is right; whether it is receipted.
    fn passes(&mut self, at: UtcTime) -> bool {
        let record = [self.edge.seal("AB123CD", at)];
        let taken = self.writer().take(&record).unwrap();
        assert_eq!(self.house.refusals(&taken), []);
        self.house.receipts(&taken).len() == 1
    }

    /// As the hub does it each minute; gives how many hours were destroyed.
    fn expire(&self) -> usize {
        let expired = self.writer().expire(usize::MAX).unwrap();
        self.house.archive().unlink(&expired.hours).unwrap();
        expired.hours.len()
    }

    fn shown(&self) -> usize {
        shown(&self.house, self.clock.now())
    }

    fn proof(&self) -> Proof {
        proof(&self.house.home, self.clock.reading()).unwrap()
    }

    /// Asks a keeper of time until it is believed.
    fn is_kept(&self) -> Option<ClockNews> {
        assert_eq!(self.clock.ask(&Says(Vouching::Yes)), None, "not at once");
        self.hand.pass(11 * SECOND);
        self.clock.ask(&Says(Vouching::Yes))
    }

    fn in_doubt(&self) -> Option<Doubt> {
        self.clock.reading().doubt()
    }

    fn keys(&self) -> usize {
        let home = &self.house.home;
        let keys = HourKeys::open(&home.hour_keys(), &home.store_key_file()).unwrap();
        keys.hours().unwrap().len()
    }
}

fn begin(house: &mut House, hand: &Arc<Hand>) -> Arc<HubClock> {
    let clock = clock::by(&house.home, hand.clone()).unwrap();
    clock.tell(&house.archive().settings().lead);
    clock
}

#[test]
fn a_jump_forward_destroys_nothing_hides_everything_and_takes_in_what_comes() {
    for restarted in [false, true] {
        let mut watch = Watch::new();
        let now = watch.clock.now();
        assert!(watch.passes(now - DAY) && watch.passes(now));
        watch.clock.look();
        watch.hand.jump_days(8);
        if restarted {
            watch.restart();
        }
        assert_eq!(watch.in_doubt(), Some(Doubt::Jump));
        assert_eq!(watch.clock.now(), now, "the kept time goes on");
        assert!(matches!(watch.clock.look(), Some(ClockNews::Doubted(_))));
        assert_eq!(watch.clock.look(), None, "told once");
        assert_eq!((watch.expire(), watch.keys()), (0, 2));
        assert_eq!(watch.shown(), 0, "it may be past its term");
        let doubted = watch.proof();
        assert!(!doubted.holds && doubted.clock_doubt.is_some());
        assert_eq!(doubted.at, now, "it claims no later time");
        assert!(watch.passes(now), "intake goes on");

        watch.hand.jump_days(-8);
        assert!(matches!(watch.clock.look(), Some(ClockNews::Agreed(_))));
        assert_eq!((watch.expire(), watch.shown()), (0, 3));
        assert!(watch.proof().holds);
    }
}

#[test]
fn a_jump_back_neither_shows_what_is_past_its_term_nor_refuses_what_comes() {
    for restarted in [false, true] {
        let mut watch = Watch::new();
        let begin = watch.clock.now();
        assert!(watch.passes(begin));
        watch.hand.pass(7 * DAY + SECOND);
        watch.clock.look();
        assert_eq!(watch.shown(), 0);
        watch.hand.jump_days(-2);
        if restarted {
            watch.restart();
        }
        let now = watch.clock.now();
        assert_eq!(now, begin + 7 * DAY + SECOND);
        assert_eq!((watch.in_doubt(), watch.shown()), (Some(Doubt::Jump), 0));
        assert_eq!(watch.expire(), 0);
        assert!(watch.passes(now) && watch.passes(now - 7 * DAY - SECOND));
        watch.hand.jump_days(2);
        assert_eq!((watch.in_doubt(), watch.shown()), (None, 1));
    }
}

#[test]
fn a_keeper_of_time_or_a_person_ends_the_doubt_and_what_waited_is_destroyed() {
    for by in [Voucher::Keeper, Voucher::Person] {
        let mut watch = Watch::new();
        let now = watch.clock.now();
        assert!(watch.passes(now));
        watch.hand.jump_days(8);
        watch.clock.look();
        assert_eq!(watch.clock.ask(&Says(Vouching::No)), None);
        assert_eq!(watch.clock.ask(&Says(Vouching::Nobody)), None);
        assert_eq!(watch.expire(), 0);
        let news = match by {
            Voucher::Person => {
                // Another process does it, and the running hub sees it.
                let command = clock::by(&watch.house.home, watch.hand.clone()).unwrap();
                let actor = Actor::at_console("Ispettore Bianchi").unwrap();
                let time = now + 8 * DAY;
                confirm(&watch.house.home, &command, &actor, "radio clock", time).unwrap();
                watch.clock.look()
            }
            _ => watch.is_kept(),
        };
        let Some(ClockNews::Followed { by: who, .. }) = news else {
            panic!("{news:?}");
        };
        assert_eq!((who, watch.in_doubt()), (by, None));
        assert_eq!((watch.expire(), watch.keys()), (1, 0));
        let proof = watch.proof();
        assert!(proof.holds, "{proof:?}");
        assert!(proof.destroyed[0].at >= now + 8 * DAY);
        watch.restart();
        assert_eq!(watch.in_doubt(), None, "it is remembered");
    }
}

#[test]
fn a_keeper_that_vouches_once_right_after_a_jump_is_not_believed() {
    let watch = Watch::new();
    watch.hand.jump_days(8);
    assert_eq!(watch.clock.ask(&Says(Vouching::Yes)), None);
    watch.hand.pass(11 * SECOND);
    assert_eq!(watch.clock.ask(&Says(Vouching::No)), None);
    assert_eq!(watch.clock.ask(&Says(Vouching::Yes)), None, "anew");
    watch.hand.jump_days(1);
    watch.hand.pass(11 * SECOND);
    assert_eq!(watch.clock.ask(&Says(Vouching::Yes)), None, "it jumped");
    assert_eq!(watch.in_doubt(), Some(Doubt::Jump));
}

#[test]
fn a_confirmation_names_who_and_why_and_the_time_that_is_meant() {
    let watch = Watch::new();
    let (now, home) = (watch.clock.now(), &watch.house.home);
    watch.hand.jump_days(8);
    let actor = Actor::at_console("Ispettore Bianchi").unwrap();
    let refused = confirm(home, &watch.clock, &actor, "radio clock", now).unwrap_err();
    assert!(matches!(refused, ConfirmError::Apart { .. }), "{refused}");
    let refused = confirm(home, &watch.clock, &actor, " ", now + 8 * DAY).unwrap_err();
    assert!(matches!(refused, ConfirmError::Purpose), "{refused}");
    assert_eq!(watch.in_doubt(), Some(Doubt::Jump));
    confirm(home, &watch.clock, &actor, "radio clock", now + 8 * DAY).unwrap();
    assert_eq!(watch.in_doubt(), None);
    let main = home.open_main().unwrap();
    let lines = audit::of_action(&main, Action::ClockConfirmed).unwrap();
    assert_eq!(
        (lines.len(), lines[0].actor.as_str()),
        (1, "Ispettore Bianchi")
    );
    assert_eq!(lines[0].details["purpose"], "radio clock");
}

#[test]
fn leap_seconds_slewing_and_drift_are_followed_and_small_steps_lead_nowhere() {
    let watch = Watch::new();
    watch.hand.set_by(-1_000_000);
    assert_eq!((watch.clock.look(), watch.in_doubt()), (None, None));
    // A cheap quartz that nobody keeps, for a week: 100 parts of a million.
    for _ in 0..7 * 24 {
        watch.hand.pass(60 * MINUTE);
        watch.hand.set_by(360_000);
        assert_eq!(watch.clock.look(), None);
        assert_eq!(watch.clock.now(), watch.hand.moment().system);
    }
    let before = watch.clock.now();
    for _ in 0..700 {
        watch.hand.pass(SECOND / 2);
        watch.hand.set_by(1_900_000);
        watch.clock.look();
    }
    assert_eq!(watch.in_doubt(), Some(Doubt::Jump));
    let ahead = watch.clock.now().since(before + 350 * SECOND);
    assert!(ahead < 11 * MINUTE, "{ahead:?}");
}

#[test]
fn drift_is_followed_also_while_no_hub_runs() {
    let mut watch = Watch::new();
    watch.clock.look();
    watch.hand.pass(3 * DAY);
    watch.hand.set_by(20_000_000);
    watch.restart();
    assert_eq!(watch.in_doubt(), None);
}

#[test]
fn after_a_boot_somebody_must_vouch_whatever_the_clock_says() {
    for days in [0, 8, -2, -20_000] {
        let mut watch = Watch::new();
        let now = watch.clock.now();
        assert!(watch.passes(now));
        watch.clock.look();
        watch.hand.boots();
        watch.hand.jump_days(days);
        watch.restart();
        assert_eq!(watch.in_doubt(), Some(Doubt::Start), "{days}");
        assert_eq!(watch.clock.now(), now, "it is no earlier than it was");
        assert_eq!((watch.expire(), watch.keys()), (0, 1));
        assert_eq!(watch.shown(), usize::from(days != 8));
        assert!(!watch.proof().holds);
        // The machine was off for ten hours, and its edges know what time it is.
        assert!(watch.passes(now + 36_000 * SECOND));
        watch.hand.jump_days(-days);
        watch.is_kept().unwrap();
        assert_eq!((watch.in_doubt(), watch.expire()), (None, 0));
        watch.restart();
        assert_eq!(watch.in_doubt(), None);
    }
}

#[test]
fn a_home_without_a_memory_is_in_doubt_and_not_before_its_last_audit_line() {
    let mut watch = Watch::new();
    std::fs::write(watch.house.home.clock_file(), b"{\"boot\":").unwrap();
    watch.hand.jump_days(8);
    watch.restart();
    assert_eq!(watch.in_doubt(), Some(Doubt::Start));
    assert_eq!(watch.clock.now(), watch.house.clock.now());
}

#[test]
fn a_line_that_does_not_say_what_was_destroyed_proves_nothing() {
    let watch = Watch::new();
    let (home, now) = (&watch.house.home, watch.clock.now());
    let (mut main, key) = (home.open_main().unwrap(), home.sealing_key().unwrap());
    let mut write = |details, at| {
        let line = main.transaction().unwrap();
        let entry = audit::AuditEntry::plain(Actor::hub(), Action::PartitionExpired, details);
        audit::append(&line, &entry, at, &key).unwrap();
        line.commit().unwrap();
    };
    let hour = "2026-11-15T10";
    write(serde_json::json!({ "hour": hour, "transits": 4 }), now);
    assert!(watch.proof().holds);
    write(serde_json::json!({ "hour": hour, "transits": "many" }), now);
    write(serde_json::json!({ "transits": 4 }), now);
    // Destroyed by a clock that was ahead: of no time that the hub knows.
    write(
        serde_json::json!({ "hour": hour, "transits": 4 }),
        now + DAY,
    );
    let proof = watch.proof();
    assert!(!proof.holds);
    assert_eq!(
        (proof.destroyed.len(), proof.unproved_audit_lines.len()),
        (1, 3)
    );
}

/// Random numbers that are the same at each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % most
    }
}

/// `VARCO_CLOCK_JUMPS=100` for the long run.
#[test]
fn k04_part_jumps_at_random_lose_destroy_and_show_nothing_wrongly() {
    let jumps = std::env::var("VARCO_CLOCK_JUMPS").map_or(12, |jumps| jumps.parse().unwrap());
    let mut watch = Watch::new();
    let mut dice = Dice(jumps);
    let mut captured = Vec::new();
    let mut truth = watch.clock.now();
    for jump in 0..jumps {
        for _ in 0..3 {
            assert!(watch.passes(truth), "jump {jump}");
            captured.push(truth);
            let span = MINUTE * u32::try_from(1 + dice.below(90)).unwrap();
            watch.hand.pass(span);
            truth = truth + span;
            watch.clock.look();
        }
        let by_s = i64::try_from(dice.below(20 * 86_400)).unwrap() - 10 * 86_400;
        watch.hand.set_by(by_s * 1_000_000);
        if dice.below(3) == 0 {
            watch.restart();
        }
        let is_jump = by_s.abs() > 120;
        assert_eq!(watch.in_doubt().is_some(), is_jump, "jump {jump}: {by_s} s");
        assert_eq!(watch.expire(), 0, "jump {jump}: {by_s} s");
        let latest = truth + Duration::from_secs(u64::try_from(by_s).unwrap_or(0));
        let may_show = captured.iter().filter(|at| **at + 7 * DAY >= latest);
        assert_eq!(watch.shown(), may_show.count(), "jump {jump}");
        assert!(watch.passes(truth), "jump {jump}");
        captured.push(truth);
        if dice.below(3) == 0 {
            watch.restart();
        }
        // It is set right, or somebody who knows says so.
        watch.hand.set_by(-by_s * 1_000_000);
        if is_jump && dice.below(2) == 0 {
            watch.is_kept();
            truth = truth + 11 * SECOND;
        }
        assert_eq!(watch.in_doubt(), None, "jump {jump}");
        let hour_us = 3_600_000_000;
        let gone = |at: &UtcTime| {
            let end = (at.unix_us() / hour_us + 1) * hour_us;
            UtcTime::from_unix_us(end) + 7 * DAY <= truth
        };
        watch.expire();
        captured.retain(|at| !gone(at));
        assert_eq!(watch.house.stored(), i64::try_from(captured.len()).unwrap());
        let proof = watch.proof();
        assert!(proof.holds, "jump {jump}: {proof:?}");
    }
}
