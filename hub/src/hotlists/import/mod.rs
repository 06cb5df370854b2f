//! Plates from text files, as offices and other systems hand them out.
//!
//! The national lists (A1 stolen, A2 not inspected, C flagged by an office) have no published form.
//! What they and everybody else's have in common is taken: rows of cells under headings. Every row
//! ends in an account, and a file whose columns are not understood is refused as a whole: a plate
//! that is silently missing is a stolen car that passes.

use thiserror::Error;
use varco_proto::time::UtcTime;

use super::pages::HotlistEntry;

pub mod account;
mod countries;
pub mod dates;
mod decode;
pub mod headings;
mod layout;
pub mod mapping;
mod plates;
mod reader;
mod rows;
pub mod single;
#[cfg(test)]
mod tests;

use account::{Account, AccountLine, Seen, Understood, sign};
use dates::DateOrder;
use headings::Meaning;
use layout::Layout;
use mapping::Mapping;
use reader::Reader;
use rows::Rows;

/// Most entries of one list.
pub const ENTRIES_MAX: usize = 2_000_000;

/// How a person wants a file to be taken.
#[derive(Debug, Clone, Default)]
pub struct How {
    /// Which columns mean what, where the headings do not say it.
    pub mapping: Mapping,
    /// Whether day or month stands first in dates, where they do not say it.
    pub dates: Option<DateOrder>,
    /// Leave refused rows out instead of refusing the file.
    pub skip_faulty: bool,
    /// Only give the account.
    pub dry_run: bool,
    /// Rows that the account tells; more than [`account::LINES_TOLD`] where all are wanted.
    pub lines_max: Option<usize>,
}

/// The list's own term, and the moment of the import.
#[derive(Debug, Clone, Copy)]
pub struct HotlistTerm {
    /// By the hub's clock.
    pub now: UtcTime,
    /// From when the list holds.
    pub from: UtcTime,
    /// Until when.
    pub to: UtcTime,
}

/// The file is not taken; nothing changed.
#[derive(Debug, Error)]
pub enum ImportError {
    /// No text at all.
    #[error("the file is {0}: save it as CSV and import that")]
    NoText(&'static str),
    /// Nobody knows where the plates stand.
    #[error(
        "the file's columns are not understood, and nothing was taken: {0}. Say which columns mean \
         what with map, by heading or by number, as plate=HEADING,note=HEADING or plate=2,note=4; \
         or head the column of the plates `targa` or `plate`"
    )]
    Columns(Seen),
    /// No plate in it.
    #[error("the file has no plate: give one a line, or a column headed `targa` or `plate`")]
    Empty(Box<Account>),
    /// Too long.
    #[error("the file has more than {ENTRIES_MAX} plates: split it into several hotlists")]
    TooLong,
    /// Rows are refused, and nobody said to leave them out.
    #[error("{}", faulty(.0))]
    Faulty(Box<Account>),
}

fn faulty(account: &Account) -> String {
    let mut told = format!(
        "{} rows of {} are refused, and {} plates beside another, and nothing was taken; mend them, \
         or leave them out with skip-faulty:",
        account.refused, account.rows, account.plates_refused
    );
    for line in &account.lines {
        told += &format!("\n{line}");
    }
    if account.lines_left_out > 0 {
        told += &format!("\nand {} more rows to be told", account.lines_left_out);
    }
    told
}

/// Reads a file. Each row's line goes to `tell` as it is read, also when the file is then refused;
/// whoever wants the whole account writes them down.
///
/// # Errors
/// [`ImportError`].
pub fn read(
    file: &[u8],
    how: &How,
    term: &HotlistTerm,
    tell: &mut dyn FnMut(&AccountLine),
) -> Result<(Vec<HotlistEntry>, Account), ImportError> {
    let decoded = decode::decode(file)?;
    let lines = rows::lines(&decoded.text);
    let layout = layout::layout(&lines, &how.mapping)
        .map_err(|seen| ImportError::Columns(seen.in_encoding(decoded.encoding)))?;
    let rows = Rows::of(&lines, layout.first, layout.separator, layout.width);
    let order = how.dates.or_else(|| order(&layout, rows.clone()));
    let mut reader = Reader::of(&layout, order, term);
    let mut account = Account {
        dry_run: how.dry_run,
        ignored_columns: layout.ignored.clone(),
        understood: understood(decoded.encoding, &layout, order),
        ..Account::default()
    };
    let told_max = how.lines_max.unwrap_or(account::LINES_TOLD);
    for row in rows {
        let line = reader.take(&row);
        tell(&line);
        account.take(line, told_max);
        if reader.entries.len() > ENTRIES_MAX {
            return Err(ImportError::TooLong);
        }
    }
    account.plates_refused = reader.plates_refused;
    account.entries = reader.entries.len();
    account.over = reader.over;
    account.waited_for = account.entries - account.over;
    let left_out = how.skip_faulty || how.dry_run;
    if account.is_faulty() && !left_out {
        return Err(ImportError::Faulty(Box::new(account)));
    }
    if account.entries == 0 && !how.dry_run {
        return Err(ImportError::Empty(Box::new(account)));
    }
    Ok((reader.entries, account))
}

/// Whether day or month stands first: as the dates of all rows show, and by the headings' language
/// where none does. None where rows contradict one another.
fn order(layout: &Layout, rows: Rows<'_>) -> Option<DateOrder> {
    let columns: Vec<usize> = layout
        .of(Meaning::From)
        .chain(layout.of(Meaning::To))
        .map(|column| column.at)
        .collect();
    if columns.is_empty() {
        return None;
    }
    let (mut day, mut month) = (false, false);
    for row in rows {
        for shown in columns
            .iter()
            .filter_map(|at| dates::order_of(row.cell(*at)?))
        {
            day |= shown == DateOrder::DayFirst;
            month |= shown == DateOrder::MonthFirst;
        }
    }
    match (day, month) {
        (true, false) => Some(DateOrder::DayFirst),
        (false, true) => Some(DateOrder::MonthFirst),
        (false, false) => layout.is_day_first().then_some(DateOrder::DayFirst),
        (true, true) => None,
    }
}

fn understood(encoding: &str, layout: &Layout, dates: Option<DateOrder>) -> Understood {
    let columns = layout.columns.iter().map(|column| {
        let meaning = column.meaning.word();
        match column.heading.as_str() {
            "" => format!("column {} is {meaning}", column.at + 1),
            heading => format!("`{heading}` is {meaning}"),
        }
    });
    let has_dates = layout
        .of(Meaning::From)
        .chain(layout.of(Meaning::To))
        .count()
        > 0;
    Understood {
        encoding: encoding.to_owned(),
        separator: sign(layout.separator),
        headings_row: layout.headings.as_ref().map(|(row, _)| *row),
        rows_above: layout.above.clone(),
        columns: columns.collect(),
        dates: dates.filter(|_| has_dates),
    }
}
