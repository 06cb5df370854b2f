//! A camera that reads plates itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use varco_proto::time::UtcTime;

use super::points::{Point, Points};
use crate::adapters::clock::{SharedClock, SystemClock};
use crate::adapters::feed;
use crate::adapters::http::Serving;
use crate::commands::run::doors::Doors;
use crate::config::Config;
use crate::onboard::malformed::Malformed;
use crate::onboard::message::Message;
use crate::onboard::notes::LeftOut;
use crate::onboard::part::Part;
use crate::onboard::plate_picture::crop;
use crate::onboard::pushed::{Pushed, Telling};
use crate::onboard::sink::{Answer, Sink};
use crate::onboard::timing::{Arrival, CameraClock, OFFSET_MAX};
use crate::onboard::understand;
use crate::onboard::understanding::Understanding;

/// Most messages that are kept.
const MESSAGES_MAX: usize = 256;
/// Narrowest picture of a plate that people can judge, in pixels.
const CROP_PX_MIN: u32 = 60;

/// One message as it was understood, and when it came.
type Came = (Result<Message, Malformed>, Option<UtcTime>);

/// What came.
#[derive(Debug, Default)]
struct Seen {
    came: Vec<Came>,
    turned_away: u32,
    /// Whether the configuration says which direction leads in; none without a configuration.
    says_inward: Option<bool>,
}

/// Keeps what comes for one reader instead of sealing it.
#[derive(Debug)]
struct Collector {
    reader: usize,
    rules: Understanding,
    clock: SharedClock,
    seen: Mutex<Seen>,
}

impl Collector {
    fn note(&self, reader: usize, came: Result<Message, Malformed>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if reader == self.reader && seen.came.len() < MESSAGES_MAX {
            seen.came.push((came, Some(self.clock.now())));
        }
    }
}

impl Sink for Collector {
    fn take(&self, reader: usize, parts: &[Part]) -> Answer {
        self.note(reader, understand(&self.rules, parts, self.clock.now()));
        // Nothing is sealed here: whoever sends again will reach the daemon.
        Answer::Busy("this is a test, and nothing is kept")
    }

    fn refused(&self, reader: usize, why: Malformed) -> Answer {
        self.note(reader, Err(why));
        Answer::Malformed(why)
    }

    fn turned_away(&self, reader: usize) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if reader == self.reader {
            seen.turned_away = seen.turned_away.saturating_add(1);
        }
    }
}

/// Judges one recorded message.
pub(super) fn recorded(
    rules: &Understanding,
    parts: Result<Vec<Part>, Malformed>,
    arrived: Option<UtcTime>,
) -> Vec<Point> {
    let near = arrived.unwrap_or_default();
    let came = parts.and_then(|parts| understand(rules, &parts, near));
    judge(&Seen {
        came: vec![(came, arrived)],
        ..Seen::default()
    })
}

/// Opens the daemon's doors for so long and judges what comes.
pub(super) fn watch(config: &Config, at: usize, span: Duration) -> anyhow::Result<Vec<Point>> {
    let reader = config.readers.get(at).context("there is no such reader")?;
    let clock = SystemClock::shared();
    let says_inward = Some(reader.placing.inward.is_some());
    let collector = Arc::new(Collector {
        reader: at,
        rules: reader.understanding.clone(),
        clock: Arc::clone(&clock),
        seen: Mutex::new(Seen {
            says_inward,
            ..Seen::default()
        }),
    });
    let sink: Arc<dyn Sink> = collector.clone();
    let doors = Doors::open(config, &sink, &clock)
        .context("end the daemon while this runs: both listen at the same place")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let serving = Serving::default();
        for settings in doors.feeds {
            tokio::spawn(feed::run(settings, Arc::clone(&sink)));
        }
        match doors.bound {
            Some(bound) => {
                let served = tokio::time::timeout(span, bound.serve(&serving)).await;
                served.unwrap_or(Ok(())).context("no longer listening")
            }
            None => {
                tokio::time::sleep(span).await;
                Ok(())
            }
        }
    })?;
    let seen = collector
        .seen
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    Ok(judge(&seen))
}

