//! Rows to entries: what is taken of each, and what is said of it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use super::HotlistTerm;
use super::account::{AccountLine, Outcome};
use super::countries::country;
use super::dates::{self, DateFault, DateOrder};
use super::headings::{Meaning, meaning, plain};
use super::layout::Layout;
use super::plates::{Named, has_digit, plates_of};
use super::rows::Row;
use crate::hotlists::pages::HotlistEntry;
use varco_proto::time::UtcTime;

/// Longest note, in characters, all columns together.
pub(super) const NOTE_CHARACTERS_MAX: usize = 1000;

/// Takes rows one by one.
pub(super) struct Reader<'a> {
    layout: &'a Layout,
    order: Option<DateOrder>,
    term: &'a HotlistTerm,
    known: Known,
    /// What was taken.
    pub(super) entries: Vec<HotlistEntry>,
    /// Plates that were refused beside another of their row.
    pub(super) plates_refused: usize,
    /// Entries whose own term is over.
    pub(super) over: usize,
}

/// Entries by what they say, so that a row is folded only into one that says as much.
#[derive(Default)]
struct Known {
    hasher: RandomState,
    /// The whole entry.
    whole: HashMap<u64, u32>,
    /// Plate and term.
    term: HashMap<u64, u32>,
    /// The row of each entry.
    rows: Vec<u64>,
}

/// What stands beside the plate.
struct Side {
    country: Option<String>,
    note: Option<String>,
    entry_term: (Option<UtcTime>, Option<UtcTime>),
}

impl<'a> Reader<'a> {
    pub(super) fn of(layout: &'a Layout, order: Option<DateOrder>, term: &'a HotlistTerm) -> Self {
        Self {
            layout,
            order,
            term,
            known: Known::default(),
            entries: Vec::new(),
            plates_refused: 0,
            over: 0,
        }
    }

    /// Takes a row, and says what became of it.
    pub(super) fn take(&mut self, row: &Row) -> AccountLine {
        let mut line = AccountLine {
            row: row.number,
            outcome: Outcome::Empty,
            folded_with: None,
            why: Vec::new(),
        };
        if row.is_empty() {
            return line;
        }
        if self.is_headings(row) {
            line.why.push("the headings once more".to_owned());
            return line;
        }
        if row.quote_open {
            let why = format!(
                "quote opened at row {} is not closed; its text is taken as it stands",
                row.number
            );
            line.why.push(why);
        }
        let plates = self.plates(row, &mut line);
        if plates.is_empty() {
            line.outcome = Outcome::Refused;
            if line.why.is_empty() {
                line.why.push("no plate stands in it".to_owned());
            }
            return line;
        }
        match self.side(row, &mut line) {
            Ok(side) => self.keep(plates, &side, &mut line),
            Err(why) => {
                line.outcome = Outcome::Refused;
                line.why.push(why);
            }
        }
        line
    }

    /// The headings, repeated where files were put one behind the other.
    fn is_headings(&self, row: &Row) -> bool {
        let Some((_, headings)) = &self.layout.headings else {
            return false;
        };
        let mut cells = headings.iter().zip(&row.cells);
        headings.len() == row.cells.len() && cells.all(|(one, other)| plain(one) == plain(other))
    }

    fn plates(&mut self, row: &Row, line: &mut AccountLine) -> Vec<Named> {
        let mut plates = Vec::new();
        let mut refused = Vec::new();
        for column in self.layout.of(Meaning::Plate) {
            let Some(cell) = row.cell(column.at) else {
                continue;
            };
            if let Some(why) = self.word(cell) {
                refused.push(why.to_owned());
                continue;
            }
            match plates_of(cell) {
                Ok(found) => plates.extend(found),
                Err(why) => refused.push(why),
            }
        }
        if !plates.is_empty() {
            self.plates_refused += refused.len();
            refused
                .iter_mut()
                .for_each(|why| *why = format!("another plate is refused: {why}"));
        }
        line.why.extend(refused);
        plates
    }

