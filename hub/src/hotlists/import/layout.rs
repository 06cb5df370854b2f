//! Where a file's rows begin, what separates their cells and what each column holds.

use super::account::Seen;
use super::countries::country;
use super::headings::{Meaning, meaning};
use super::mapping::{Mapping, Reference};
use super::plates::{has_digit, is_plate_like, is_whole_plate};
use super::rows::{Row, Rows, split};
use super::{dates, headings};

/// Signs that may separate cells.
const SEPARATORS: [char; 4] = [';', '\t', ',', '|'];
/// Rows among which the headings are looked for: titles may stand above.
const HEAD_ROWS: usize = 25;
/// Rows by which a file without headings is judged.
const SAMPLE_ROWS: usize = 200;

/// A column that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// From 0.
    pub(super) at: usize,
    /// What it holds.
    pub(super) meaning: Meaning,
    /// Empty when it has none.
    pub(super) heading: String,
}

/// How a file is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) separator: char,
    /// The line of the first row, from 0.
    pub(super) first: usize,
    /// Cells of a whole row.
    pub(super) width: usize,
    /// The line of the headings, from 1, and their cells.
    pub(super) headings: Option<(u64, Vec<String>)>,
    pub(super) columns: Vec<Column>,
    /// Headings that say nothing to us.
    pub(super) ignored: Vec<String>,
    /// Lines above the headings, from 1.
    pub(super) above: Vec<u64>,
}

impl Layout {
    /// The columns of one meaning, in their order.
    pub(super) fn of(&self, meaning: Meaning) -> impl Iterator<Item = &Column> {
        let columns = self.columns.iter();
        columns.filter(move |column| column.meaning == meaning)
    }

    /// Whether the headings are those of people who write the day first.
    pub(super) fn is_day_first(&self) -> bool {
        let dates = self.of(Meaning::From).chain(self.of(Meaning::To));
        let mut headings = dates.map(|column| column.heading.as_str());
        headings.any(|heading| !heading.is_empty() && !headings::is_english(heading))
    }
}

/// What is seen of a file before its columns are understood.
struct View<'a> {
    lines: &'a [&'a str],
    /// Behind a `sep=` line.
    start: usize,
    separators: Vec<char>,
    mapping: &'a Mapping,
}

/// Understands a file's columns.
///
/// # Errors
/// What was seen, for the person who says how to map it.
pub(super) fn layout(lines: &[&str], mapping: &Mapping) -> Result<Layout, Seen> {
    let stated = lines.first().and_then(|line| stated_separator(line));
    let view = View {
        lines,
        start: usize::from(stated.is_some()),
        separators: stated.map_or(SEPARATORS.to_vec(), |sign| vec![sign]),
        mapping,
    };
    if let Some(layout) = view.with_headings() {
        return view.without_rows_above(layout);
    }
    let separator = view.separator();
    let rows = view.sample(separator);
    let by_number = mapping
        .columns()
        .iter()
        .all(|(_, reference)| matches!(reference, Reference::Number(_)));
    let layout = if mapping.names(Meaning::Plate) && by_number {
        Some(view.by_number(separator, &rows))
    } else if mapping.is_empty() {
        view.plain(separator, &rows)
    } else {
        None
    };
    layout.ok_or_else(|| {
        seen(
            separator,
            &rows,
            "no heading of a plate's column is among them",
        )
    })
}

/// `sep=;`, which spreadsheets write above all.
fn stated_separator(line: &str) -> Option<char> {
    let line = line.trim_matches(['"', '\u{feff}', '\r']);
    let (word, sign) = line.split_at_checked(4)?;
    let sign = sign.chars().next();
    sign.filter(|_| word.eq_ignore_ascii_case("sep="))
}

fn seen(separator: char, rows: &[Row], why: &'static str) -> Seen {
    let first = rows.first().map_or(&[][..], |row| &row.cells);
    let below = rows.get(1).map_or(&[][..], |row| &row.cells);
    // Headings are shown as they are, a row only in its shapes: it may hold a plate or a name.
    let words = !first
        .iter()
        .any(|cell| cell.chars().any(|c| c.is_ascii_digit()));
    let heads = words
        && below
            .iter()
            .any(|cell| cell.chars().any(|c| c.is_ascii_digit()));
    Seen::of(separator, first, heads, why)
}

