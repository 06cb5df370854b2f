//! XML as a small tree: the only door to quick-xml.

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::Malformed;

/// Deepest element that is read.
const DEPTH_MAX: usize = 24;
/// Most elements that are read.
const ELEMENTS_MAX: usize = 2000;

/// An element by its local name: cameras differ in their namespaces.
#[derive(Debug, Default)]
pub(super) struct Element {
    name: String,
    text: String,
    children: Vec<Self>,
}

impl Element {
    /// Reads a document. Document types are refused, so that no entity grows; entities other than
    /// XML's own are left out.
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        let wrong = Malformed::Format("XML");
        let mut reader = Reader::from_str(text);
        let mut open = vec![Self::default()];
        let mut count = 0;
        loop {
            let event = reader.read_event().map_err(|_| wrong)?;
            let ends = matches!(event, Event::End(_) | Event::Empty(_));
            let inmost = open.last_mut().ok_or(wrong)?;
            match event {
                Event::Start(start) | Event::Empty(start) => {
                    count += 1;
                    if count > ELEMENTS_MAX || open.len() > DEPTH_MAX {
                        return Err(Malformed::TooMuch("XML elements"));
                    }
                    open.push(Self::begin(&start));
                }
                Event::Text(words) => inmost.text.push_str(&words.xml10_content()),
                Event::CData(words) => inmost.text.push_str(&words.xml10_content()),
                Event::GeneralRef(entity) => inmost.text.push_str(known(&entity.xml10_content())),
                Event::DocType(_) => return Err(wrong),
                Event::Eof => break,
                Event::End(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
            if ends {
                let ended = open.pop().ok_or(wrong)?;
                open.last_mut().ok_or(wrong)?.children.push(ended);
            }
        }
        // The outermost holds the document's own element.
        match (open.pop(), open.is_empty()) {
            (Some(mut whole), true) => whole.children.pop().ok_or(wrong),
            _ => Err(wrong),
        }
    }

    fn begin(start: &BytesStart<'_>) -> Self {
        Self {
            name: start.local_name().as_ref().to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its text without spaces around it.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
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

fn known(entity: &str) -> &'static str {
    match entity {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_the_namespace_and_the_unknown_is_passed_over() {
        let text = "<?xml version='1.0'?><!-- a --><n:A xmlns:n='u'><n:B> x &amp; y </n:B><C/>\
                    <D><B>z</B></D></n:A>";
        let root = Element::parse(text).unwrap();
        assert_eq!((root.name(), root.field("B")), ("A", Some("x & y")));
        assert_eq!(root.field("C"), None);
        assert_eq!(root.child("D").unwrap().field("B"), Some("z"));
    }

    #[test]
    fn bombs_and_torn_documents_are_refused() {
        let deep = "<a>".repeat(1000);
        let many = format!("<a>{}</a>", "<b/>".repeat(3000));
        let entity = "<!DOCTYPE a [<!ENTITY x \"xx\">]><a>&x;</a>";
        for text in ["", "<a>", "<a></b>", "</a>", &deep, &many, entity, "text"] {
            assert!(Element::parse(text).is_err(), "{text:.20}");
        }
    }
}
