//! Hikvision's ISAPI: an `EventNotificationAlert` of type `ANPR` in XML or JSON, with pictures as
//! further parts.

use varco_proto::time::UtcTime;

use super::malformed::Malformed;
use super::message::{Event, Message, together};
use super::notes::Notes;
use super::part::Part;
use super::plate::plate;
use super::plate_picture::by_shape;
use super::pushed::{Picture, Pushed, Telling, is_picture};
use super::tree::Element;
use super::understanding::Understanding;
use super::{fields, text, words};

/// The top of its scale of confidence.
const TOP: f32 = 100.0;
/// The types of its events that tell of a plate, in small letters.
const KINDS: [&str; 3] = ["anpr", "anpralarm", "vehicledetection"];
const ALERT: &str = "EventNotificationAlert";

pub(super) fn understand(
    rules: &Understanding,
    parts: &[Part],
    arrived: UtcTime,
) -> Result<Message, Malformed> {
    let mut notes = Notes::default();
    let alerts = alerts(parts, &mut notes)?;
    let is_one = alerts.len() == 1;
    let pictures: Vec<&Part> = parts
        .iter()
        .filter(|part| is_picture(&part.bytes))
        .collect();
    together(alerts.iter().enumerate().map(|(at, alert)| {
        // Of several vehicles, each has its picture only when each can have one.
        let own: &[&Part] = match pictures.get(at..=at) {
            _ if is_one => &pictures,
            Some(own) if pictures.len() == alerts.len() => own,
            _ => &[],
        };
        event(rules, alert, own, arrived, notes.clone())
    }))
}

fn event(
    rules: &Understanding,
    alert: &Element,
    pictures: &[&Part],
    arrived: UtcTime,
    mut notes: Notes,
) -> Result<Event, Malformed> {
    let anpr = alert.child("ANPR");
    match (alert.field("eventType"), anpr) {
        (Some(kind), _) if !KINDS.contains(&kind.to_ascii_lowercase().as_str()) => {
            return Ok(Event::Other("an event of another kind"));
        }
        (None, None) => return Err(Malformed::Missing("eventType")),
        _ => {}
    }
    if alert.field("eventState") == Some("inactive") {
        return Ok(Event::Other("the end of an event"));
    }
    let anpr = anpr.ok_or(Malformed::Missing("ANPR"))?;
    let written = anpr
        .child("licensePlate")
        .or_else(|| anpr.child("originalLicensePlate"));
    let written = written.ok_or(Malformed::Missing("licensePlate"))?;
    if written.is_torn() {
        return Err(Malformed::Format("whole message: it ends within the plate"));
    }
    let Some(plate) = plate("licensePlate", written.text(), &mut notes)? else {
        return Ok(Event::Other("a vehicle without a read plate"));
    };
    let said = |name| alert.field(name).unwrap_or_default();
    let at = alert.field("dateTime");
    let at = words::time("dateTime", at, &rules.zone, arrived, &mut notes);
    let id = said("UUID");
    let names = [said("deviceID"), said("channelName"), said("macAddress")];
    let device = names.into_iter().find(|name| !name.is_empty());
    let confidence = anpr.field("confidenceLevel");
    let confidence = words::confidence("confidenceLevel", confidence, Some(TOP), &mut notes);
    Ok(Event::Reading(Box::new(Pushed {
        key: if id.is_empty() {
            format!("{}|{}|{}", said("channelID"), said("dateTime"), plate.text)
        } else {
            id.to_owned()
        },
        event: id.to_owned(),
        device: device.unwrap_or_default().to_owned(),
        confidence: confidence.confidence,
        confidence_top: confidence.top,
        characters: characters(anpr, plate.text.as_str().len(), &mut notes),
        plate: plate.text,
        plate_said: plate.said,
        unread: plate.unread,
        // Its numbers of countries are a list of the maker's own, which differs between firmwares.
        country: None,
        at,
        direction: words::direction("direction", anpr.field("direction"), &mut notes),
        lane: words::lane("line", anpr.field("line"), &mut notes),
        picture: picture(anpr, pictures),
        left_out: notes.all(),
        late: is_late(alert),
        telling: Telling::Whole,
    })))
}

