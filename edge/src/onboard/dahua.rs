//! Dahua: `Traffic…` events, as `Code=…;action=…;data={…}`, as lines `Events[0].…=…` or as the
//! JSON of its remote calls; and the JSON that ITC cameras push.

use serde_json::Value;
use varco_proto::time::UtcTime;

use super::fields::{Found, Object};
use super::malformed::Malformed;
use super::message::{Event, Message, together};
use super::moment::{self, Zone};
use super::notes::Notes;
use super::part::Part;
use super::plate::plate;
use super::plate_picture::by_shape;
use super::pushed::{Picture, Pushed, Telling, is_picture};
use super::tree::Element;
use super::understanding::Understanding;
use super::{fields, text, words};

/// Most events of one part, and most lines of the form with lines.
const EVENTS_MAX: usize = 64;
const LINES_MAX: usize = 5000;
/// The objects of an event that may hold its plate, and the name of its text in each.
const PLATES: [(&str, &str); 6] = [
    ("TrafficCar", "PlateNumber"),
    ("Plate", "PlateNumber"),
    ("Plate", "Text"),
    ("Object", "Text"),
    ("PlateInfo", "FrontPlateNumber"),
    ("NonMotor", "PlateNumber"),
];

pub(super) fn understand(
    rules: &Understanding,
    parts: &[Part],
    arrived: UtcTime,
) -> Result<Message, Malformed> {
    let mut notes = Notes::default();
    let Said { values, surplus } = said(parts, &mut notes);
    if values.is_empty() {
        let texts = parts
            .iter()
            .map(|part| text::decode(&part.bytes, &mut notes));
        let beats = texts
            .into_iter()
            .any(|text| text.eq_ignore_ascii_case("heartbeat"));
        return match beats {
            true => Ok(Message::Other("a sign of life")),
            false => Err(Malformed::Format("Dahua event")),
        };
    }
    let found = fields::search(&values, is_event)?;
    let pictures: &[Part] = if found.all.len() == 1 { parts } else { &[] };
    let event = |found: &Found| event(rules, found, pictures, arrived, notes.clone());
    let surplus = found.surplus.or(surplus).map(Err);
    together(found.all.iter().map(event).chain(surplus))
}

fn is_event(object: &Object) -> bool {
    let mut names = PLATES.iter().map(|(name, _)| name);
    names.any(|name| fields::any(object, &[name]).is_some_and(Value::is_object))
}

fn event(
    rules: &Understanding,
    found: &Found,
    parts: &[Part],
    arrived: UtcTime,
    mut notes: Notes,
) -> Result<Event, Malformed> {
    let word = |path: &[&str]| within(found, path);
    let first = |paths: &[&[&str]]| paths.iter().find_map(|path| word(path));
    let code = first(&[&["Code"], &["EventBaseInfo", "Code"]]);
    if code.is_some_and(|code| !code.starts_with("Traffic")) {
        return Ok(Event::Other("an event of another kind"));
    }
    let action = first(&[&["Action"], &["EventBaseInfo", "Action"]]);
    if action.is_some_and(|action| action.eq_ignore_ascii_case("stop")) {
        return Ok(Event::Other("the end of an event"));
    }
    let written = PLATES
        .iter()
        .find_map(|(object, name)| word(&[object, name]));
    let Some(plate) = plate("PlateNumber", &written.unwrap_or_default(), &mut notes)? else {
        return Ok(Event::Other("a vehicle without a read plate"));
    };
    let at = at(found, &rules.zone, arrived, &mut notes);
    let event = first(&[
        &["EventID"],
        &["EventSeq"],
        &["GroupID"],
        &["SnapInfo", "SnapID"],
    ]);
    let event = event.unwrap_or_default();
    let stamp = at.map_or(0, UtcTime::unix_us);
    let said = confidence(found, &mut notes);
    let country = first(&[
        &["TrafficCar", "Country"],
        &["CommInfo", "Country"],
        &["Plate", "Country"],
        &["Plate", "Region"],
    ]);
    let direction = first(&[
        &["TrafficCar", "DrivingDirection"],
        &["SnapInfo", "Direction"],
        &["JunctionDirection"],
    ]);
    let lane = first(&[&["TrafficCar", "Lane"], &["Lane"], &["SnapInfo", "LaneNo"]]);
    let device = first(&[
        &["TrafficCar", "MachineName"],
        &["SnapInfo", "DeviceID"],
        &["DeviceID"],
    ]);
    Ok(Event::Reading(Box::new(Pushed {
        key: format!("{event}|{stamp}|{}", plate.text),
        event,
        device: device.unwrap_or_default(),
        confidence: said.confidence,
        confidence_top: said.top,
        characters: Vec::new(),
        plate: plate.text,
        plate_said: plate.said,
        unread: plate.unread,
        country: words::country("Country", country.as_deref(), &mut notes),
        at,
        direction: words::direction("DrivingDirection", direction.as_deref(), &mut notes),
        lane: words::lane("Lane", lane.as_deref(), &mut notes),
        picture: picture(found, parts),
        left_out: notes.all(),
        late: false,
        telling: Telling::Whole,
    })))
}

