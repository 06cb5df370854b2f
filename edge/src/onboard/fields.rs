//! Fields of JSON as cameras write them: numbers as text, text as numbers, other cases of letters.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::{Map, Value};

use super::{Malformed, Part};

/// The message's JSON object: the first part that is one.
pub(super) fn object(parts: &[Part]) -> Result<Map<String, Value>, Malformed> {
    let format = Malformed::Format("JSON object");
    let begins = |part: &&Part| part.bytes.trim_ascii_start().starts_with(b"{");
    let part = parts.iter().find(begins).ok_or(format)?;
    // serde_json stops at 128 levels by itself.
    match serde_json::from_slice(&part.bytes) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(format),
    }
}

/// A field of any of these names, in any case of letters.
pub(super) fn any<'a>(object: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| {
        let like = || {
            object
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
        };
        object.get(*name).or_else(|| like().map(|(_, value)| value))
    })
}

/// As text: a number is written out; anything else, and nothing, is none.
pub(super) fn text(object: &Map<String, Value>, names: &[&str]) -> Option<String> {
    match any(object, names)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// As a number, also when it is written as text.
pub(super) fn float(object: &Map<String, Value>, names: &[&str]) -> Option<f32> {
    text(object, names)?.parse().ok()
}

/// As a whole number, also when it is written as text.
pub(super) fn whole(object: &Map<String, Value>, names: &[&str]) -> Option<i64> {
    text(object, names)?.parse().ok()
}

/// Bytes in base64, with or without the head of a data URL.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let text = text.split_once("base64,").map_or(text, |(_, rest)| rest);
    let is_shown = |c: &char| !c.is_ascii_whitespace();
    let packed: String = text.chars().filter(is_shown).collect();
    let padded = STANDARD.decode(&packed);
    let bytes = padded.or_else(|_| STANDARD_NO_PAD.decode(&packed)).ok()?;
    Some(bytes).filter(|bytes| !bytes.is_empty())
}

/// The top of a scale that cameras leave unsaid: 1 for shares, 100 for percents.
pub(super) fn top(confidence: Option<f32>) -> f32 {
    match confidence {
        Some(said) if said > 1.0 => 100.0,
        _ => 1.0,
    }
}
