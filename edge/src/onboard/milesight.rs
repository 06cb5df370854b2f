//! Milesight's LPR cameras: JSON over HTTP POST, pictures in base64, times without a zone.

use varco_proto::time::UtcTime;

use super::fields::{Found, Object};
use super::malformed::Malformed;
use super::message::{Event, Message, together};
use super::notes::Notes;
use super::part::Part;
use super::plate::plate;
use super::pushed::{Picture, Pushed, Telling};
use super::understanding::Understanding;
use super::{fields, words};

const PLATE: [&str; 2] = ["plate", "license_plate"];

pub(super) fn understand(
    rules: &Understanding,
    parts: &[Part],
    arrived: UtcTime,
) -> Result<Message, Malformed> {
    let mut notes = Notes::default();
    let values = fields::json(parts, &mut notes)?;
    let is = |object: &Object| fields::any(object, &PLATE).is_some_and(|it| !it.is_object());
    let found = fields::search(&values, is)?;
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
    let word = |names: &[&str]| fields::nearest(found, names);
    let text = word(&PLATE).unwrap_or_default();
    let Some(plate) = plate("plate", &text, &mut notes)? else {
        return Ok(Event::Other("a vehicle without a read plate"));
    };
    let time = word(&["time_msec", "time"]);
    let at = words::time("time", time.as_deref(), &rules.zone, arrived, &mut notes);
    let confidence = word(&["confidence", "plate_confidence"]);
    let said = words::confidence("confidence", confidence.as_deref(), None, &mut notes);
    let event = word(&["event_id", "index"]).unwrap_or_default();
    let lane = word(&["detection_region", "roi_id", "lane"]);
    let country = word(&["region", "country"]);
    let direction = word(&["direction"]);
    let time = time.unwrap_or_default();
    Ok(Event::Reading(Box::new(Pushed {
        key: format!(
            "{event}|{time}|{}|{}",
            lane.as_deref().unwrap_or_default(),
            plate.text
        ),
        event,
        device: word(&["device", "device_name"]).unwrap_or_default(),
        confidence: said.confidence,
        confidence_top: said.top,
        characters: Vec::new(),
        plate: plate.text,
        plate_said: plate.said,
        unread: plate.unread,
        country: words::country("region", country.as_deref(), &mut notes),
        at,
        direction: words::direction("direction", direction.as_deref(), &mut notes),
        lane: words::lane("detection_region", lane.as_deref(), &mut notes),
        picture: picture(found, &mut notes),
        left_out: notes.all(),
        late: false,
        telling: Telling::Whole,
    })))
}

fn picture(found: &Found, notes: &mut Notes) -> Option<Picture> {
    let word = |name: &str| fields::nearest(found, &[name]);
    let image = |names: [&str; 2]| fields::bytes(&fields::nearest(found, &names)?);
    if let Some(plate) = image(["plate_image", "license_plate_snapshot"]) {
        return Some(Picture::Plate(plate));
    }
    let scene = image(["full_image", "full_snapshot"])?;
    let sides = [
        "coordinate_x1",
        "coordinate_y1",
        "coordinate_x2",
        "coordinate_y2",
    ];
    let written: Vec<_> = sides.iter().filter_map(|name| word(name)).collect();
    let place = notes.wanted(
        "coordinate_x1",
        Some(written),
        "it is no place in the picture",
        |all| {
            let all: Vec<u32> = all
                .iter()
                .map(|side| fields::whole_px(side))
                .collect::<Option<_>>()?;
            let [left, top, right, bottom] = <[u32; 4]>::try_from(all).ok()?;
            Some([
                left,
                top,
                right.checked_sub(left)?,
                bottom.checked_sub(top)?,
            ])
        },
    );
    Some(Picture::Scene(scene, place?))
}
