use std::collections::BTreeSet;

use varco_proto::envelope::open;
use varco_proto::keys::SealingKey;
use varco_proto::record::Record;
use varco_proto::tamper::TamperEvent;
use varco_proto::time::UtcTime;

use super::*;
use crate::adapters::clock::HandClock;
use crate::adapters::spool::Spool;
use crate::adapters::spool::owner::Owner;
use crate::adapters::vault::{BoxKey, Purpose};
use crate::config::SpoolLimits;
use crate::config::{Feed, PushLogin, Tamper};
use crate::onboard::maker::Maker;
use crate::onboard::transit::Placing;
use crate::onboard::understanding::{Take, Understanding};

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// One reader's taker over a real spool, and the clock that both go by.
struct Stage {
    folder: tempfile::TempDir,
    key: Arc<SealingKey>,
    clock: Arc<HandClock>,
    health: Arc<ClockHealth>,
    reader: Reader,
    spool: SharedSpool,
    taker: Taker,
}

fn reader(maker: Maker, take: Take) -> Reader {
    Reader {
        placing: Placing {
            camera: "sud-1".parse().unwrap(),
            gate: "sud".parse().unwrap(),
            lanes: Vec::new(),
            inward: None,
        },
        understanding: Understanding {
            maker,
            zone: "UTC".parse().unwrap(),
            take,
        },
        clock_error: Duration::from_secs(1),
        way: Way::Push {
            login: PushLogin::Path("secret".into()),
            from: None,
        },
    }
}

fn stage(reader: Reader) -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let key = SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap();
    Stage::open(
        folder,
        Arc::new(key),
        HandClock::at(1_795_159_867_000_000),
        reader,
    )
}

fn axis(take: Take) -> Stage {
    stage(reader(Maker::Axis, take))
}

fn hikvision() -> Stage {
    stage(reader(Maker::Hikvision, Take::Last))
}

impl Stage {
    fn open(
        folder: tempfile::TempDir,
        key: Arc<SealingKey>,
        clock: Arc<HandClock>,
        reader: Reader,
    ) -> Self {
        let owner = Owner {
            edge: "sud".parse().unwrap(),
            key: Arc::clone(&key),
            cipher: BoxKey::from_bytes([7; 32]).cipher(Purpose::Spool),
            limits: SpoolLimits::default(),
        };
        let shared: SharedClock = clock.clone();
        let spool = Spool::open(folder.path(), owner, shared.now()).unwrap();
        let spool = SharedSpool::new(spool, Arc::clone(&shared));
        let health = Arc::new(ClockHealth::default());
        health.is_good.store(true, Ordering::Relaxed);
        let rules = Tamper {
            ignored: BTreeSet::new(),
            told_only: BTreeSet::new(),
            cabinet: None,
        };
        let one = CountedReader {
            reader: reader.clone(),
            counters: Arc::default(),
        };
        let outside = Outside {
            spool: spool.clone(),
            clock: Arc::clone(&shared),
            health: Arc::clone(&health),
            alarm: Alarm::new(spool.clone(), shared, rules),
        };
        let taker = Taker::new([one], outside, &[9; 32]);
        Self {
            folder,
            key,
            clock,
            health,
            reader,
            spool,
            taker,
        }
    }

    /// As after a power cut: only the disk is left.
    fn restarted(self) -> Self {
        let Self {
            folder,
            key,
            clock,
            reader,
            spool,
            taker,
            ..
        } = self;
        drop((taker, spool));
        Self::open(folder, key, clock, reader)
    }

    fn push(&self, text: &str) -> Answer {
        let part = Part {
            name: String::new(),
            bytes: text.as_bytes().to_vec(),
        };
        self.taker.take(0, &[part])
    }

    fn pass(&self, seconds: i64) {
        self.clock
            .advance(Duration::from_secs(seconds.unsigned_abs()));
    }

    fn now(&self) -> UtcTime {
        let clock: SharedClock = self.clock.clone();
        clock.now()
    }

    fn records(&self) -> Vec<Record> {
        self.spool.with(|spool| {
            let due = spool.due(1000).unwrap();
            let envelopes = due.iter().map(|it| spool.envelope(*it).unwrap().unwrap());
            let key = self.key.opening_key();
            let records = envelopes.map(|bytes| open::<Record>(&bytes, &key).unwrap());
            records.map(|record| record.value().clone()).collect()
        })
    }

