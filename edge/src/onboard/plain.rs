//! The JSON that Varco documents for any reader: `deploy/readers/reading.schema.json`.
//!
//! A reading is an object with `plate`; all other fields are optional. Several come in an array, in
//! `readings`, or one after another.

use serde_json::Value;
use varco_proto::time::UtcTime;

use super::fields::Found;
use super::malformed::Malformed;
use super::message::{Event, Message, together};
use super::notes::Notes;
use super::part::Part;
use super::plate::plate;
use super::pushed::{Picture, Pushed, Telling};
use super::understanding::Understanding;
use super::{fields, words};

pub(super) const FIELDS: [&str; 10] = [
    "plate",
    "time",
    "confidence",
    "country",
    "direction",
    "lane",
    "event",
    "device",
    "picture",
    "readings",
];

pub(super) fn understand(
    rules: &Understanding,
    parts: &[Part],
    arrived: UtcTime,
) -> Result<Message, Malformed> {
    let mut notes = Notes::default();
    let values = fields::json(parts, &mut notes)?;
    let found = fields::search(&values, |object| object.contains_key("plate"))?;
    if found.all.is_empty() {
        let is_empty = |value: &Value| {
            let all = value.get("readings").unwrap_or(value);
            all.as_array().is_some_and(Vec::is_empty)
        };
        return match values.iter().all(is_empty) {
            true => Ok(Message::Other("a message without a reading")),
            false => Err(Malformed::Missing("plate")),
        };
    }
    let event = |found: &Found| event(rules, found, arrived, notes.clone());
    let surplus = found.surplus.map(Err);
    together(found.all.iter().map(event).chain(surplus))
}

fn event(
    rules: &Understanding,
    found: &Found,
    arrived: UtcTime,
    mut notes: Notes,
) -> Result<Event, Malformed> {
    let said = found.0.last().ok_or(Malformed::Missing("plate"))?;
    let text = match said.get("plate") {
        Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        _ => {
            return Err(Malformed::Field(
                "plate",
                "a text, or null when none was read",
            ));
        }
    };
    let Some(plate) = plate("plate", &text, &mut notes)? else {
        return Ok(Event::Other("a vehicle without a read plate"));
    };
    if said.keys().any(|name| !FIELDS.contains(&name.as_str())) {
        notes.add("message", "it has a field whose name is not in the schema");
    }
    let word = |name: &str| said.get(name).and_then(fields::word);
    for name in FIELDS {
        let is_odd = said
            .get(name)
            .is_some_and(|it| it.is_object() || it.is_boolean());
        if is_odd && name != "readings" {
            notes.add(name, "it is neither a text nor a number");
        }
    }
    let (time, confidence) = (word("time"), word("confidence"));
    let (country, direction) = (word("country"), word("direction"));
    let (lane, event) = (word("lane"), word("event").unwrap_or_default());
    let at = words::time("time", time.as_deref(), &rules.zone, arrived, &mut notes);
    let confidence = words::confidence("confidence", confidence.as_deref(), None, &mut notes);
    let picture = notes.wanted("picture", word("picture"), "it is not base64", |text| {
        fields::bytes(&text)
    });
    Ok(Event::Reading(Box::new(Pushed {
        key: format!("{event}|{}|{}", time.unwrap_or_default(), plate.text),
        event,
        device: word("device").unwrap_or_default(),
        confidence: confidence.confidence,
        confidence_top: confidence.top,
        characters: Vec::new(),
        plate: plate.text,
        plate_said: plate.said,
        unread: plate.unread,
        country: words::country("country", country.as_deref(), &mut notes),
        at,
        direction: words::direction("direction", direction.as_deref(), &mut notes),
        lane: words::lane("lane", lane.as_deref(), &mut notes),
        picture: picture.map(Picture::Plate),
        left_out: notes.all(),
        late: false,
        telling: Telling::Whole,
    })))
}
