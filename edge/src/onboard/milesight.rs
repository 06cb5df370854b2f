//! Milesight's LPR cameras: JSON over HTTP POST, pictures in base64, times without a zone.

use serde_json::{Map, Value};
use varco_proto::time::UtcTime;

use super::{
    Malformed, Message, Part, Picture, Pushed, Telling, Understanding, country, direction, fields,
    moment, plate,
};

pub(super) fn understand(
    rules: &Understanding,
    parts: &[Part],
    arrived: UtcTime,
) -> Result<Message, Malformed> {
    let said = fields::object(parts)?;
    let names = ["plate", "license_plate"];
    if fields::any(&said, &names).is_none() {
        return Ok(Message::Other("a message without a reading"));
    }
    let text = fields::text(&said, &names).unwrap_or_default();
    let Some(plate) = plate("plate", &text)? else {
        return Ok(Message::Other("a vehicle without a read plate"));
    };
    let time = fields::text(&said, &["time_msec", "time"]);
    let at = time.as_deref().map(|text| {
        let number = text.parse().ok().and_then(moment::of_number);
        let found = number.or_else(|| moment::of_text(text, &rules.zone, arrived));
        found.ok_or(Malformed::Field(
            "time",
            "a time like 2026-11-20 08:31:07.123",
        ))
    });
    let confidence = fields::float(&said, &["confidence", "plate_confidence"]);
    let word = |names: &[&str]| fields::text(&said, names);
    let event = word(&["event_id", "index"]).unwrap_or_default();
    let lane = word(&["detection_region", "roi_id", "lane"]).unwrap_or_default();
    let at = at.transpose()?;
    let time = time.unwrap_or_default();
    Ok(Message::of(Pushed {
        key: format!("{event}|{time}|{lane}|{plate}"),
        event,
        device: word(&["device", "device_name"]).unwrap_or_default(),
        confidence,
        confidence_top: fields::top(confidence),
        characters: Vec::new(),
        plate,
        country: word(&["region", "country"]).and_then(|code| country::of(&code)),
        at,
        late: false,
        telling: Telling::Whole,
        direction: word(&["direction"]).and_then(|word| direction(&word)),
        lane: lane.parse().ok(),
        picture: picture(&said),
        left_out: Vec::new(),
    }))
}

fn picture(said: &Map<String, Value>) -> Option<Picture> {
    let image = |names: &[&str]| fields::bytes(&fields::text(said, names)?);
    if let Some(plate) = image(&["plate_image", "license_plate_snapshot"]) {
        return Some(Picture::Plate(plate));
    }
    let corner = |name: &str| u32::try_from(fields::whole(said, &[name])?).ok();
    let (left, top) = (corner("coordinate_x1")?, corner("coordinate_y1")?);
    let (right, bottom) = (corner("coordinate_x2")?, corner("coordinate_y2")?);
    let sides = [right.checked_sub(left)?, bottom.checked_sub(top)?];
    let scene = image(&["full_image", "full_snapshot"])?;
    Some(Picture::Scene(scene, [left, top, sides[0], sides[1]]))
}
