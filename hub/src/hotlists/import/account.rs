//! What became of each row of a file. Rows are named by their number, never by their plate.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Rows that an account tells by itself; the others are counted.
pub const LINES_TOLD: usize = 50;
/// Characters of a heading that are shown.
const HEADING_CHARACTERS_MAX: usize = 40;
/// Columns that are shown.
const COLUMNS_MAX: usize = 20;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A plate of it is on the list.
    Taken,
    /// All that it says is said by another row.
    Folded,
    /// It is not on the list.
    Refused,
    /// Nothing stands in it.
    Empty,
}

impl Outcome {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Folded => "folded",
            Self::Refused => "refused",
            Self::Empty => "empty",
        }
    }
}

/// One row's account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountLine {
    /// The line of the file that the row begins on, from 1.
    pub row: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// The row that says the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folded_with: Option<u64>,
    /// Why, and what was left out of it; without the plate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
}

impl AccountLine {
    /// Whether the row became what its writer wanted, and nothing has to be said.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.why.is_empty() && matches!(self.outcome, Outcome::Taken | Outcome::Empty)
    }
}

impl fmt::Display for AccountLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}: {}", self.row, self.outcome.word())?;
        if let Some(row) = self.folded_with {
            write!(f, " with row {row}")?;
        }
        if !self.why.is_empty() {
            write!(f, ": {}", self.why.join("; "))?;
        }
        Ok(())
    }
}

/// How a file's columns were understood.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Understood {
    /// UTF-8, UTF-16 LE, UTF-16 BE or Windows-1252.
    pub encoding: String,
    /// The sign between cells.
    pub separator: String,
    /// The row of the headings; null when the file has none.
    pub headings_row: Option<u64>,
    /// Rows above them that were passed over.
    pub rows_above: Vec<u64>,
    /// Each column that was used: its heading or number, and what it holds.
    pub columns: Vec<String>,
    /// `day-first` or `month-first`, where the file's dates or a person say so.
    pub dates: Option<super::dates::DateOrder>,
}

/// What differs from what the list had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// Plates that it did not have.
    pub added: usize,
    /// Plates that it has no more.
    pub gone: usize,
    /// Plates of which note, country or term differ.
    pub changed: usize,
    /// Plates that stay as they are.
    pub unchanged: usize,
}

/// What an import brought: `rows` are `taken`, `folded`, `refused` and `empty` together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// Whether the list was left as it is, because only the account was wanted.
    pub dry_run: bool,
    /// Rows below the headings.
    pub rows: usize,
    /// Rows of which a plate is on the list.
    pub taken: usize,
    /// Rows that say what another says.
    pub folded: usize,
    /// Rows that are not on the list.
    pub refused: usize,
    /// Rows without anything in them.
    pub empty: usize,
    /// Plates that were refused beside another of their row.
    pub plates_refused: usize,
    /// Entries of the list: a plate with another term or note is one more.
    pub entries: usize,
    /// Entries of them whose term is not over.
    pub waited_for: usize,
    /// Entries whose own term is over: they are on the list, and nobody waits for them.
    pub over: usize,
    /// Headings that say nothing to us.
    pub ignored_columns: Vec<String>,
    /// How the columns were understood.
    pub understood: Understood,
    /// Against what the list had.
    pub difference: Difference,
    /// The first rows of which something has to be said.
    pub lines: Vec<AccountLine>,
    /// How many more there are.
    pub lines_left_out: usize,
}

impl Account {
    /// Takes a row's line: counts it, and keeps it if it has to be told and there is room.
    pub(super) fn take(&mut self, line: AccountLine, told_max: usize) {
        self.rows += 1;
        *match line.outcome {
            Outcome::Taken => &mut self.taken,
            Outcome::Folded => &mut self.folded,
            Outcome::Refused => &mut self.refused,
            Outcome::Empty => &mut self.empty,
        } += 1;
        if line.is_plain() {
            return;
        }
        if self.lines.len() < told_max {
            self.lines.push(line);
        } else {
            self.lines_left_out += 1;
        }
    }

    /// Whether a plate of the file is missing on the list.
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        self.refused + self.plates_refused > 0
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rows: {} taken, {} folded, {} refused, {} empty",
            self.rows, self.taken, self.folded, self.refused, self.empty
        )?;
        if self.plates_refused > 0 {
            write!(f, "; {} plates refused beside another", self.plates_refused)?;
        }
        let understood = &self.understood;
        write!(
            f,
            "\n{}, separated by `{}`, {}",
            understood.encoding,
            understood.separator,
            understood.columns.join(", ")
        )?;
        if !self.ignored_columns.is_empty() {
            write!(
                f,
                "\ncolumns left aside: {}",
                self.ignored_columns.join(", ")
            )?;
        }
        if !understood.rows_above.is_empty() {
            let rows: Vec<String> = understood.rows_above.iter().map(u64::to_string).collect();
            write!(
                f,
                "\npassed over as title or heading: row {}",
                rows.join(", ")
            )?;
        }
        for line in &self.lines {
            write!(f, "\n  {line}")?;
        }
        if self.lines_left_out > 0 {
            write!(f, "\n  and {} more rows to be told", self.lines_left_out)?;
        }
        Ok(())
    }
}

/// What was seen of a file whose columns are not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    encoding: &'static str,
    separator: char,
    cells: Vec<String>,
    headings: bool,
    why: &'static str,
}

impl Seen {
    pub(super) fn of(separator: char, first: &[String], headings: bool, why: &'static str) -> Self {
        let shown = |cell: &String| -> String {
            let characters = cell.chars().filter(|c| !c.is_control());
            let characters = characters.take(HEADING_CHARACTERS_MAX);
            if headings {
                return characters.collect();
            }
            characters
                .map(|c| match c {
                    c if c.is_numeric() => '9',
                    c if c.is_alphabetic() => 'A',
                    c => c,
                })
                .collect()
        };
        Self {
            encoding: "",
            separator,
            cells: first.iter().take(COLUMNS_MAX).map(shown).collect(),
            headings,
            why,
        }
    }

    pub(super) fn in_encoding(self, encoding: &'static str) -> Self {
        Self { encoding, ..self }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = if self.headings {
            "headings"
        } else {
            "first row, its letters as A and digits as 9"
        };
        write!(
            f,
            "{}. Seen: {}, separated by `{}`, {} columns; {of}: {}",
            self.why,
            self.encoding,
            sign(self.separator),
            self.cells.len(),
            self.cells.join(" | ")
        )
    }
}

/// A separator as it is shown.
pub(super) fn sign(separator: char) -> String {
    match separator {
        '\t' => "tab".to_owned(),
        sign => sign.to_string(),
    }
}
