//! AXIS License Plate Verifier and the readers of Vaxtor and FF Group on Axis cameras: JSON over
//! HTTP POST, pictures in base64 or as further parts.

use serde_json::{Map, Value};
use varco_proto::time::UtcTime;

use super::{
    Malformed, Message, Part, Picture, Pushed, Take, Telling, Understanding, country, direction,
    fields, moment, plate,
};

pub(super) fn understand(
    rules: &Understanding,
    parts: &[Part],
    arrived: UtcTime,
) -> Result<Message, Malformed> {
    let said = fields::object(parts)?;
    let names = ["plateASCII", "plateUTF8", "plateText", "plate"];
    if fields::any(&said, &names).is_none() {
        return Ok(Message::Other("a message without a reading"));
    }
    let state = fields::text(&said, &["carState"]).unwrap_or_default();
    // What a camera sends once has no state.
    let ends = state.is_empty() || state.eq_ignore_ascii_case("lost");
    if rules.take == Take::Last && !ends {
        return Ok(Message::Other("a vehicle still in sight"));
    }
    let text = fields::text(&said, &names).unwrap_or_default();
    let Some(plate) = plate("plateText", &text)? else {
        return Ok(Message::Other("a vehicle without a read plate"));
    };
    let at = at(&said, rules, arrived)?;
    let car = fields::text(&said, &["carID"]).unwrap_or_default();
    let stamp = at.map_or(0, UtcTime::unix_us);
    let key = match rules.take {
        Take::First if !car.is_empty() => car.clone(),
        _ => format!("{car}|{stamp}|{plate}"),
    };
    let confidence = fields::float(&said, &["plateConfidence", "confidence"]);
    let camera = fields::any(&said, &["camera_info"]).and_then(Value::as_object);
    let name = |field: &str| camera.and_then(|camera| fields::text(camera, &[field]));
    let names = [name("ProdShortName"), name("SerialNumber")];
    let word = |field: &str| fields::text(&said, &[field]);
    Ok(Message::of(Pushed {
        key,
        event: car,
        device: names.into_iter().flatten().collect::<Vec<_>>().join(" "),
        confidence,
        confidence_top: fields::top(confidence),
        characters: Vec::new(),
        plate,
        country: word("plateCountry").and_then(|code| country::of(&code)),
        at,
        late: false,
        telling: telling(&state),
        direction: word("carMoveDirection").and_then(|word| direction(&word)),
        lane: word("roiID").and_then(|lane| lane.parse().ok()),
        picture: picture(&said, parts),
        left_out: Vec::new(),
    }))
}

fn telling(state: &str) -> Telling {
    match state.to_ascii_lowercase().as_str() {
        "new" => Telling::Begins,
        "update" | "lost" => Telling::Further,
        _ => Telling::Whole,
    }
}

fn at(
    said: &Map<String, Value>,
    rules: &Understanding,
    arrived: UtcTime,
) -> Result<Option<UtcTime>, Malformed> {
    let stamp = fields::whole(said, &["capture_timestamp", "capture_ts"]);
    if let Some(moment) = stamp.and_then(moment::of_number) {
        return Ok(Some(moment));
    }
    let Some(text) = fields::text(said, &["datetime"]) else {
        return Ok(None);
    };
    let found = moment::of_text(&text, &rules.zone, arrived);
    let wrong = Malformed::Field("datetime", "a time like 20261120 083107123");
    found.map(Some).ok_or(wrong)
}

fn picture(said: &Map<String, Value>, parts: &[Part]) -> Option<Picture> {
    let all = fields::any(said, &["ImageArray"]).and_then(Value::as_array);
    let of = |kind: &str| {
        let mut images = all.into_iter().flatten().filter_map(Value::as_object);
        images.find_map(|image| {
            let named = fields::text(image, &["ImageType"])?;
            let text = fields::text(image, &["BinaryImage"])?;
            let is = named.eq_ignore_ascii_case(kind);
            is.then(|| fields::bytes(&text)).flatten()
        })
    };
    let attached = |kind: &str| {
        let named = fields::text(said, &["imageType"])?;
        let mut jpegs = parts
            .iter()
            .filter(|part| part.bytes.starts_with(&[0xff, 0xd8]));
        let is = named.eq_ignore_ascii_case(kind);
        is.then(|| jpegs.next().map(|part| part.bytes.clone()))
            .flatten()
    };
    if let Some(plate) = of("plate").or_else(|| attached("plate")) {
        return Some(Picture::Plate(plate));
    }
    // "vehicle" is cut out of the frame already: the plate's place does not hold in it.
    let scene = of("frame").or_else(|| attached("frame"))?;
    let place = fields::any(said, &["plateCoordinates"])?.as_array()?;
    let side = |number: &Value| u32::try_from(number.as_u64()?).ok();
    let place: Option<Vec<u32>> = place.iter().map(side).collect();
    Some(Picture::Scene(scene, place?.try_into().ok()?))
}
