//! ONVIF Profile M over MQTT: events, and scene descriptions, as JSON or XML.
//!
//! Devices write items either as members (`"Data": {"PlateNumber": "…"}`) or as XML's
//! `SimpleItem` lists, with or without the prefixes of namespaces and the `@` of attributes, and
//! wrap values with their likelihood. So all are brought to one form first; then a plate is looked
//! for by its names, and what belongs to it in the nearest object round it.

use serde_json::{Map, Value};
use varco_proto::time::UtcTime;

use super::fields::{Found, Object};
use super::malformed::Malformed;
use super::message::{Event, Message, together};
use super::moment::Zone;
use super::notes::Notes;
use super::part::Part;
use super::plate::plate;
use super::plate_picture::by_shape;
use super::pushed::{Picture, Pushed, Telling, is_picture};
use super::tree::Element;
use super::understanding::Understanding;
use super::{axis, fields, text, words};

/// Deepest object that is brought to the one form.
const DEPTH_MAX: usize = 24;
const PLATE: [&str; 4] = ["PlateNumber", "LicensePlate", "LicensePlateNumber", "Plate"];

pub(super) fn understand(
    rules: &Understanding,
    parts: &[Part],
    arrived: UtcTime,
) -> Result<Message, Malformed> {
    let mut notes = Notes::default();
    let values: Vec<Value> = values(parts, &mut notes)?;
    let values: Vec<Value> = values.into_iter().map(|value| simple(value, 0)).collect();
    let holds = |object: &Object| {
        let mut all = PLATE.iter().filter_map(|name| fields::any(object, &[name]));
        all.any(|plate| said(plate).is_some())
    };
    // The makers' own readers publish their own events beside those of the standard.
    let is_other = |object: &Object| axis::is_vehicle(object) && axis::is_event(object);
    let found = fields::search(&values, |object| holds(object) || is_other(object))?;
    let event = |found: &Found| {
        let inmost = found.0.last().is_some_and(|object| is_other(object));
        match inmost {
            true => axis::event(rules, found, &[], arrived, notes.clone()),
            false => event(found, arrived, notes.clone()),
        }
    };
    let surplus = found.surplus.map(Err);
    together(found.all.iter().map(event).chain(surplus))
}

fn event(found: &Found, arrived: UtcTime, mut notes: Notes) -> Result<Event, Malformed> {
    let word = |names: &[&str]| value(found, names);
    if word(&["PropertyOperation"]).as_deref() == Some("Deleted") {
        return Ok(Event::Other("the end of an event"));
    }
    let text = word(&PLATE).unwrap_or_default();
    let Some(plate) = plate("PlateNumber", &text, &mut notes)? else {
        return Ok(Event::Other("a vehicle without a read plate"));
    };
    // The standard's times are in UTC, also where devices leave out to say so.
    let time = word(&["UtcTime", "CaptureTime", "Timestamp"]);
    let at = words::time("UtcTime", time.as_deref(), &Zone::UTC, arrived, &mut notes);
    let object = word(&["ObjectId", "TrackId"]).unwrap_or_default();
    // A scene description tells an object anew in each frame.
    let telling = match object.is_empty() {
        true => Telling::Whole,
        false => Telling::Frame,
    };
    let sources = [
        "VideoSourceConfigurationToken",
        "VideoSource",
        "VideoSourceToken",
        "Source",
    ];
    let confidence = likelihood(found);
    let confidence = words::confidence("Likelihood", confidence.as_deref(), None, &mut notes);
    let country = word(&["CountryCode", "Country"]);
    let direction = word(&["Direction", "MovingDirection"]);
    let lane = word(&["Lane", "LaneId"]);
    Ok(Event::Reading(Box::new(Pushed {
        key: if object.is_empty() {
            format!("{}|{}", time.unwrap_or_default(), plate.text)
        } else {
            format!("{object}|{}", plate.text)
        },
        event: object,
        device: word(&sources).unwrap_or_default(),
        confidence: confidence.confidence,
        confidence_top: confidence.top,
        characters: Vec::new(),
        plate: plate.text,
        plate_said: plate.said,
        unread: plate.unread,
        country: words::country("CountryCode", country.as_deref(), &mut notes),
        at,
        direction: words::direction("Direction", direction.as_deref(), &mut notes),
        lane: words::lane("Lane", lane.as_deref(), &mut notes),
        picture: picture(found),
        left_out: notes.all(),
        late: false,
        telling,
    })))
}