impl View<'_> {
    fn nonblank(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.lines.iter().copied().enumerate().skip(self.start);
        lines.filter(|(_, line)| !line.trim().is_empty())
    }

    /// The row among the first that has a plate's heading, and most other headings.
    fn with_headings(&self) -> Option<Layout> {
        let mut best: Option<Layout> = None;
        for separator in &self.separators {
            for (at, line) in self.nonblank().take(HEAD_ROWS) {
                let cells = split(line, *separator).cells;
                let Some(columns) = self.columns(&cells) else {
                    continue;
                };
                let better = best.as_ref().is_none_or(|best| {
                    (columns.len(), cells.len()) > (best.columns.len(), best.width)
                });
                if better {
                    best = Some(self.headed(*separator, at, cells, columns));
                }
            }
        }
        best
    }

    fn headed(
        &self,
        separator: char,
        at: usize,
        cells: Vec<String>,
        columns: Vec<Column>,
    ) -> Layout {
        let unknown = cells.iter().enumerate().filter(|(place, cell)| {
            !cell.is_empty() && columns.iter().all(|column| column.at != *place)
        });
        let above = self.nonblank().take_while(|(line, _)| *line < at);
        Layout {
            separator,
            first: at + 1,
            width: cells.len(),
            ignored: unknown.map(|(_, cell)| cell.clone()).collect(),
            above: above.map(|(line, _)| number(line)).collect(),
            headings: Some((number(at), cells)),
            columns,
        }
    }

    /// What the columns of a row of headings hold; none when it is no such row.
    fn columns(&self, cells: &[String]) -> Option<Vec<Column>> {
        let mapped = self.mapping.columns();
        let by_heading =
            |(_, reference): &&(_, Reference)| matches!(reference, Reference::Heading(_));
        let named = |(_, reference): &(Meaning, Reference)| {
            let mut cells = cells.iter().enumerate();
            cells.any(|(at, cell)| reference.is(at, cell))
        };
        if !mapped.iter().filter(by_heading).all(named) {
            return None;
        }
        let columns: Vec<Column> = cells
            .iter()
            .enumerate()
            .filter_map(|(at, cell)| {
                let mut said = mapped.iter();
                let meaning = match said.find(|(_, reference)| reference.is(at, cell)) {
                    Some((meaning, _)) => *meaning,
                    None => meaning(cell).filter(|one| !self.mapping.names(*one))?,
                };
                Some(Column {
                    at,
                    meaning,
                    heading: cell.clone(),
                })
            })
            .collect();
        // A number alone makes no row one of headings.
        let said = mapped.iter().any(|one| by_heading(&one));
        let mut plates = columns.iter().filter(|one| one.meaning == Meaning::Plate);
        let headed = plates.any(|column| said || meaning(&column.heading) == Some(Meaning::Plate));
        headed.then_some(columns)
    }

    /// A plate above the headings would be lost.
    fn without_rows_above(&self, layout: Layout) -> Result<Layout, Seen> {
        let above: Vec<Row> = Rows::of(self.lines, self.start, layout.separator, 1)
            .take(layout.first.saturating_sub(self.start + 1))
            .filter(|row| !row.is_empty())
            .collect();
        if above
            .iter()
            .any(|row| row.cells.iter().any(|cell| is_whole_plate(cell)))
        {
            let why = "rows with plates stand above the headings";
            return Err(seen(layout.separator, &above, why));
        }
        Ok(layout)
    }

    /// The sign that parts most rows in as many cells as the first.
    fn separator(&self) -> char {
        let parted = |sign: char| {
            let lines = self.nonblank().take(SAMPLE_ROWS);
            let mut widths = lines.map(|(_, line)| split(line, sign).cells.len());
            let first = widths.next().unwrap_or(1);
            let alike = widths.filter(|width| *width == first).count() + 1;
            (first > 1).then_some((alike, first))
        };
        let mut best = (None, self.separators.first().copied().unwrap_or(';'));
        for sign in &self.separators {
            let parted = parted(*sign);
            if parted > best.0 {
                best = (parted, *sign);
            }
        }
        best.1
    }

    fn sample(&self, separator: char) -> Vec<Row> {
        let rows = Rows::of(self.lines, self.start, separator, 1);
        rows.filter(|row| !row.is_empty())
            .take(SAMPLE_ROWS)
            .collect()
    }

    fn by_number(&self, separator: char, rows: &[Row]) -> Layout {
        let columns: Vec<Column> = self
            .mapping
            .columns()
            .iter()
            .filter_map(|(meaning, column)| {
                let Reference::Number(at) = column else {
                    return None;
                };
                Some(Column {
                    at: *at,
                    meaning: *meaning,
                    heading: String::new(),
                })
            })
            .collect();
        let mut layout = self.unheaded(separator, rows, columns);
        let plate = layout.of(Meaning::Plate).map(|column| column.at).next();
        self.skip_word(&mut layout, rows, plate.unwrap_or(0));
        layout
    }

    fn unheaded(&self, separator: char, rows: &[Row], columns: Vec<Column>) -> Layout {
        Layout {
            separator,
            first: self.start,
            width: rows.iter().map(|row| row.cells.len()).max().unwrap_or(1),
            headings: None,
            columns,
            ignored: Vec::new(),
            above: Vec::new(),
        }
    }

    /// A first row whose plate has no digit is a heading or a title, never a plate.
    fn skip_word(&self, layout: &mut Layout, rows: &[Row], plate: usize) {
        let word = rows
            .first()
            .filter(|row| row.cell(plate).is_none_or(|cell| !has_digit(cell)));
        if let Some(row) = word {
            layout.above.push(row.number);
            layout.first = usize::try_from(row.number).unwrap_or(usize::MAX);
        }
    }

    /// A file without headings whose cells plainly say what they are: one column of plates, or one
    /// of plates beside countries and texts.
    fn plain(&self, separator: char, rows: &[Row]) -> Option<Layout> {
        let width = rows.iter().map(|row| row.cells.len()).max()?;
        let plates = |at: usize| {
            let cells = rows.iter().filter_map(|row| row.cell(at));
            let (all, like) = cells.fold((0, 0), |(all, like), cell| {
                (all + 1, like + usize::from(is_plate_like(cell)))
            });
            (all, like)
        };
        let column = |at, meaning| Column {
            at,
            meaning,
            heading: String::new(),
        };
        if width == 1 {
            let (all, like) = plates(0);
            let mut layout = self.unheaded(separator, rows, vec![column(0, Meaning::Plate)]);
            self.skip_word(&mut layout, rows, 0);
            return (like > 0 && 2 * like >= all - layout.above.len()).then_some(layout);
        }
        let mut columns = Vec::new();
        for at in 0..width {
            let (all, like) = plates(at);
            if all == 0 {
                continue;
            }
            let mut cells = rows.iter().filter_map(|row| row.cell(at));
            let meaning = if like == rows.len() {
                Meaning::Plate
            } else if like > 0 {
                return None;
            } else if cells.clone().all(|cell| country(cell).is_some()) {
                Meaning::Country
            } else if cells.all(is_text) {
                Meaning::Note
            } else {
                return None;
            };
            columns.push(column(at, meaning));
        }
        let count = |meaning| columns.iter().filter(|c| c.meaning == meaning).count();
        let plain = count(Meaning::Plate) == 1 && count(Meaning::Country) <= 1;
        plain.then(|| self.unheaded(separator, rows, columns))
    }
}

/// Words: no number, no date.
fn is_text(cell: &str) -> bool {
    let letters = cell.chars().filter(|c| c.is_alphabetic()).count();
    letters >= 3 && dates::begin(cell, None) == Err(dates::DateFault::Unreadable)
}

fn number(line: usize) -> u64 {
    u64::try_from(line + 1).unwrap_or(u64::MAX)
}