fn confidence(found: &Found, notes: &mut Notes) -> words::Said {
    let own = within(found, &["Plate", "Confidence"]);
    let said = own.or_else(|| within(found, &["Object", "Confidence"]));
    // Nothing has no certainty: it is not said.
    let said = said.filter(|said| said != "0");
    // Some firmwares count to 255.
    let top = match said.as_deref().and_then(words::number) {
        Some(said) if said > 100.0 => 255.0,
        _ => 100.0,
    };
    words::confidence("Confidence", said.as_deref(), Some(top), notes)
}

/// `RealUTC` is what it says. `UTC` is the camera's local time, counted as if it were UTC, in most
/// firmwares: of both meanings that is taken which lies nearer to the arrival.
fn at(found: &Found, zone: &Zone, arrived: UtcTime, notes: &mut Notes) -> Option<UtcTime> {
    let millis = within(found, &["UTCMS"]).and_then(|ms| ms.parse::<i64>().ok());
    let millis = millis.filter(|ms| (0..1000).contains(ms)).unwrap_or(0);
    let counted = |name: &str| {
        let seconds = within(found, &[name]).or_else(|| within(found, &["TrafficCar", name]))?;
        let moment = moment::of_number(seconds.parse().ok()?)?;
        Some(UtcTime::from_unix_us(
            moment.unix_us().checked_add(millis * 1000)?,
        ))
    };
    if let Some(moment) = counted("RealUTC") {
        return Some(moment);
    }
    if let Some(utc) = counted("UTC") {
        let local = zone.as_local(utc, arrived);
        let both = [Some(utc), local].into_iter().flatten();
        return both.min_by_key(|moment| moment.unix_us().abs_diff(arrived.unix_us()));
    }
    let paths: [&[&str]; 4] = [
        &["SnapInfo", "AccurateTime"],
        &["SnapInfo", "SnapTime"],
        &["LocaleTime"],
        &["SnapTime"],
    ];
    paths.iter().find_map(|path| {
        let written = within(found, path);
        words::time("AccurateTime", written.as_deref(), zone, arrived, notes)
    })
}

/// The text at the end of a path, in the event or in what is round it; of a list, the first.
fn within(found: &Found, path: &[&str]) -> Option<String> {
    found.0.iter().rev().find_map(|object| {
        let (last, inner) = path.split_last()?;
        let object = inner.iter().try_fold(*object, |object, name| {
            fields::any(object, &[name])?.as_object()
        })?;
        match fields::any(object, &[last])? {
            Value::Array(all) => all.first().and_then(fields::word),
            one => fields::word(one),
        }
    })
}