    fn transits(&self) -> Vec<Transit> {
        let records = self.records().into_iter();
        records
            .filter_map(|it| it.body.transit().cloned())
            .collect()
    }

    fn alarms(&self) -> Vec<TamperEvent> {
        let records = self.records().into_iter();
        let alarm = |record: Record| match record.body {
            RecordBody::Tamper(event) => Some(event),
            _ => None,
        };
        records.filter_map(alarm).collect()
    }

    /// An Axis message of a car, dated so many seconds from now.
    fn car(&self, number: u32, plate: &str, state: &str, from_now: i64) -> Answer {
        let stamp = self.now().unix_us() / 1000 + from_now * 1000;
        self.push(&format!(
            r#"{{"plateASCII":"{plate}","plateText":"{plate}","carID":"{number}",
                "carState":"{state}","capture_timestamp":"{stamp}"}}"#
        ))
    }

    /// A Hikvision message, with these elements more.
    fn alert(&self, plate: &str, more: &str) -> Answer {
        self.push(&format!(
            "<EventNotificationAlert><eventType>ANPR</eventType><eventState>active</eventState>{more}\
             <ANPR><licensePlate>{plate}</licensePlate></ANPR></EventNotificationAlert>"
        ))
    }

    fn dated(&self, plate: &str, from_now: i64) -> Answer {
        let when = self.now().unix_us() + from_now * 1_000_000;
        let when = UtcTime::from_unix_us(when);
        self.alert(plate, &format!("<dateTime>{when}</dateTime>"))
    }
}

fn ids(transits: &[Transit]) -> BTreeSet<String> {
    transits
        .iter()
        .map(|transit| transit.id.to_string())
        .collect()
}

#[test]
fn d03_part_a_camera_that_counts_from_one_again_loses_no_vehicle() {
    let stage = axis(Take::First);
    let take = |number, plate| assert_eq!(stage.car(number, plate, "new", 0), Answer::Taken);
    take(1, "UQ401OI");
    take(2, "UQ402OI");
    // The camera restarts.
    take(1, "UQ403OI");
    stage.pass(62);
    take(1, "UQ404OI");
    take(2, "UQ405OI");
    assert_eq!(stage.car(2, "UQ405OI", "new", 0), Answer::Repeated);
    assert_eq!(stage.car(2, "UQ405OI", "lost", 3), Answer::Repeated);
    let transits = stage.transits();
    assert_eq!((transits.len(), ids(&transits).len()), (5, 5));
    // No two share the random half, so that a hub of any version keeps them all.
    let halves: BTreeSet<_> = transits
        .iter()
        .map(|it| it.id.as_bytes()[8..].to_vec())
        .collect();
    assert_eq!(halves.len(), 5);
}

#[test]
fn d03_part_a_plate_that_passes_again_a_minute_later_in_a_scene_description_is_another_transit() {
    let stage = stage(reader(Maker::Onvif, Take::Last));
    let frame = |object: u32| {
        let when = stage.now();
        stage.push(&format!(
            r##"{{"Frame":[{{"@UtcTime":"{when}","@Source":"LPR","Object":[{{"@ObjectId":{object},
                "Appearance":{{"LicensePlateInfo":{{"PlateNumber":
                {{"@Likelihood":0.9,"#text":"OU321IQ"}}}}}}}}]}}]}}"##
        ))
    };
    for object in [21, 22, 22] {
        assert_eq!(frame(object), Answer::Taken);
        stage.pass(1);
        assert_eq!(frame(object), Answer::Repeated, "the next frame");
        stage.pass(65);
    }
    let transits = stage.transits();
    let halves: BTreeSet<_> = transits
        .iter()
        .map(|it| it.id.as_bytes()[8..].to_vec())
        .collect();
    assert_eq!((transits.len(), halves.len()), (3, 3));
}

#[test]
fn d03_part_a_vehicle_without_time_and_number_that_comes_again_is_another_transit() {
    let stage = hikvision();
    assert_eq!(stage.alert("IO301QU", ""), Answer::Taken);
    stage.pass(5);
    assert_eq!(stage.alert("IO301QU", ""), Answer::Repeated, "sent again");
    stage.pass(60);
    assert_eq!(stage.alert("IO301QU", ""), Answer::Taken);
    let transits = stage.transits();
    assert_eq!((transits.len(), ids(&transits).len()), (2, 2));
    assert_eq!(transits[1].captured_at.source, ClockSource::Arrival);
    assert!(transits[1].captured_at.at > transits[0].captured_at.at);
}

