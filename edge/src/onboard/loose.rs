//! JSON that is not quite JSON: what a strict parser refuses as a whole is read as far as it goes,
//! so that a broken field beside the plate does not cost the plate.
//!
//! A bare word such as `NaN`, a number that is none and a missing comma are read as text or passed
//! over. A text that is not closed is dropped with its name: it may be cut.

use serde_json::{Map, Value};

/// Deepest value that is read.
const DEPTH_MAX: usize = 32;
/// Most values that are read.
const VALUES_MAX: usize = 20_000;

/// The values of a text, one after another.
pub(super) fn values(text: &str) -> Vec<Value> {
    let mut reader = Reader {
        rest: text.trim_start(),
        left: VALUES_MAX,
    };
    let mut all = Vec::new();
    while !reader.rest.is_empty() && reader.left > 0 {
        let before = reader.rest.len();
        match reader.value(0) {
            Some(value @ (Value::Object(_) | Value::Array(_))) => all.push(value),
            // Words and signs between values.
            _ if reader.rest.len() == before => reader.skip(1),
            _ => {}
        }
        reader.space();
    }
    all
}

struct Reader<'a> {
    rest: &'a str,
    left: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn skip(&mut self, characters: usize) {
        let mut all = self.rest.chars();
        all.by_ref().take(characters).for_each(drop);
        self.rest = all.as_str();
    }

    fn space(&mut self) {
        let space = |c: char| c.is_whitespace() || c == ',' || c == '\0';
        self.rest = self.rest.trim_start_matches(space);
    }

    /// None when it is cut, too deep or too much.
    fn value(&mut self, depth: usize) -> Option<Value> {
        self.left = self.left.checked_sub(1)?;
        self.space();
        match self.peek()? {
            '{' => (depth < DEPTH_MAX).then(|| self.object(depth)),
            '[' => (depth < DEPTH_MAX).then(|| self.array(depth)),
            '"' => self.text().map(Value::String),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Value {
        self.skip(1);
        let mut object = Map::new();
        loop {
            self.space();
            match self.peek() {
                None => break,
                Some('}') => {
                    self.skip(1);
                    break;
                }
                Some('"') => {
                    let Some(name) = self.text() else { break };
                    self.rest = self.rest.trim_start();
                    if self.peek() != Some(':') {
                        continue;
                    }
                    self.skip(1);
                    let Some(value) = self.value(depth + 1) else {
                        break;
                    };
                    object.insert(name, value);
                }
                Some(_) => self.skip(1),
            }
            if self.left == 0 {
                break;
            }
        }
        Value::Object(object)
    }

    fn array(&mut self, depth: usize) -> Value {
        self.skip(1);
        let mut array = Vec::new();
        loop {
            self.space();
            match self.peek() {
                None => break,
                Some(']') => {
                    self.skip(1);
                    break;
                }
                // It closes what is round the array.
                Some('}') => break,
                Some(_) => {
                    let Some(value) = self.value(depth + 1) else {
                        break;
                    };
                    array.push(value);
                }
            }
        }
        Value::Array(array)
    }

    /// None when it is not closed.
    fn text(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut all = self.rest.char_indices().skip(1);
        while let Some((at, character)) = all.next() {
            match character {
                '"' => {
                    self.rest = self.rest.get(at + 1..)?;
                    return Some(text);
                }
                '\\' => match all.next()?.1 {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    'b' | 'f' => {}
                    'u' => {
                        let digits: String = all.by_ref().take(4).map(|(_, c)| c).collect();
                        let code = u32::from_str_radix(&digits, 16).ok();
                        text.push(code.and_then(char::from_u32).unwrap_or('\u{fffd}'));
                    }
                    other => text.push(other),
                },
                other => text.push(other),
            }
        }
        self.rest = "";
        None
    }

    /// A number, `true` and the like; whatever else stands there is a text. None at the end of the
    /// message, where it may be cut.
    fn word(&mut self) -> Option<Value> {
        let ends = |c: char| c.is_whitespace() || matches!(c, ',' | '}' | ']' | '{' | '[' | '"');
        let Some(end) = self.rest.find(ends) else {
            self.rest = "";
            return None;
        };
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if word.is_empty() {
            self.skip(1);
            return Some(Value::Null);
        }
        let value = serde_json::from_str(word);
        Some(value.unwrap_or_else(|_| Value::String(word.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn d03_part_a_broken_field_leaves_the_others() {
        for (text, read) in [
            (r#"{"a": NaN, "b": "x"}"#, json!({"a": "NaN", "b": "x"})),
            (r#"{"a": 1e999, "b": "x"}"#, json!({"a": "1e999", "b": "x"})),
            (r#"{"a": 007, "b": "x",}"#, json!({"a": "007", "b": "x"})),
            (r#"{"a" "y", "b": "x"}"#, json!({"b": "x"})),
            (
                "{\"a\": \"l\n1\\q\", \"b\": \"x\"",
                json!({"a": "l\n1q", "b": "x"}),
            ),
            (r#"{"b": "x", "a": "cut"#, json!({"b": "x"})),
            (r#"{"b": "x", "a": 12"#, json!({"b": "x"})),
            (r#"{"a": [1, 2}, "b": "x"}"#, json!({"a": [1, 2]})),
            (r#"{"a": -, "b": "\u00dc"}"#, json!({"a": "-", "b": "Ü"})),
        ] {
            assert_eq!(values(text).first(), Some(&read), "{text}");
        }
        assert_eq!(values("{\"a\":1}\n{\"a\":2}\0").len(), 2);
    }

    #[test]
    fn deep_endless_and_torn_texts_end() {
        let deep = "{\"a\":".repeat(10_000);
        let wide = "[1,".repeat(50_000);
        let many = "1,".repeat(100_000);
        for text in [
            "", "{", "[", "\"", "\\", "}{", ":::", "{\"\\u12", &deep, &wide, &many,
        ] {
            let _ = values(text);
        }
    }
}