/// The plate's own picture: ITC cameras push it in base64, others in a further part that nobody
/// names. That of the scene is never cut: its places are counted in pixels here and in shares
/// there.
fn picture(found: &Found, parts: &[Part]) -> Option<Picture> {
    let names = ["CutoutPic", "PlatePic"];
    let text = names
        .iter()
        .find_map(|name| within(found, &[name, "Content"]));
    if let Some(bytes) = text.and_then(|text| fields::bytes(&text)) {
        return Some(Picture::Plate(bytes));
    }
    let pictures = parts.iter().filter(|part| is_picture(&part.bytes));
    let smallest = pictures.min_by_key(|part| part.bytes.len());
    smallest.and_then(|part| by_shape(part.bytes.clone()))
}

/// What a message says.
struct Said {
    values: Vec<Value>,
    /// That there is more than is taken.
    surplus: Option<Malformed>,
}

/// The events of a message, in any of its forms.
fn said(parts: &[Part], notes: &mut Notes) -> Said {
    let (mut all, mut surplus) = (Vec::new(), None);
    for part in parts.iter().filter(|part| !is_picture(&part.bytes)) {
        let text = text::decode(&part.bytes, notes);
        if text.starts_with(['{', '[']) {
            all.extend(fields::values(&text, notes));
        } else if text.starts_with('<') {
            let roots = Element::parse(&text, notes).unwrap_or_default();
            all.extend(roots.iter().map(Element::to_json));
        } else if text.contains("Code=") && text.contains("data=") {
            let coded = coded(&text, notes);
            all.extend(coded.values);
            surplus = surplus.or(coded.surplus);
        } else {
            all.extend(lines(&text));
        }
    }
    all.retain(|value| value.as_object().is_none_or(|object| !object.is_empty()));
    Said {
        values: all,
        surplus,
    }
}

/// `Code=TrafficJunction;action=Pulse;index=0;data={…}`, once or several times.
fn coded(text: &str, notes: &mut Notes) -> Said {
    let begins: Vec<usize> = text.match_indices("Code=").map(|(at, _)| at).collect();
    let surplus = (begins.len() > EVENTS_MAX).then_some(Malformed::TooMuch("events"));
    let mut all = Vec::new();
    for begin in begins.into_iter().take(EVENTS_MAX) {
        let rest = text.get(begin..).unwrap_or_default();
        let Some((head, data)) = rest.split_once("data=") else {
            continue;
        };
        // The data of the next event is not that of this one.
        if head.matches("Code=").count() > 1 {
            continue;
        }
        let end = data.find("\nCode=").unwrap_or(data.len());
        let data = fields::values(data.get(..end).unwrap_or_default().trim(), notes);
        let mut event = Object::new();
        for pair in head.split(';') {
            if let Some((name, value)) = pair.trim().split_once('=') {
                event.insert(name.to_owned(), Value::String(value.to_owned()));
            }
        }
        event.extend(
            data.into_iter()
                .next()
                .map(|data| ("Data".to_owned(), data)),
        );
        all.push(Value::Object(event));
    }
    Said {
        values: all,
        surplus,
    }
}

/// `Events[0].TrafficCar.PlateNumber=…`, a line each: as objects within one another.
fn lines(text: &str) -> Vec<Value> {
    let mut all = Object::new();
    for line in text.lines().take(LINES_MAX) {
        let Some((path, value)) = line.trim().split_once('=') else {
            continue;
        };
        let mut names: Vec<&str> = path.split('.').map(str::trim).collect();
        let Some(last) = names
            .pop()
            .filter(|_| names.len() <= 8 && path.len() <= 200)
        else {
            continue;
        };
        let last = last.strip_suffix("[0]").unwrap_or(last);
        put(&mut all, &names, last, value.trim());
    }
    match all.is_empty() {
        true => Vec::new(),
        false => vec![Value::Object(all)],
    }
}

fn put(object: &mut Object, names: &[&str], last: &str, value: &str) {
    let Some((first, within)) = names.split_first() else {
        object.insert(last.to_owned(), Value::String(value.to_owned()));
        return;
    };
    let new = || Value::Object(Object::new());
    let inner = object.entry(*first).or_insert_with(new);
    if let Value::Object(inner) = inner {
        put(inner, within, last, value);
    }
}