#[test]
fn d03_part_an_event_sent_again_after_a_power_cut_is_known() {
    let stage = axis(Take::Last);
    assert_eq!(stage.car(7, "UQ401OI", "lost", 0), Answer::Taken);
    stage.pass(30);
    let stage = stage.restarted();
    assert_eq!(stage.car(7, "UQ401OI", "lost", -30), Answer::Repeated);
    assert_eq!(stage.car(7, "UQ401OI", "lost", 0), Answer::Taken);
    assert_eq!(stage.transits().len(), 2);
    // A wrong clock's message is known by what it says, although its transit has another time.
    assert_eq!(stage.car(8, "UQ402OI", "lost", -DAY), Answer::Taken);
    let stage = stage.restarted();
    assert_eq!(stage.car(8, "UQ402OI", "lost", -DAY), Answer::Repeated);
    stage.pass(2 * HOUR);
    stage.car(9, "UQ403OI", "lost", 0);
    let known = stage.spool.with(|spool| {
        let camera = "sud-1".parse().unwrap();
        spool.taken_of(&camera, stage.now()).unwrap().len()
    });
    assert_eq!(known, 1, "what is old is forgotten");
}

#[test]
fn d03_part_a_clock_that_goes_back_is_told_at_once_and_dates_nothing() {
    let stage = hikvision();
    assert_eq!(stage.dated("IO301QU", -1), Answer::Taken);
    for (plate, back) in [
        ("IO302QU", HOUR),
        ("IO303QU", DAY),
        ("IO304QU", 56 * 365 * DAY),
    ] {
        assert_eq!(stage.dated(plate, -back), Answer::Taken);
        let time = stage.transits().last().unwrap().captured_at;
        assert_eq!((time.at, time.source), (stage.now(), ClockSource::Arrival));
        let back = Duration::from_secs(back.unsigned_abs());
        assert!(
            time.uncertainty >= back.min(crate::onboard::timing::AGE_MAX),
            "{plate}"
        );
    }
    let [alarm] = &stage.alarms()[..] else {
        panic!("{:?}", stage.alarms());
    };
    assert_eq!(alarm.kind, TamperKind::TimeStep);
    assert_eq!(alarm.camera.as_ref().unwrap().as_str(), "sud-1");
    assert!(!alarm.suspends, "transits go on");
    assert!(alarm.detail.contains("3600 s behind"), "{}", alarm.detail);
    assert!(
        stage.taker.readers[0]
            .counters
            .pushed
            .clock_wrong
            .load(Ordering::Relaxed)
    );
    let note =
        crate::adapters::spool::taken::clock_in(stage.folder.path(), &"sud-1".parse().unwrap());
    assert!(note.unwrap().unwrap().is_bad, "`check` reads it");
    // It is set right, and a reading kept before that is marked as such by nobody.
    assert_eq!(stage.dated("IO305QU", -1), Answer::Taken);
    let time = stage.transits().last().unwrap().captured_at;
    assert_eq!(time.source, ClockSource::Camera);
    assert!(
        !stage.taker.readers[0]
            .counters
            .pushed
            .clock_wrong
            .load(Ordering::Relaxed)
    );
}

#[test]
fn d03_part_what_nobody_may_keep_any_more_is_not_answered_with_taken() {
    let stage = hikvision();
    stage.dated("IO301QU", -1);
    let parts = |from_now: i64| {
        let when = UtcTime::from_unix_us(stage.now().unix_us() + from_now * 1_000_000);
        let text = format!(
            "<EventNotificationAlert><eventType>ANPR</eventType><dateTime>{when}</dateTime>\
             <ANPR><licensePlate>IO302QU</licensePlate></ANPR></EventNotificationAlert>"
        );
        [Part {
            name: String::new(),
            bytes: text.into_bytes(),
        }]
    };
    for (days, taken) in [(6, true), (8, false)] {
        // As its broker, or its maker, marks it.
        let answer = stage.taker.take_kept(0, &parts(-days * DAY));
        assert_eq!(
            matches!(answer, Answer::Taken),
            taken,
            "{days} days: {answer:?}"
        );
        assert_eq!(matches!(answer, Answer::Other(_)), !taken);
    }
    let transits = stage.transits();
    assert_eq!(transits.len(), 2);
    assert_eq!(transits[1].captured_at.source, ClockSource::Camera);
}

