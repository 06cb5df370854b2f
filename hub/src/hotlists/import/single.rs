//! One plate, as a person writes it: by the same rules as a file's row.

use thiserror::Error;

use super::HotlistTerm;
use super::account::AccountLine;
use super::dates::DateOrder;
use super::headings::Meaning;
use super::layout::{Column, Layout};
use super::reader::Reader;
use super::rows::Row;
use crate::hotlists::pages::HotlistEntry;

/// A plate and what a person says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Single {
    /// The plate.
    pub plate: String,
    /// Where it is registered: name, code or oval sign.
    pub country: Option<String>,
    /// Why, what to do.
    pub note: Option<String>,
    /// From when; day first.
    pub from: Option<String>,
    /// Until when; day first.
    pub to: Option<String>,
}

/// The plate is not taken. It does not repeat the plate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the plate cannot be taken: {0}")]
pub struct SingleError(String);

impl Single {
    /// As an entry. Whatever a file's row would leave out is a fault: the person is there to mend it.
    ///
    /// # Errors
    /// [`SingleError`].
    pub fn entry(&self, term: &HotlistTerm) -> Result<HotlistEntry, SingleError> {
        let cells = [
            (Meaning::Plate, Some(&self.plate)),
            (Meaning::Country, self.country.as_ref()),
            (Meaning::Note, self.note.as_ref()),
            (Meaning::From, self.from.as_ref()),
            (Meaning::To, self.to.as_ref()),
        ];
        let columns = cells.iter().enumerate().map(|(at, (meaning, _))| Column {
            at,
            meaning: *meaning,
            heading: meaning.word().to_owned(),
        });
        let layout = Layout {
            separator: ';',
            first: 0,
            width: cells.len(),
            headings: Some((0, Vec::new())),
            columns: columns.collect(),
            ignored: Vec::new(),
            above: Vec::new(),
        };
        let cell = |cell: Option<&String>| cell.map(|text| text.trim().to_owned());
        let row = Row {
            number: 1,
            cells: cells
                .map(|(_, text)| cell(text).unwrap_or_default())
                .to_vec(),
            quote_open: false,
        };
        let mut reader = Reader::of(&layout, Some(DateOrder::DayFirst), term);
        let AccountLine { why, .. } = reader.take(&row);
        match (
            why.is_empty(),
            <[HotlistEntry; 1]>::try_from(reader.entries),
        ) {
            (true, Ok([entry])) => Ok(entry),
            (true, Err(_)) => Err(SingleError("give one plate at a time".to_owned())),
            (false, _) => Err(SingleError(why.join("; "))),
        }
    }
}