/// The messages, whether they are JSON or XML.
fn values(parts: &[Part], notes: &mut Notes) -> Result<Vec<Value>, Malformed> {
    let mut all = Vec::new();
    for part in parts.iter().filter(|part| !is_picture(&part.bytes)) {
        let text = text::decode(&part.bytes, notes);
        if text.starts_with('<') {
            let roots = Element::parse(&text, notes)?;
            all.extend(roots.iter().map(Element::to_json));
        } else {
            all.extend(fields::values(&text, notes));
        }
    }
    match all.is_empty() {
        true => Err(Malformed::Format("JSON object")),
        false => Ok(all),
    }
}

/// Names without prefix and `@`; `SimpleItem` and `ElementItem` lists become members.
fn simple(value: Value, depth: usize) -> Value {
    match value {
        Value::Object(object) if depth < DEPTH_MAX => {
            let mut out = Map::new();
            for (key, value) in object {
                let value = simple(value, depth + 1);
                match (plain(&key), value) {
                    ("SimpleItem" | "ElementItem", Value::Array(items)) => {
                        out.extend(items.into_iter().filter_map(item));
                    }
                    ("SimpleItem" | "ElementItem", one) => out.extend(item(one)),
                    (name, value) => {
                        out.insert(name.to_owned(), value);
                    }
                }
            }
            Value::Object(out)
        }
        Value::Array(all) if depth < DEPTH_MAX => {
            let all = all.into_iter().map(|one| simple(one, depth + 1));
            Value::Array(all.collect())
        }
        other => other,
    }
}

fn plain(name: &str) -> &str {
    let name = name.rsplit(':').next().unwrap_or(name);
    name.trim_start_matches(['@', '#', '_', '$'])
}

fn item(item: Value) -> Option<(String, Value)> {
    let Value::Object(mut item) = item else {
        return None;
    };
    let name = fields::text(&item, &["Name"])?;
    match fields::any(&item, &["Value"]).cloned() {
        Some(value) => Some((name, value)),
        None => {
            item.remove("Name");
            Some((name, Value::Object(item)))
        }
    }
}

/// A value, or what an object wraps round it.
fn said(value: &Value) -> Option<String> {
    match value {
        Value::Object(object) => fields::text(object, &["Value", "text", "_", "$", ""]),
        other => fields::word(other),
    }
}

/// The value of the first of these names in the nearest object, or in one of those that ONVIF
/// puts beside it.
fn value(found: &Found, names: &[&str]) -> Option<String> {
    let first = |object: &Object| {
        let mut all = names.iter();
        all.find_map(|name| fields::any(object, &[name]).and_then(said))
    };
    let beside = |object: &Object| {
        let parts = ["Source", "Key", "Data"];
        let mut parts = parts
            .iter()
            .filter_map(|name| object.get(*name)?.as_object());
        parts.find_map(first)
    };
    let mut nearest_first = found.0.iter().rev();
    nearest_first.find_map(|object| first(object).or_else(|| beside(object)))
}

/// Of the plate's own text, or of what is told of it.
fn likelihood(found: &Found) -> Option<String> {
    let names = ["Likelihood", "Confidence"];
    let own = found.0.last().and_then(|object| {
        let mut plates = PLATE
            .iter()
            .filter_map(|name| fields::any(object, &[name])?.as_object());
        plates.find_map(|plate| fields::text(plate, &names))
    });
    own.or_else(|| value(found, &names))
}

/// The picture of the plate: by a name of its own, or as `Image` of what is told of the plate. An
/// `Image` of what is round it has to look like a plate.
fn picture(found: &Found) -> Option<Picture> {
    let bytes = |text: String| fields::bytes(&text);
    let own = found.0.last().and_then(|own| fields::text(own, &["Image"]));
    let named = value(found, &["PlateImage", "LicensePlateImage"]).or(own);
    if let Some(plate) = named.and_then(bytes) {
        return Some(Picture::Plate(plate));
    }
    value(found, &["Image"]).and_then(bytes).and_then(by_shape)
}
