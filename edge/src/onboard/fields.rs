//! Fields of JSON as cameras write them: numbers as text, text as numbers, other cases of letters,
//! several messages in one, forms in place of JSON.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::{Map, Value};

use super::malformed::Malformed;
use super::notes::Notes;
use super::part::Part;
use super::pushed::is_picture;
use super::{loose, text};

/// Deepest object that is looked into.
const DEPTH_MAX: usize = 16;
/// Most values that are looked into.
const VALUES_MAX: usize = 5000;
/// Most readings of one message.
const READINGS_MAX: usize = 64;
/// Most fields of a form.
const FORM_FIELDS_MAX: usize = 200;

pub(super) type Object = Map<String, Value>;

/// The values of a message: of each part that is JSON, or a form.
pub(super) fn json(parts: &[Part], notes: &mut Notes) -> Result<Vec<Value>, Malformed> {
    let texts = parts.iter().filter(|part| !is_picture(&part.bytes));
    let mut all = Vec::new();
    for part in texts {
        all.extend(values(&text::decode(&part.bytes, notes), notes));
    }
    let holds = |value: &Value| match value {
        Value::Object(object) => !object.is_empty(),
        Value::Array(array) => !array.is_empty(),
        _ => false,
    };
    all.retain(holds);
    match all.is_empty() {
        true => Err(Malformed::Format("JSON object")),
        false => Ok(all),
    }
}

/// The values of one text.
pub(super) fn values(text: &str, notes: &mut Notes) -> Vec<Value> {
    if !text.starts_with(['{', '[']) {
        return form(text, notes);
    }
    // serde_json stops at 128 levels by itself.
    let mut strict = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut all = Vec::new();
    loop {
        let begin = strict.byte_offset();
        match strict.next() {
            None => return all,
            Some(Ok(value)) => all.push(value),
            Some(Err(_)) => {
                let rest = text.get(begin..).unwrap_or_default();
                let found = loose::values(rest);
                if !found.is_empty() {
                    notes.add(
                        "message",
                        "it is not quite JSON; what could be read of it is taken",
                    );
                }
                all.extend(found);
                return all;
            }
        }
    }
}

/// `a=1&b=2`, where a value may be JSON itself.
fn form(text: &str, notes: &mut Notes) -> Vec<Value> {
    if text.starts_with('<') || !text.contains('=') {
        return Vec::new();
    }
    let (mut all, mut own) = (Vec::new(), Object::new());
    for pair in text.split('&').take(FORM_FIELDS_MAX) {
        let Some((name, value)) = pair.split_once('=') else {
            continue;
        };
        let value = unescaped(value);
        if value.starts_with(['{', '[']) {
            all.extend(values(&value, notes));
        } else {
            own.insert(unescaped(name), Value::String(value));
        }
    }
    all.push(Value::Object(own));
    all
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        (bytes, rest) = match (first, code) {
            (b'%', Some(code)) => (with(bytes, code), after.get(2..).unwrap_or_default()),
            (b'+', _) => (with(bytes, b' '), after),
            (other, _) => (with(bytes, *other), after),
        };
    }
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

fn with(mut bytes: Vec<u8>, byte: u8) -> Vec<u8> {
    bytes.push(byte);
    bytes
}

/// An object that holds a reading, with those round it: outermost first.
#[derive(Debug, Clone)]
pub(super) struct Found<'a>(pub(super) Vec<&'a Object>);

/// The readings that a message holds.
#[derive(Debug, Default)]
pub(super) struct Held<'a> {
    /// In the message's order.
    pub(super) all: Vec<Found<'a>>,
    /// That there are more than are taken.
    pub(super) surplus: Option<Malformed>,
}

/// A value that is still to be looked into.
struct Open<'a> {
    value: &'a Value,
    /// The objects round it. All values of one object or array share them: there may be millions.
    path: Rc<Vec<&'a Object>>,
}

/// Every object of which `is` says that it holds a reading. What is within one belongs to it. So
/// many values as are not looked into are refused before anything is made of them.
pub(super) fn search<'a>(
    values: &'a [Value],
    is: impl Fn(&Object) -> bool,
) -> Result<Held<'a>, Malformed> {
    const TOO_MUCH: Malformed = Malformed::TooMuch("values");
    let mut left = VALUES_MAX;
    let mut held = Held::default();
    if values.len() > left {
        return Err(TOO_MUCH);
    }
    let mut open: Vec<Open<'a>> = Vec::new();
    let none: Rc<Vec<&Object>> = Rc::default();
    for value in values.iter().rev() {
        let path = Rc::clone(&none);
        open.push(Open { value, path });
    }
    while let Some(Open { value, path }) = open.pop() {
        left = left.checked_sub(1).ok_or(TOO_MUCH)?;
        if path.len() > DEPTH_MAX {
            continue;
        }
        let (inner, path): (Vec<&Value>, _) = match value {
            Value::Object(object) => {
                let mut own = path.to_vec();
                own.push(object);
                if is(object) {
                    if held.all.len() >= READINGS_MAX {
                        held.surplus = Some(Malformed::TooMuch("readings"));
                        return Ok(held);
                    }
                    held.all.push(Found(own));
                    continue;
                }
                (object.values().take(left + 1).collect(), Rc::new(own))
            }
            Value::Array(array) => (array.iter().take(left + 1).collect(), path),
            _ => continue,
        };
        if inner.len() > left {
            return Err(TOO_MUCH);
        }
        for value in inner.into_iter().rev() {
            let path = Rc::clone(&path);
            open.push(Open { value, path });
        }
    }
    Ok(held)
}