/// Whether the camera says that it sends what it kept: its history, or what it could not send
/// before.
fn is_late(alert: &Element) -> bool {
    let is = |name: &str, words: &[&str]| alert.field(name).is_some_and(|it| words.contains(&it));
    is("alarmDataType", &["1", "history"])
        || is("isDataRetransmission", &["true", "1"])
        || is("isRetransmission", &["true", "1"])
        || is("isHistory", &["true", "1"])
}

/// Every alert of a message, from any of its parts.
fn alerts(parts: &[Part], notes: &mut Notes) -> Result<Vec<Element>, Malformed> {
    let mut roots = Vec::new();
    let mut wrong = Malformed::Format("ISAPI message: none of it is XML or JSON");
    for part in parts.iter().filter(|part| !is_picture(&part.bytes)) {
        let text = text::decode(&part.bytes, notes);
        if text.starts_with('<') {
            match Element::parse(&text, notes) {
                Ok(found) => roots.extend(found),
                Err(why) => wrong = why,
            }
        } else if text.starts_with(['{', '[']) {
            let values = fields::values(&text, notes);
            roots.extend(values.iter().flat_map(|value| {
                let list = std::slice::from_ref(value);
                let all = value.as_array().map_or(list, Vec::as_slice);
                let all = all.iter().map(|value| value.get(ALERT).unwrap_or(value));
                all.filter(|value| value.as_object().is_some_and(|it| !it.is_empty()))
                    .map(|value| Element::of_json(ALERT, value, 0))
                    .collect::<Vec<_>>()
            }));
        }
    }
    let is_empty = roots.is_empty();
    roots.retain(|root| root.name() == ALERT);
    match (roots.is_empty(), is_empty) {
        (true, true) => Err(wrong),
        (true, false) => Err(Malformed::Format(ALERT)),
        (false, _) => Ok(roots),
    }
}

/// Of each character, when there are as many as the text has.
fn characters(anpr: &Element, length: usize, notes: &mut Notes) -> Vec<f32> {
    let written = anpr.field("plateCharBelieve");
    let why = "it has not a number for each character";
    let all = notes.wanted("plateCharBelieve", written, why, |text| {
        let words = text.split(',').filter(|word| !word.trim().is_empty());
        let all: Option<Vec<f32>> = words.map(words::number).collect();
        all.filter(|all| all.len() == length)
    });
    all.unwrap_or_default()
}

/// The plate's own picture: by the name of its part or of its file, as the message or the maker
/// names it. That of the scene is never cut: what its numbers for the plate's place count in
/// differs between firmwares, and a wrong guess would show people.
fn picture(anpr: &Element, pictures: &[&Part]) -> Option<Picture> {
    let info = anpr
        .child("pictureInfoList")
        .into_iter()
        .flat_map(|list| list.children("pictureInfo"))
        .find(|info| info.field("type") == Some("licensePlatePicture"));
    let names = info.map(|info| [info.field("fileName"), info.field("pId")]);
    let names: Vec<&str> = names.into_iter().flatten().flatten().collect();
    let is = |part: &&&Part| {
        let mut own = part.name.split(' ');
        let is_named = own.any(|name| names.contains(&name));
        is_named || part.name.to_ascii_lowercase().contains("licenseplate")
    };
    if let Some(named) = pictures.iter().find(is) {
        return Some(Picture::Plate(named.bytes.clone()));
    }
    // By its shape, among those that nobody calls something larger.
    let larger = ["detection", "scene", "background", "vehicle", "full"];
    let is_larger = |name: &str| larger.iter().any(|word| name.contains(word));
    let unnamed = pictures
        .iter()
        .filter(|part| !is_larger(&part.name.to_ascii_lowercase()));
    let smallest = unnamed.min_by_key(|part| part.bytes.len());
    smallest.and_then(|part| by_shape(part.bytes.clone()))
}
