//! XML as a small tree: the only door to quick-xml.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use serde_json::{Map, Value};

use super::fields;
use super::malformed::Malformed;
use super::notes::Notes;

/// Deepest element that is read.
const DEPTH_MAX: usize = 24;
/// Most elements that are read.
const ELEMENTS_MAX: usize = 2000;
/// Most attributes of one element that are read.
const ATTRIBUTES_MAX: usize = 32;
/// Longest reference to a character, in characters.
const REFERENCE_MAX: usize = 10;

/// An element by its local name: cameras differ in their namespaces.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Element {
    name: String,
    text: String,
    attributes: Vec<(String, String)>,
    children: Vec<Self>,
    is_torn: bool,
}

impl Element {
    /// Reads the documents of a text, one after another, as far as they can be read: a sign that
    /// was not escaped and an end that is missing cost the element they stand in, not the others.
    /// Document types with content are refused, so that no entity grows; entities other than XML's
    /// own are left out.
    ///
    /// # Errors
    /// [`Malformed`] when there is no element at all, or too much.
    pub(super) fn parse(text: &str, notes: &mut Notes) -> Result<Vec<Self>, Malformed> {
        let wrong = Malformed::Format("XML");
        let text = escaped(text);
        let mut reader = Reader::from_str(&text);
        reader.config_mut().check_end_names = false;
        reader.config_mut().allow_unmatched_ends = true;
        // The outermost holds the documents' own elements.
        let mut open = vec![Self::default()];
        let mut count = 0;
        let mut is_whole = !matches!(text, Cow::Owned(_));
        loop {
            let Ok(event) = reader.read_event() else {
                is_whole = false;
                break;
            };
            match event {
                Event::Start(start) => {
                    count += 1;
                    if count > ELEMENTS_MAX || open.len() > DEPTH_MAX {
                        return Err(Malformed::TooMuch("XML elements"));
                    }
                    open.push(Self::begin(&start));
                }
                Event::Empty(start) => {
                    count += 1;
                    if count > ELEMENTS_MAX {
                        return Err(Malformed::TooMuch("XML elements"));
                    }
                    let inmost = open.last_mut().ok_or(wrong)?;
                    inmost.children.push(Self::begin(&start));
                }
                Event::End(end) => is_whole &= close(&mut open, end.local_name().as_ref()),
                Event::Text(words) => append(&mut open, &words.xml10_content()),
                Event::CData(words) => append(&mut open, &words.xml10_content()),
                Event::GeneralRef(entity) => append(&mut open, &known(&entity.xml10_content())),
                Event::DocType(kind) if kind.contains('[') => return Err(wrong),
                Event::Eof => break,
                Event::DocType(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
        is_whole &= open.len() == 1;
        while open.len() > 1 {
            shut(&mut open, true);
        }
        let roots = open.pop().map(|whole| whole.children).unwrap_or_default();
        if !is_whole && !roots.is_empty() {
            notes.add(
                "message",
                "it is not quite XML; what could be read of it is taken",
            );
        }
        match roots.is_empty() {
            true => Err(wrong),
            false => Ok(roots),
        }
    }

    fn begin(start: &BytesStart<'_>) -> Self {
        let mut attributes = start.attributes();
        let attributes = attributes.with_checks(false).flatten();
        let pair = |attribute: Attribute<'_>| {
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .unwrap_or_default();
            let name = attribute.key.local_name().as_ref().to_owned();
            (name, value.into_owned())
        };
        Self {
            name: start.local_name().as_ref().to_owned(),
            attributes: attributes.take(ATTRIBUTES_MAX).map(pair).collect(),
            ..Self::default()
        }
    }

    /// An element that says what a value of JSON says: its members are children.
    pub(super) fn of_json(name: &str, value: &Value, depth: usize) -> Self {
        let mut element = Self {
            name: name.to_owned(),
            ..Self::default()
        };
        match value {
            Value::Object(object) if depth < DEPTH_MAX => {
                for (name, value) in object.iter().take(ELEMENTS_MAX) {
                    let of = |one| Self::of_json(name, one, depth + 1);
                    match value {
                        Value::Array(all) => {
                            element
                                .children
                                .extend(all.iter().take(ELEMENTS_MAX).map(of));
                        }
                        one => element.children.push(of(one)),
                    }
                }
            }
            other => element.text = fields::word(other).unwrap_or_default(),
        }
        element
    }

    /// The value of JSON that says what the element says: attributes and children are members.
    pub(super) fn to_json(&self) -> Value {
        if self.attributes.is_empty() && self.children.is_empty() {
            return Value::String(self.text().to_owned());
        }
        let mut object = Map::new();
        for (name, value) in &self.attributes {
            object.insert(name.clone(), Value::String(value.clone()));
        }
        if !self.text().is_empty() {
            object.insert("#text".to_owned(), Value::String(self.text().to_owned()));
        }
        for child in &self.children {
            let value = child.to_json();
            match object.get_mut(&child.name) {
                Some(Value::Array(all)) => all.push(value),
                Some(one) => *one = Value::Array(vec![one.take(), value]),
                None => {
                    object.insert(child.name.clone(), value);
                }
            }
        }
        Value::Object(object)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether its end is missing: what it says may be cut.
    pub(super) fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// Its text without spaces around it; nothing when it may be cut.
    pub(super) fn text(&self) -> &str {
        match self.is_torn {
            true => "",
            false => self.text.trim(),
        }
    }

    /// The first child of a name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The children of a name.
    pub(super) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// A child's text, when it has any.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let text = self.child(name).map(Self::text);
        text.filter(|text| !text.is_empty())
    }
}

fn append(open: &mut [Element], words: &str) {
    if let Some(inmost) = open.last_mut() {
        inmost.text.push_str(words);
    }
}

/// Closes the inmost element; what is still open within the one that ends is torn. False when the
/// end fits nothing, and then nothing is closed.
fn close(open: &mut Vec<Element>, name: &str) -> bool {
    let at = open
        .iter()
        .skip(1)
        .rposition(|element| element.name == name);
    let Some(at) = at else { return false };
    let is_inmost = at + 2 == open.len();
    while open.len() > at + 2 {
        shut(open, true);
    }
    shut(open, false);
    is_inmost
}

fn shut(open: &mut Vec<Element>, is_torn: bool) {
    if let Some(mut ended) = open.pop()
        && let Some(round) = open.last_mut()
    {
        ended.is_torn = is_torn;
        round.children.push(ended);
    }
}

/// The text with `&` and `<` escaped where they begin neither a reference nor markup.
fn escaped(text: &str) -> Cow<'_, str> {
    let mut changed = String::new();
    let mut kept = 0;
    for (at, sign) in text.match_indices(['&', '<']) {
        let rest = text.get(at + 1..).unwrap_or_default();
        if is_markup(sign, rest) {
            continue;
        }
        changed.push_str(text.get(kept..at).unwrap_or_default());
        changed.push_str(if sign == "&" { "&amp;" } else { "&lt;" });
        kept = at + 1;
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    changed.push_str(text.get(kept..).unwrap_or_default());
    Cow::Owned(changed)
}

fn is_markup(sign: &str, rest: &str) -> bool {
    if sign == "<" {
        return rest.starts_with(|c: char| c.is_alphabetic() || matches!(c, '/' | '!' | '?' | '_'));
    }
    let head: String = rest.chars().take(REFERENCE_MAX).collect();
    let name = head.split_once(';').map(|(name, _)| name);
    name.is_some_and(|name| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '#')
    })
}

