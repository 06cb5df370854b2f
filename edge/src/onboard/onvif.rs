//! ONVIF Profile M over MQTT: events, and scene descriptions, as JSON.
//!
//! Devices write items either as members (`"Data": {"PlateNumber": "…"}`) or as XML's
//! `SimpleItem` lists, and wrap values with their likelihood. So a plate is looked for by its
//! names, and what belongs to it in the nearest object round it.

use serde_json::{Map, Value};
use varco_proto::time::UtcTime;

use super::{
    Malformed, Message, Part, Picture, Pushed, Telling, Understanding, country, direction, fields,
    moment, plate,
};

/// Deepest object that is looked into.
const DEPTH_MAX: usize = 12;
/// Most values that are looked into.
const VALUES_MAX: usize = 5000;
const PLATE: [&str; 4] = ["PlateNumber", "LicensePlate", "LicensePlateNumber", "Plate"];

type Object = Map<String, Value>;

pub(super) fn understand(
    rules: &Understanding,
    parts: &[Part],
    arrived: UtcTime,
) -> Result<Message, Malformed> {
    let said = Value::Object(simple(fields::object(parts)?, 0));
    let Some(found) = Found::search(&said)? else {
        return Ok(Message::Other("an event without a plate"));
    };
    let text = found.value(&PLATE).unwrap_or_default();
    let Some(plate) = plate("PlateNumber", &text)? else {
        return Ok(Message::Other("a vehicle without a read plate"));
    };
    let time = found.value(&["UtcTime", "CaptureTime", "Timestamp"]);
    let at = time.as_deref().map(|text| {
        let found = moment::of_text(text, &rules.zone, arrived);
        let form = "a time like 2026-11-20T07:31:07.123Z";
        found.ok_or(Malformed::Field("UtcTime", form))
    });
    let at = at.transpose()?;
    let object = found.value(&["ObjectId", "TrackId"]).unwrap_or_default();
    // A scene description tells an object anew in each frame.
    let telling = match object.is_empty() {
        true => Telling::Whole,
        false => Telling::Frame,
    };
    let sources = [
        "VideoSourceConfigurationToken",
        "VideoSource",
        "VideoSourceToken",
    ];
    let confidence = found.likelihood();
    let word = |names: &[&str]| found.value(names);
    Ok(Message::of(Pushed {
        // A scene description tells an object anew in each frame.
        key: if object.is_empty() {
            format!("{}|{plate}", time.unwrap_or_default())
        } else {
            format!("{object}|{plate}")
        },
        event: object,
        device: word(&sources).unwrap_or_default(),
        confidence,
        confidence_top: fields::top(confidence),
        characters: Vec::new(),
        plate,
        country: word(&["CountryCode", "Country"]).and_then(|code| country::of(&code)),
        at,
        late: false,
        telling,
        direction: word(&["Direction", "MovingDirection"]).and_then(|word| direction(&word)),
        lane: word(&["Lane", "LaneId"]).and_then(|text| text.parse().ok()),
        picture: word(&["PlateImage", "LicensePlateImage"])
            .and_then(|text| fields::bytes(&text))
            .map(Picture::Plate),
        left_out: Vec::new(),
    }))
}

/// `SimpleItem` lists become members.
fn simple(object: Object, depth: usize) -> Object {
    let mut out = Map::new();
    for (key, value) in object {
        match value {
            Value::Array(items) if key == "SimpleItem" => out.extend(items.iter().filter_map(item)),
            one @ Value::Object(_) if key == "SimpleItem" => out.extend(item(&one)),
            Value::Object(inner) if depth < DEPTH_MAX => {
                out.insert(key, Value::Object(simple(inner, depth + 1)));
            }
            other => {
                out.insert(key, other);
            }
        }
    }
    out
}

fn item(item: &Value) -> Option<(String, Value)> {
    let item = item.as_object()?;
    let name = fields::text(item, &["Name", "@Name"])?;
    let value = fields::any(item, &["Value", "@Value"])?;
    Some((name, value.clone()))
}

/// A value, or what an object wraps round it.
fn said(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(object) => fields::text(object, &["Value", "#text", "$", "@value", "_"]),
        _ => None,
    }
}

/// The objects round a plate, outermost first.
struct Found<'a>(Vec<&'a Object>);

impl<'a> Found<'a> {
    /// Goes down to the first object that holds a plate.
    fn search(value: &'a Value) -> Result<Option<Self>, Malformed> {
        let mut left = VALUES_MAX;
        let mut open: Vec<(&Value, Vec<&Object>)> = vec![(value, Vec::new())];
        while let Some((value, mut path)) = open.pop() {
            left = left.checked_sub(1).ok_or(Malformed::TooMuch("values"))?;
            if path.len() > DEPTH_MAX {
                continue;
            }
            match value {
                Value::Object(object) => {
                    path.push(object);
                    let holds = |name: &str| object.get(name).and_then(said).is_some();
                    if PLATE.iter().any(|name| holds(name)) {
                        return Ok(Some(Self(path)));
                    }
                    open.extend(object.values().map(|inner| (inner, path.clone())));
                }
                Value::Array(all) => {
                    open.extend(all.iter().rev().map(|inner| (inner, path.clone())));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// The value of the first of these names in the nearest object, or in one of those that ONVIF
    /// puts beside it.
    fn value(&self, names: &[&str]) -> Option<String> {
        let beside = |object: &Object| {
            let parts = ["Source", "Key", "Data"];
            let mut parts = parts
                .iter()
                .filter_map(|name| object.get(*name)?.as_object());
            parts.find_map(|object| fields::any(object, names).and_then(said))
        };
        let mut nearest_first = self.0.iter().rev();
        nearest_first.find_map(|object| {
            let own = fields::any(object, names).and_then(said);
            own.or_else(|| beside(object))
        })
    }

    /// Of the plate's own text, or of what is told of it.
    fn likelihood(&self) -> Option<f32> {
        let names = ["Likelihood", "@Likelihood", "Confidence"];
        let own = self.0.last().and_then(|object| {
            let plate = fields::any(object, &PLATE)?.as_object()?;
            fields::float(plate, &names)
        });
        own.or_else(|| self.value(&names)?.parse().ok())
    }
}