/// A field of any of these names, in any case of letters.
pub(super) fn any<'a>(object: &'a Object, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| one(object, name))
}

fn one<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    let like = || {
        object
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
    };
    object.get(name).or_else(|| like().map(|(_, value)| value))
}

/// The first of these names that is written, as text: a number is written out.
pub(super) fn text(object: &Object, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| word(one(object, name)?))
}

/// A value as text; none when it is empty, or no text and no number.
pub(super) fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The text that the nearest of the objects round a reading gives to the first of these names.
pub(super) fn nearest(found: &Found, names: &[&str]) -> Option<String> {
    found.0.iter().rev().find_map(|object| text(object, names))
}

/// Four numbers, in an array or in a text with commas between them; parts of pixels are dropped.
pub(super) fn four(value: &Value) -> Option<[u32; 4]> {
    let words: Vec<String> = match value {
        Value::Array(array) => array.iter().filter_map(word).collect(),
        Value::String(text) => text.split([',', ';', ' ']).map(str::to_owned).collect(),
        _ => return None,
    };
    let words = words.iter().filter(|word| !word.trim().is_empty());
    let all: Option<Vec<u32>> = words.map(|word| whole_px(word)).collect();
    all?.try_into().ok()
}

/// A number of pixels, also when it is written with a fraction.
pub(super) fn whole_px(word: &str) -> Option<u32> {
    let word = word.trim();
    let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
    let is = fraction.bytes().all(|byte| byte.is_ascii_digit());
    is.then(|| whole.parse().ok()).flatten()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_messages_and_forms_are_read_as_what_they_say() {
        let notes = &mut Notes::default();
        let read = |text: &str, notes: &mut Notes| values(text, notes).len();
        assert_eq!(read("{\"a\":1}\n{\"a\":2}\n", notes), 2);
        assert_eq!(read("<a/>", notes), 0);
        assert_eq!(notes.clone().all(), []);
        assert_eq!(read("{\"a\": NaN}", notes), 1);
        assert_eq!(notes.clone().all().len(), 1);
        let form = values("plate=AB+12&time=08%3A31%zz&data={\"b\": 1}", notes);
        assert_eq!(form[0]["b"], 1);
        assert_eq!(
            (&form[1]["plate"], &form[1]["time"]),
            (&"AB 12".into(), &"08:31%zz".into())
        );
    }

    #[test]
    fn more_readings_than_are_taken_are_told() {
        let is = |object: &Object| object.contains_key("plate");
        for (count, surplus) in [(64, None), (65, Some(Malformed::TooMuch("readings")))] {
            let text = format!("[{}]", vec!["{\"plate\":1}"; count].join(","));
            let values: [Value; 1] = [serde_json::from_str(&text).unwrap()];
            let held = search(&values, is).unwrap();
            assert_eq!((held.all.len(), held.surplus), (64, surplus));
        }
    }

    #[test]
    fn an_array_without_end_is_refused_before_it_is_looked_into() {
        let is = |object: &Object| object.contains_key("plate");
        let endless = serde_json::json!({"a": vec![1; 1_000_000]});
        let values = vec![Value::from(1); 1_000_000];
        for values in [std::slice::from_ref(&endless), &values[..]] {
            let refused = search(values, is).unwrap_err();
            assert_eq!(refused, Malformed::TooMuch("values"));
        }
        let within = [serde_json::json!([{"b": [{"plate": 1}, 2]}, {"plate": 2}])];
        let held = search(&within, is).unwrap();
        let depths: Vec<_> = held.all.iter().map(|found| found.0.len()).collect();
        assert_eq!(depths, [2, 1]);
    }

    #[test]
    fn places_are_read_from_numbers_fractions_and_texts() {
        for text in ["[1, 2, 3, 4]", "[1.0, 2.7, 3, \"4\"]", "\"1,2, 3,4\""] {
            let value = serde_json::from_str(text).unwrap();
            assert_eq!(four(&value), Some([1, 2, 3, 4]), "{text}");
        }
        for text in ["[1, 2, 3]", "[1, 2, 3, -4]", "\"a,b,c,d\"", "7"] {
            let value = serde_json::from_str(text).unwrap();
            assert_eq!(four(&value), None, "{text}");
        }
    }
}