fn known(entity: &str) -> String {
    let plain = match entity {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        number => {
            let code = match number.strip_prefix("#x") {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => number.strip_prefix('#').and_then(|it| it.parse().ok()),
            };
            let character = code.and_then(char::from_u32);
            return character.map(String::from).unwrap_or_default();
        }
    };
    plain.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<Element> {
        Element::parse(text, &mut Notes::default()).unwrap()
    }

    #[test]
    fn fields_are_found_whatever_the_namespace_and_the_unknown_is_passed_over() {
        let text = "<?xml version='1.0'?><!-- a --><n:A xmlns:n='u'><n:B> x &amp; y </n:B><C/>\
                    <D><B>z&#220;&#xdc;</B></D></n:A>";
        let root = parsed(text).remove(0);
        assert_eq!((root.name(), root.field("B")), ("A", Some("x & y")));
        assert_eq!(root.field("C"), None);
        assert_eq!(root.child("D").unwrap().field("B"), Some("zÜÜ"));
    }

    #[test]
    fn d03_part_a_broken_element_leaves_the_others() {
        for text in [
            "<A><B>Porta & Nord</B><C>x</C></A>",
            "<A><B>a < b &nbsp c</B><C>x</C></A>",
            "<A><B>Porta <Nord></B><C>x</C></A>",
            "<A></D><C>x</C></A>",
            "<A><C>x</C><B>cut",
            "<A><C>x</C><B",
            "<!DOCTYPE A><A><C>x</C></A>",
        ] {
            assert_eq!(parsed(text)[0].field("C"), Some("x"), "{text}");
        }
        assert_eq!(parsed("<A><C>cu")[0].field("C"), None, "it may be cut");
        assert_eq!(parsed("<A/><A/>").len(), 2);
        let mut notes = Notes::default();
        Element::parse("<A><B>x &amp; y</B></A>", &mut notes).unwrap();
        assert_eq!(notes.all(), []);
    }

    #[test]
    fn a_tree_and_json_say_the_same() {
        let value = parsed("<A Name='n'><B>1</B><B>2</B><C>x</C></A>")[0].to_json();
        let json = serde_json::json!({"Name": "n", "B": ["1", "2"], "C": "x"});
        assert_eq!(value, json);
        let element = Element::of_json("A", &json, 0);
        assert_eq!(
            (element.field("C"), element.children("B").count()),
            (Some("x"), 2)
        );
    }

    #[test]
    fn bombs_and_empty_documents_are_refused() {
        let deep = "<a>".repeat(1000);
        let many = format!("<a>{}</a>", "<b/>".repeat(3000));
        let entity = "<!DOCTYPE a [<!ENTITY x \"xx\">]><a>&x;</a>";
        for text in ["", "</a>", &deep, &many, entity, "text"] {
            let read = Element::parse(text, &mut Notes::default());
            assert!(read.is_err(), "{text:.20}");
        }
    }
}