fn judge(seen: &Seen) -> Vec<Point> {
    let mut points = Points::default();
    let readings: Vec<(&Pushed, Option<UtcTime>)> = seen
        .came
        .iter()
        .flat_map(|(came, at)| read(came).iter().map(|pushed| (pushed, *at)))
        .collect();
    let malformed = seen.came.iter().find_map(|(came, _)| match came {
        Ok(Message::Readings(readings)) => readings.refused,
        Ok(Message::Other(_)) => None,
        Err(why) => Some(*why),
    });
    let found = match malformed {
        Some(why) => why.to_string(),
        None => format!("{} messages understood", seen.came.len()),
    };
    let to_do = "set the camera to its maker's own format, with all fields switched on";
    points.add(
        "format",
        malformed.is_none() && !seen.came.is_empty(),
        found,
        to_do,
    );
    let other = seen.came.iter().find_map(|(came, _)| match came {
        Ok(Message::Other(what)) => Some(what),
        _ => None,
    });
    let found = match (readings.len(), seen.turned_away) {
        (0, 0) => match other {
            Some(what) => format!("none with a plate, but {what}"),
            None => "none came".to_owned(),
        },
        (0, away) => format!("none came; {away} requests had no right login"),
        (some, _) => format!("{some} with a plate"),
    };
    let to_do = "let a vehicle pass while this runs; check the camera's address, path, user and \
                 password, and that it sends its last reading of each vehicle";
    points.add("readings", !readings.is_empty(), found, to_do);
    if readings.is_empty() {
        return points.0;
    }
    time(&readings, &mut points);
    left_out(&readings, &mut points);
    fields(&readings, seen.says_inward, &mut points);
    points.0
}

fn read(came: &Result<Message, Malformed>) -> &[Pushed] {
    match came {
        Ok(Message::Readings(readings)) => &readings.all,
        _ => &[],
    }
}

fn time(readings: &[(&Pushed, Option<UtcTime>)], points: &mut Points) {
    let all = readings.iter().all(|(pushed, _)| pushed.at.is_some());
    let found = if all {
        "each says when"
    } else {
        "not each says when"
    };
    let to_do = "switch on the capture time in the camera's message";
    points.add("time", all, found, to_do);
    let (holds, found) = clock_offset(readings);
    let to_do = "let the camera take its time by NTP and check `time_zone`; with a recorded \
                 message, give --arrived";
    points.add("clock offset", holds, found, to_do);
}

/// What was folded or left out is no fault of the capture point, but its installer knows of it.
fn left_out(readings: &[(&Pushed, Option<UtcTime>)], points: &mut Points) {
    let mut kinds: Vec<(LeftOut, usize)> = Vec::new();
    for left_out in readings.iter().flat_map(|(pushed, _)| &pushed.left_out) {
        match kinds.iter_mut().find(|(known, _)| known == left_out) {
            Some((_, count)) => *count += 1,
            None => kinds.push((*left_out, 1)),
        }
    }
    let told = kinds.iter().map(|(left_out, count)| match readings.len() {
        1 => left_out.to_string(),
        all => format!("{left_out} (in {count} of {all})"),
    });
    let found = match kinds.is_empty() {
        true => "nothing".to_owned(),
        false => told.collect::<Vec<_>>().join("; "),
    };
    points.add("left out", true, found, "");
}

/// Judges the camera's clock by its readings in their order, as the daemon does.
fn clock_offset(readings: &[(&Pushed, Option<UtcTime>)]) -> (bool, String) {
    let mut clock = CameraClock::default();
    let (mut worst, mut holds): (Option<i64>, bool) = (None, true);
    for (pushed, arrived) in readings {
        let (Some(_), Some(at)) = (pushed.at, *arrived) else {
            continue;
        };
        clock.captured(&Arrival {
            said: pushed.at,
            late: pushed.late,
            waits: pushed.telling == Telling::Further,
            at,
            error: Duration::ZERO,
            granted: OFFSET_MAX,
        });
        holds &= !clock.trust().is_bad();
        let off = clock.offset_us().map_or(0, i64::unsigned_abs);
        if worst.is_none_or(|worst| worst.unsigned_abs() < off) {
            worst = clock.offset_us().or(worst);
        }
    }
    let Some(behind_us) = worst else {
        return (false, "not to be judged".to_owned());
    };
    let off = Duration::from_micros(behind_us.unsigned_abs());
    let way = match (holds, behind_us < 0) {
        (true, _) => "from the arrival",
        (false, true) => "ahead of this box's clock",
        (false, false) => "behind this box's clock, or a reading was held up",
    };
    (holds, format!("{} ms {way}", off.as_millis()))
}

