//! Hikvision's ISAPI: an `EventNotificationAlert` of type `ANPR` in XML, with pictures as further
//! parts.

use varco_proto::time::UtcTime;

use super::tree::Element;
use super::{
    Malformed, Message, Part, Picture, Pushed, Telling, Understanding, direction, moment, plate,
};

/// The top of its scale of confidence.
const TOP: f32 = 100.0;

pub(super) fn understand(
    rules: &Understanding,
    parts: &[Part],
    arrived: UtcTime,
) -> Result<Message, Malformed> {
    let alert = alert(parts)?;
    let kind = alert.field("eventType");
    let kind = kind.ok_or(Malformed::Missing("eventType"))?;
    if !kind.eq_ignore_ascii_case("ANPR") {
        return Ok(Message::Other("an event of another kind"));
    }
    if alert.field("eventState") == Some("inactive") {
        return Ok(Message::Other("the end of an event"));
    }
    let anpr = alert.child("ANPR").ok_or(Malformed::Missing("ANPR"))?;
    let text = anpr.child("licensePlate");
    let text = text.ok_or(Malformed::Missing("licensePlate"))?.text();
    let Some(plate) = plate("licensePlate", text)? else {
        return Ok(Message::Other("a vehicle without a read plate"));
    };
    let at = alert.field("dateTime").map(|text| {
        let found = moment::of_text(text, &rules.zone, arrived);
        let form = "a time like 2026-11-20T08:31:00+01:00";
        found.ok_or(Malformed::Field("dateTime", form))
    });
    let said = |name| alert.field(name).unwrap_or_default();
    let event = said("UUID");
    let names = [said("deviceID"), said("channelName"), said("macAddress")];
    let device = names.into_iter().find(|name| !name.is_empty());
    let number = |name| anpr.field(name).and_then(|text| text.parse().ok());
    Ok(Message::of(Pushed {
        key: if event.is_empty() {
            format!("{}|{}|{plate}", said("channelID"), said("dateTime"))
        } else {
            event.to_owned()
        },
        event: event.to_owned(),
        device: device.unwrap_or_default().to_owned(),
        confidence: number("confidenceLevel"),
        confidence_top: TOP,
        characters: characters(anpr.field("plateCharBelieve"), plate.as_str().len()),
        plate,
        // Its numbers of countries are a list of the maker's own, which differs between firmwares.
        country: None,
        at: at.transpose()?,
        late: false,
        telling: Telling::Whole,
        direction: anpr.field("direction").and_then(direction),
        lane: anpr.field("line").and_then(|text| text.parse().ok()),
        picture: picture(anpr, parts),
        left_out: Vec::new(),
    }))
}

fn alert(parts: &[Part]) -> Result<Element, Malformed> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let xml = parts.iter().find_map(|part| {
        let bytes = part.bytes.strip_prefix(MARK).unwrap_or(&part.bytes);
        let bytes = bytes.trim_ascii_start();
        bytes.starts_with(b"<").then_some(bytes)
    });
    let xml = xml.ok_or(Malformed::Format("ISAPI message: none of it is XML"))?;
    let text = std::str::from_utf8(xml).map_err(|_| Malformed::Format("UTF-8"))?;
    let alert = Element::parse(text)?;
    if alert.name() == "EventNotificationAlert" {
        Ok(alert)
    } else {
        Err(Malformed::Format("EventNotificationAlert"))
    }
}

fn characters(said: Option<&str>, length: usize) -> Vec<f32> {
    let numbers = said.map(|text| text.split(',').map(|one| one.trim().parse().ok()));
    let numbers: Option<Vec<f32>> = numbers.and_then(Iterator::collect);
    let fitting = numbers.filter(|all| all.len() == length);
    fitting.unwrap_or_default()
}

/// The plate's own picture. That of the scene is never cut: what its numbers for the plate's place
/// count in differs between firmwares, and a wrong guess would show people.
fn picture(anpr: &Element, parts: &[Part]) -> Option<Picture> {
    let named = anpr
        .child("pictureInfoList")
        .into_iter()
        .flat_map(|list| list.children("pictureInfo"))
        .find(|info| info.field("type") == Some("licensePlatePicture"))
        .and_then(|info| info.field("fileName"));
    let is = |part: &&Part| {
        let jpeg = part.bytes.starts_with(&[0xff, 0xd8]);
        let name = part.name.to_ascii_lowercase();
        jpeg && (Some(part.name.as_str()) == named || name.contains("licenseplate"))
    };
    let found = parts.iter().find(is)?;
    Some(Picture::Plate(found.bytes.clone()))
}
