//! AXIS License Plate Verifier and the readers of Vaxtor and FF Group on Axis cameras: JSON over
//! HTTP POST, pictures in base64 or as further parts; and the same events over the camera's MQTT.

use serde_json::Value;
use varco_proto::time::UtcTime;

use super::fields::{Found, Object};
use super::malformed::Malformed;
use super::message::{Event, Message, together};
use super::notes::Notes;
use super::part::Part;
use super::plate::plate;
use super::plate_picture::by_shape;
use super::pushed::{Picture, Pushed, Telling, is_picture};
use super::understanding::{Take, Understanding};
use super::{fields, words};

/// In the order of trust; `text` is that of the camera's own events.
const PLATE: [&str; 5] = ["plateASCII", "plateUTF8", "plateText", "plate", "text"];

pub(super) fn understand(
    rules: &Understanding,
    parts: &[Part],
    arrived: UtcTime,
) -> Result<Message, Malformed> {
    let mut notes = Notes::default();
    let values = fields::json(parts, &mut notes)?;
    let found = fields::search(&values, is_event)?;
    // Pictures in further parts belong to one vehicle.
    let parts = if found.all.len() == 1 { parts } else { &[] };
    let event = |found: &Found| event(rules, found, parts, arrived, notes.clone());
    let surplus = found.surplus.map(Err);
    together(found.all.iter().map(event).chain(surplus))
}

/// Whether an object is the event of a vehicle.
pub(super) fn is_event(object: &Object) -> bool {
    let says = |name| fields::any(object, &[name]).is_some_and(|it| !it.is_object());
    let own = PLATE.iter().take(4).any(|name| says(name));
    own || (says("text") && is_vehicle(object))
}

/// Whether an object has what only this maker's events have.
pub(super) fn is_vehicle(object: &Object) -> bool {
    fields::any(object, &["carState", "carID", "carMoveDirection"]).is_some()
}

pub(super) fn event(
    rules: &Understanding,
    found: &Found,
    parts: &[Part],
    arrived: UtcTime,
    mut notes: Notes,
) -> Result<Event, Malformed> {
    let word = |names: &[&str]| fields::nearest(found, names);
    let state = word(&["carState"]).unwrap_or_default();
    // What a camera sends once has no state.
    let ends = state.is_empty() || state.eq_ignore_ascii_case("lost");
    if rules.take == Take::Last && !ends {
        return Ok(Event::Other("a vehicle still in sight"));
    }
    let text = word(&PLATE).unwrap_or_default();
    let Some(mut plate) = plate("plateText", &text, &mut notes)? else {
        return Ok(Event::Other("a vehicle without a read plate"));
    };
    if let Some(marked) = word(&["plateUTF8"]).filter(|marked| !marked.is_ascii()) {
        plate.said = marked;
    }
    let at = at(found, rules, arrived, &mut notes);
    let car = word(&["carID"]).unwrap_or_default();
    let stamp = at.map_or(0, UtcTime::unix_us);
    let key = match rules.take {
        Take::First if !car.is_empty() => car.clone(),
        _ => format!("{car}|{stamp}|{}", plate.text),
    };
    let confidence = word(&["plateConfidence", "confidence"]);
    let said = words::confidence("plateConfidence", confidence.as_deref(), None, &mut notes);
    let country = word(&["plateCountry", "country"]);
    let direction = word(&["carMoveDirection"]);
    let lane = word(&["roiID"]);
    Ok(Event::Reading(Box::new(Pushed {
        key,
        event: car,
        device: device(found),
        confidence: said.confidence,
        confidence_top: said.top,
        characters: Vec::new(),
        plate: plate.text,
        plate_said: plate.said,
        unread: plate.unread,
        country: words::country("plateCountry", country.as_deref(), &mut notes),
        at,
        direction: words::direction("carMoveDirection", direction.as_deref(), &mut notes),
        lane: words::lane("roiID", lane.as_deref(), &mut notes),
        picture: picture(found, parts, &mut notes),
        left_out: notes.all(),
        late: false,
        telling: telling(&state),
    })))
}

fn telling(state: &str) -> Telling {
    match state.to_ascii_lowercase().as_str() {
        "new" => Telling::Begins,
        "update" | "lost" => Telling::Further,
        _ => Telling::Whole,
    }
}

fn device(found: &Found) -> String {
    let mut nearest_first = found.0.iter().rev();
    let camera =
        nearest_first.find_map(|object| fields::any(object, &["camera_info"])?.as_object());
    let name = |field: &str| camera.and_then(|camera| fields::text(camera, &[field]));
    let names = [name("ProdShortName"), name("SerialNumber")];
    let names: Vec<_> = names.into_iter().flatten().collect();
    match names.is_empty() {
        true => fields::nearest(found, &["serial", "device"]).unwrap_or_default(),
        false => names.join(" "),
    }
}

fn at(
    found: &Found,
    rules: &Understanding,
    arrived: UtcTime,
    notes: &mut Notes,
) -> Option<UtcTime> {
    let names = [
        ("capture_timestamp", "capture_ts"),
        ("datetime", "timestamp"),
    ];
    names.iter().find_map(|(field, other)| {
        let written = fields::nearest(found, &[field, other]);
        words::time(field, written.as_deref(), &rules.zone, arrived, notes)
    })
}

fn picture(found: &Found, parts: &[Part], notes: &mut Notes) -> Option<Picture> {
    let own = found.0.last()?;
    let said = fields::any(own, &["ImageArray", "image"]);
    let all = match said {
        Some(Value::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let of = |kind: &str| {
        let mut images = all.iter().filter_map(|image| image.as_object());
        images.find_map(|image| {
            let named = fields::text(image, &["ImageType"])?;
            let text = fields::text(image, &["BinaryImage"])?;
            let is = named.eq_ignore_ascii_case(kind);
            is.then(|| fields::bytes(&text)).flatten()
        })
    };
    let attached = |kind: &str| {
        let mut pictures = parts.iter().filter(|part| is_picture(&part.bytes));
        let named = fields::text(own, &["imageType"])?;
        let is = named.eq_ignore_ascii_case(kind);
        is.then(|| pictures.next().map(|part| part.bytes.clone()))
            .flatten()
    };
    if let Some(plate) = of("plate").or_else(|| attached("plate")) {
        return Some(Picture::Plate(plate));
    }
    // "vehicle" is cut out of the frame already: the plate's place does not hold in it.
    if let Some(scene) = of("frame").or_else(|| attached("frame")) {
        let place = fields::any(own, &["plateCoordinates"]);
        let why = "it is no place of four numbers";
        let place = notes.wanted("plateCoordinates", place, why, fields::four);
        return Some(Picture::Scene(scene, place?));
    }
    // A picture whose kind nobody names.
    let text = said.and_then(Value::as_str);
    let bytes = text.and_then(fields::bytes);
    bytes.and_then(by_shape)
}