fn fields(readings: &[(&Pushed, Option<UtcTime>)], says_inward: Option<bool>, points: &mut Points) {
    let share = |has: &dyn Fn(&Pushed) -> bool| {
        let some = readings.iter().filter(|(pushed, _)| has(pushed)).count();
        (
            some == readings.len(),
            format!("in {some} of {}", readings.len()),
        )
    };
    let within = |pushed: &Pushed| {
        let range = 0.0..=pushed.confidence_top;
        pushed.confidence.is_some_and(|said| range.contains(&said))
    };
    let (holds, found) = share(&within);
    let to_do = "switch on the confidence; it lies within 0..1 or 0..100";
    points.add("confidence", holds, found, to_do);
    let widest = readings
        .iter()
        .filter_map(|(pushed, _)| crop(pushed.picture.as_ref()));
    let widths: Vec<u32> = widest.map(|crop| crop.width_px).collect();
    let narrowest = widths.iter().min().copied().unwrap_or_default();
    let holds = widths.len() == readings.len() && narrowest >= CROP_PX_MIN;
    let found = format!(
        "in {} of {}, {narrowest} px at least",
        widths.len(),
        readings.len()
    );
    let to_do = "switch on the picture of the plate alone, at least 60 px wide";
    points.add("picture", holds, found, to_do);
    let (told, found) = share(&|pushed| pushed.direction.is_some());
    let found = match says_inward {
        Some(false) => format!("{found}, and the configuration does not say which leads in"),
        _ => found,
    };
    let to_do = "switch on the direction in the camera (Axis: send the event of the vehicle that \
                 is gone), and write `in` in its section";
    points.add(
        "direction",
        told && says_inward != Some(false),
        found,
        to_do,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onboard::maker::Maker;
    use crate::onboard::understanding::Take;

    const AXIS: &str = include_str!("../../../tests/messages/axis.json");

    fn failing(text: &str, arrived: Option<&str>) -> Vec<&'static str> {
        let rules = Understanding {
            maker: Maker::Axis,
            zone: "Europe/Rome".parse().unwrap(),
            take: Take::Last,
        };
        let part = Part {
            name: String::new(),
            bytes: text.as_bytes().to_vec(),
        };
        let arrived = arrived.map(|text| text.parse().unwrap());
        let points = recorded(&rules, Ok(vec![part]), arrived);
        for point in &points {
            assert_eq!(point.to_do.is_empty(), point.holds, "{point:?}");
            assert!(!point.found.contains("UQ456OI"), "{point:?}");
        }
        let failed = points.iter().filter(|point| !point.holds);
        failed.map(|point| point.name).collect()
    }

    #[test]
    fn c62_part_a_complete_message_holds_and_each_gap_is_told() {
        let prompt = Some("2026-11-20T07:31:09Z");
        assert_eq!(failing(AXIS, prompt), [""; 0]);
        assert_eq!(
            failing(AXIS, None),
            ["clock offset"],
            "what cannot be judged does not hold"
        );
        assert_eq!(
            failing(AXIS, Some("2026-11-20T08:31:09Z")),
            ["clock offset"]
        );
        for (from, to, name) in [
            (
                "\"plateConfidence\": \"0.868800\"",
                "\"x\": 1",
                "confidence",
            ),
            (
                "\"plateConfidence\": \"0.868800\"",
                "\"plateConfidence\": 250",
                "confidence",
            ),
            (
                "\"ImageType\": \"plate\"",
                "\"ImageType\": \"vehicle\"",
                "picture",
            ),
            ("\"out\"", "\"unk\"", "direction"),
        ] {
            let text = AXIS.replace(from, to);
            assert_ne!(text, AXIS);
            assert_eq!(failing(&text, prompt), [name], "{to}");
        }
        assert_eq!(
            failing(&AXIS.replace("\"lost\"", "\"new\""), prompt),
            ["readings"]
        );
        assert_eq!(failing("{", prompt), ["format", "readings"]);
    }

    #[test]
    fn d03_part_the_installer_reads_what_is_left_out_and_why() {
        let rules = Understanding {
            maker: Maker::Axis,
            zone: "Europe/Rome".parse().unwrap(),
            take: Take::Last,
        };
        let left_out = |text: &str| {
            let part = Part {
                name: String::new(),
                bytes: text.as_bytes().to_vec(),
            };
            let arrived = Some("2026-11-20T07:31:09Z".parse().unwrap());
            let points = recorded(&rules, Ok(vec![part]), arrived);
            assert!(points.iter().all(|point| point.holds), "{points:?}");
            let mut told = points.into_iter().filter(|point| point.name == "left out");
            told.next().unwrap().found
        };
        assert_eq!(left_out(AXIS), "nothing");
        let odd = AXIS
            .replace("\"ITA\"", "\"380\"")
            .replace("UQ456OI", "UÜ456OI");
        assert_eq!(
            left_out(&odd),
            "`plateText`: letters with marks or of another script are taken as those of A-Z they look \
             like; \
             `plateCountry`: it is no known code of a country"
        );
    }

    #[test]
    fn c62_part_nothing_that_came_is_not_compatible() {
        let points = judge(&Seen {
            turned_away: 3,
            ..Seen::default()
        });
        assert!(points.iter().all(|point| !point.holds));
        assert!(points[1].found.contains("3 requests"), "{points:?}");
    }
}