#[test]
fn d03_part_what_comes_before_the_clock_is_good_waits_and_is_dated_by_its_arrival() {
    let stage = hikvision();
    stage.health.is_good.store(false, Ordering::Relaxed);
    let came = stage.now();
    assert_eq!(stage.alert("IO301QU", ""), Answer::Taken);
    assert_eq!(stage.transits().len(), 0);
    stage.pass(40);
    stage.taker.seal_waiting();
    assert_eq!(stage.transits().len(), 0);
    // The clock was two hours slow; the time that has passed meanwhile is known all the same.
    stage.clock.set_by(Duration::from_secs(7200), true);
    stage.health.is_good.store(true, Ordering::Relaxed);
    stage.taker.seal_waiting();
    let transits = stage.transits();
    assert_eq!(transits.len(), 1);
    assert_eq!(transits[0].captured_at.at, came + Duration::from_secs(7200));
    assert_eq!(stage.taker.waiting(), 0);
}

#[test]
fn d03_part_what_comes_while_others_of_its_reader_wait_is_sealed_after_them() {
    let stage = axis(Take::First);
    stage.health.is_good.store(false, Ordering::Relaxed);
    assert_eq!(stage.car(1, "UQ401OI", "new", 0), Answer::Taken);
    stage.health.is_good.store(true, Ordering::Relaxed);
    stage.pass(2);
    assert_eq!(stage.car(1, "UQ401OI", "lost", 0), Answer::Taken);
    assert_eq!((stage.taker.waiting(), stage.transits().len()), (2, 0));
    stage.taker.seal_waiting();
    assert_eq!((stage.taker.waiting(), stage.transits().len()), (0, 1));
    assert_eq!(stage.car(2, "UQ402OI", "new", 0), Answer::Taken);
    assert_eq!((stage.taker.waiting(), stage.transits().len()), (0, 2));
}

#[test]
fn d03_part_what_a_broker_kept_is_one_transit_however_often_it_gives_it() {
    let stage = hikvision();
    let kept = |more: &str| {
        let text = format!(
            "<EventNotificationAlert><eventType>ANPR</eventType>{more}\
             <ANPR><licensePlate>IO302QU</licensePlate></ANPR></EventNotificationAlert>"
        );
        let bytes = text.into_bytes();
        let name = String::new();
        stage.taker.take_kept(0, &[Part { name, bytes }])
    };
    assert!(matches!(kept(""), Answer::Other(_)), "nobody says when");
    // Nobody has seen the camera's clock right: the arrival dates it.
    let when = stage.now() - Duration::from_secs(60);
    let when = format!("<dateTime>{when}</dateTime>");
    assert_eq!(kept(&when), Answer::Taken);
    stage.pass(2 * HOUR);
    assert_eq!(kept(&when), Answer::Taken);
    let transits = stage.transits();
    assert_eq!((transits.len(), ids(&transits).len()), (2, 1));
    assert_eq!(transits[0].captured_at.source, ClockSource::Arrival);
}

#[test]
fn d03_part_waiting_has_a_bound_and_beyond_it_nothing_is_called_taken() {
    let stage = hikvision();
    stage.health.is_good.store(false, Ordering::Relaxed);
    for _ in 0..256 {
        assert_eq!(stage.alert("IO301QU", ""), Answer::Taken);
        stage.pass(MINUTE);
    }
    assert!(matches!(stage.alert("IO301QU", ""), Answer::Busy(_)));
    stage.health.is_good.store(true, Ordering::Relaxed);
    stage.taker.seal_waiting();
    assert_eq!(stage.transits().len(), 256);
}

#[test]
fn d03_part_a_brokers_message_waits_at_the_broker() {
    let stage = stage(Reader {
        way: Way::Feed(Feed {
            broker_host: "localhost".to_owned(),
            broker_port: 1883,
            topic: "sud/#".to_owned(),
            ca_file: None,
            credentials: None,
        }),
        ..reader(Maker::Hikvision, Take::Last)
    });
    stage.health.is_good.store(false, Ordering::Relaxed);
    assert!(matches!(stage.alert("IO301QU", ""), Answer::Busy(_)));
    assert_eq!(stage.taker.waiting(), 0);
}