    /// Why a cell without a digit is a word and no plate.
    fn word(&self, cell: &str) -> Option<&'static str> {
        if has_digit(cell) {
            None
        } else if self.layout.headings.is_none() {
            Some("no digit stands in the plate, and the file has no headings")
        } else {
            let heading = meaning(cell) == Some(Meaning::Plate);
            heading.then_some("a heading stands where the plate should")
        }
    }

    fn side(&self, row: &Row, line: &mut AccountLine) -> Result<Side, String> {
        let from = self.date(row, Meaning::From, line);
        let to = self.date(row, Meaning::To, line);
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err("its term begins after it ends".to_owned());
        }
        if from.is_some_and(|from| from >= self.term.to)
            || to.is_some_and(|to| to <= self.term.from)
        {
            line.why
                .push("its term lies outside the hotlist's, so nobody waits for it".to_owned());
        }
        Ok(Side {
            country: self.country(row, line),
            note: self.note(row, line),
            entry_term: (from, to),
        })
    }

    fn country(&self, row: &Row, line: &mut AccountLine) -> Option<String> {
        let mut cells = self
            .layout
            .of(Meaning::Country)
            .filter_map(|one| row.cell(one.at));
        let cell = cells.next()?;
        let found = std::iter::once(cell).chain(cells).find_map(country);
        if found.is_none() {
            line.why
                .push("the country is not known and left out".to_owned());
        }
        found.map(str::to_owned)
    }

    fn date(&self, row: &Row, meaning: Meaning, line: &mut AccountLine) -> Option<UtcTime> {
        let mut cells = self
            .layout
            .of(meaning)
            .filter_map(|column| row.cell(column.at));
        let cell = cells.next()?;
        let (read, (date, verb)) = if meaning == Meaning::From {
            (dates::begin(cell, self.order), ("first day", "begins"))
        } else {
            (dates::end(cell, self.order), ("end", "ends"))
        };
        match read {
            Ok(at) => Some(at),
            Err(fault) => {
                let why = match fault {
                    DateFault::Ambiguous => {
                        "may be read day first or month first (say which: dates)"
                    }
                    DateFault::Unreadable => "is no date",
                    DateFault::NoEnd => "means that there is none",
                };
                line.why.push(format!(
                    "the {date} {why}; it is left out, and the entry {verb} with the hotlist"
                ));
                None
            }
        }
    }

    /// The notes of all columns, each with its heading where there are several.
    fn note(&self, row: &Row, line: &mut AccountLine) -> Option<String> {
        let several = self.layout.of(Meaning::Note).count() > 1;
        let mut notes = Vec::new();
        for column in self.layout.of(Meaning::Note) {
            let Some(cell) = row.cell(column.at) else {
                continue;
            };
            if several && !column.heading.is_empty() {
                notes.push(format!("{}: {cell}", column.heading));
            } else {
                notes.push(cell.to_owned());
            }
        }
        // A separator within an unquoted note parts it: what is behind the last column is its rest.
        let rest = row.cells.iter().skip(self.layout.width);
        let rest: Vec<&str> = rest
            .map(String::as_str)
            .filter(|cell| !cell.is_empty())
            .collect();
        if !rest.is_empty() {
            line.why.push(
                "it has more cells than there are columns; they are put in the note".to_owned(),
            );
            notes.push(rest.join(" "));
        }
        joined(&notes, line)
    }

    fn keep(&mut self, plates: Vec<Named>, side: &Side, line: &mut AccountLine) {
        line.outcome = Outcome::Folded;
        let mut over = false;
        for named in plates {
            let (valid_from, valid_to) = side.entry_term;
            let entry = HotlistEntry {
                plate: named.plate,
                country: side.country.clone(),
                note: side.note.clone(),
                original: named.original,
                valid_from,
                valid_to,
            };
            match self.known.of(&entry, &self.entries) {
                Some(row) => line.folded_with = line.folded_with.or(Some(row)),
                None => {
                    over |= self.is_over(&entry);
                    self.over += usize::from(self.is_over(&entry));
                    self.known.note(&entry, line.row, self.entries.len());
                    self.entries.push(entry);
                    line.outcome = Outcome::Taken;
                }
            }
        }
        if over {
            line.why
                .push("its term is over, so nobody waits for it".to_owned());
        }
        if line.outcome == Outcome::Taken
            && let Some(row) = line.folded_with.take()
        {
            line.why
                .push(format!("one of its plates is folded with row {row}"));
        }
    }

    fn is_over(&self, entry: &HotlistEntry) -> bool {
        entry.valid_to.is_some_and(|to| to <= self.term.now)
    }
}

/// Notes one behind the other. Each keeps its share of the room, so that the last is never lost to
/// the first.
fn joined(notes: &[String], line: &mut AccountLine) -> Option<String> {
    let share = NOTE_CHARACTERS_MAX / notes.len().max(1);
    let fits = notes.iter().map(|note| note.chars().count()).sum::<usize>() <= NOTE_CHARACTERS_MAX;
    let notes: Vec<String> = notes
        .iter()
        .map(|note| {
            let printable = note.chars().map(|c| if c.is_control() { ' ' } else { c });
            printable
                .take(if fits { NOTE_CHARACTERS_MAX } else { share })
                .collect()
        })
        .collect();
    if !fits {
        line.why.push(format!(
            "the note is cut to {NOTE_CHARACTERS_MAX} characters"
        ));
    }
    (!notes.is_empty()).then(|| notes.join("; "))
}

impl Known {
    /// The row of an entry that says all that this one says.
    fn of(&self, entry: &HotlistEntry, entries: &[HotlistEntry]) -> Option<u64> {
        let at = |map: &HashMap<u64, u32>, key: u64| {
            let at = usize::try_from(*map.get(&key)?).ok()?;
            Some((entries.get(at)?, *self.rows.get(at)?))
        };
        if let Some((known, row)) = at(&self.whole, self.hasher.hash_one(entry))
            && known == entry
        {
            return Some(row);
        }
        let (known, row) = at(&self.term, self.hasher.hash_one(term_of(entry)))?;
        let bare = entry.note.is_none() || entry.note == known.note;
        let bare = bare && (entry.country.is_none() || entry.country == known.country);
        let bare = bare && (entry.original.is_none() || entry.original == known.original);
        (bare && term_of(known) == term_of(entry)).then_some(row)
    }

    fn note(&mut self, entry: &HotlistEntry, row: u64, at: usize) {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        self.rows.push(row);
        self.whole.entry(self.hasher.hash_one(entry)).or_insert(at);
        self.term
            .entry(self.hasher.hash_one(term_of(entry)))
            .or_insert(at);
    }
}

fn term_of(entry: &HotlistEntry) -> (&str, Option<UtcTime>, Option<UtcTime>) {
    (entry.plate.as_str(), entry.valid_from, entry.valid_to)
}
