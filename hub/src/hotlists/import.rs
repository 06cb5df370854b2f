//! Plates from CSV, as offices hand them out.
//!
//! The national lists (A1 stolen, A2 not inspected, C flagged by an office) have no published form.
//! What they and everybody else's have in common is taken: one plate a line, columns found by their
//! headings in Italian or English, separated by commas, semicolons or tabs.

use std::collections::HashSet;

use csv::{ByteRecord, ReaderBuilder};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;
use varco_proto::plate::PlateText;
use varco_proto::time::UtcTime;

use super::pages::Entry;

/// Most plates of one list.
pub const ENTRIES_MAX: usize = 2_000_000;
/// Faults that are told; the others are counted.
const FAULTS_TOLD: usize = 20;
/// Longest note, in characters.
const NOTE_CHARACTERS_MAX: usize = 200;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Plate,
    Country,
    Note,
    From,
    To,
}

/// Headings, without accents, spaces and signs.
const HEADINGS: [(Column, &[&str]); 5] = [
    (
        Column::Plate,
        &[
            "plate",
            "targa",
            "numerotarga",
            "veicolo",
            "licenseplate",
            "registration",
        ],
    ),
    (
        Column::Country,
        &["country", "nazione", "stato", "paese", "nazionalita"],
    ),
    (
        Column::Note,
        &[
            "note",
            "nota",
            "reason",
            "motivo",
            "motivazione",
            "descrizione",
            "description",
            "provvedimento",
            "azione",
        ],
    ),
    (
        Column::From,
        &[
            "from",
            "validfrom",
            "dal",
            "inizio",
            "inserimento",
            "datainserimento",
        ],
    ),
    (
        Column::To,
        &[
            "to",
            "validto",
            "al",
            "until",
            "fine",
            "scadenza",
            "datascadenza",
        ],
    ),
];

/// What an import brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportReport {
    /// Plates taken.
    pub entries: usize,
    /// Lines that named a plate once more; the first counts.
    pub repeated: usize,
    /// Lines that are no plate or no date.
    pub faulty: usize,
    /// The first of these, by line, without the plate.
    pub faults: Vec<String>,
    /// Headings that say nothing to us.
    pub ignored_columns: Vec<String>,
}

/// The file is not taken; nothing changed.
#[derive(Debug, Error)]
pub enum ImportError {
    /// No CSV.
    #[error("line {line}: the file is not CSV: {why}")]
    Csv {
        /// Where.
        line: u64,
        /// Why.
        why: String,
    },
    /// No plate in it.
    #[error("the file has no plate: give one a line, or a column headed `targa` or `plate`")]
    Empty,
    /// Too long.
    #[error("the file has more than {ENTRIES_MAX} plates: split it into several hotlists")]
    TooLong,
    /// Lines are wrong, and nobody said to leave them out.
    #[error(
        "{} of the lines are wrong and nothing was taken; mend them, or leave them out with \
         skip-faulty:\n{}", .0.faulty, .0.faults.join("\n")
    )]
    Faulty(ImportReport),
}

/// Reads a file. With `skip_faulty` wrong lines are left out and told, else nothing is taken.
///
/// # Errors
/// [`ImportError`].
pub fn read(bytes: &[u8], skip_faulty: bool) -> Result<(Vec<Entry>, ImportReport), ImportError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(bytes))
        .from_reader(bytes);
    let mut report = ImportReport::default();
    let mut columns = Vec::new();
    let (mut entries, mut known) = (Vec::new(), HashSet::new());
    let mut record = ByteRecord::new();
    loop {
        let line = reader.position().line();
        let more = reader.read_byte_record(&mut record);
        if !more.map_err(|error| ImportError::Csv {
            line,
            why: error.to_string(),
        })? {
            break;
        }
        let cells: Vec<String> = record.iter().map(text).collect();
        if cells.iter().all(String::is_empty) {
            continue;
        }
        if columns.is_empty() {
            let is_heading;
            (columns, is_heading) = headings(&cells, &mut report);
            if is_heading {
                continue;
            }
        }
        match entry(&cells, &columns) {
            Ok(entry) if known.insert(entry.plate.folded()) => entries.push(entry),
            Ok(_) => report.repeated += 1,
            Err(why) => {
                report.faulty += 1;
                if report.faults.len() < FAULTS_TOLD {
                    report.faults.push(format!("line {line}: {why}"));
                }
            }
        }
        if entries.len() > ENTRIES_MAX {
            return Err(ImportError::TooLong);
        }
    }
    report.entries = entries.len();
    if report.faulty > 0 && !skip_faulty {
        return Err(ImportError::Faulty(report));
    }
    if entries.is_empty() {
        return Err(ImportError::Empty);
    }
    Ok((entries, report))
}

/// What separates the cells of the first line.
fn delimiter(bytes: &[u8]) -> u8 {
    let first = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let count = |sign: u8| first.iter().filter(|byte| **byte == sign).count();
    [b';', b'\t', b',']
        .into_iter()
        .max_by_key(|sign| count(*sign))
        .filter(|sign| count(*sign) > 0)
        .unwrap_or(b',')
}

/// A cell's text: UTF-8, else as Windows writes western Europe's letters.
fn text(cell: &[u8]) -> String {
    let text = match std::str::from_utf8(cell) {
        Ok(text) => text.to_owned(),
        Err(_) => cell.iter().map(|byte| char::from(*byte)).collect(),
    };
    text.trim().to_owned()
}

/// What each column holds by its heading; the plate alone, in the first, when there are none.
fn headings(cells: &[String], report: &mut ImportReport) -> (Vec<(usize, Column)>, bool) {
    let of = |cell: &String| {
        let letters = cell.to_lowercase().replace('à', "a");
        let name: String = letters
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let found = HEADINGS.iter().find(|(_, names)| names.contains(&&*name));
        found.map(|(column, _)| *column)
    };
    let named: Vec<_> = cells.iter().map(of).collect();
    if !named.contains(&Some(Column::Plate)) {
        return (vec![(0, Column::Plate)], false);
    }
    let unnamed = cells
        .iter()
        .zip(&named)
        .filter(|(_, column)| column.is_none());
    report.ignored_columns = unnamed.map(|(cell, _)| cell.clone()).collect();
    let found = named.into_iter().enumerate();
    let found = found
        .filter_map(|(at, column)| Some((at, column?)))
        .collect();
    (found, true)
}

fn entry(cells: &[String], columns: &[(usize, Column)]) -> Result<Entry, String> {
    let cell = |wanted: Column| {
        let at = columns.iter().find(|(_, column)| *column == wanted)?.0;
        cells
            .get(at)
            .map(String::as_str)
            .filter(|cell| !cell.is_empty())
    };
    let typed = cell(Column::Plate).ok_or("the plate is missing")?;
    let country = match cell(Column::Country).map(str::to_ascii_uppercase) {
        None => None,
        Some(code) if code.len() == 1 && code == "I" => Some("IT".to_owned()),
        Some(code) if code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase()) => Some(code),
        Some(name) if name.starts_with("ITALIA") => Some("IT".to_owned()),
        Some(_) => return Err("the country is written with two letters, as IT".to_owned()),
    };
    let note = cell(Column::Note).map(|note| {
        let printable = note.chars().filter(|c| !c.is_control());
        printable.take(NOTE_CHARACTERS_MAX).collect::<String>()
    });
    Ok(Entry {
        plate: PlateText::normalise(typed).map_err(|error| error.to_string())?,
        country,
        note,
        valid_from: cell(Column::From)
            .map(|text| moment(text, false))
            .transpose()?,
        valid_to: cell(Column::To)
            .map(|text| moment(text, true))
            .transpose()?,
    })
}

/// RFC 3339, or a day: `2026-12-31` or `31/12/2026`, of which the end is meant with `end`. Days are
/// those of UTC.
fn moment(text: &str, end: bool) -> Result<UtcTime, String> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let wrong = || "a date is written 2026-12-31, 31/12/2026 or 2026-12-31T18:00:00Z".to_owned();
    let parts: Vec<&str> = text.split(['/', '-', '.']).collect();
    let [a, b, c] = parts[..] else {
        return Err(wrong());
    };
    let (year, month, day) = if a.len() == 4 { (a, b, c) } else { (c, b, a) };
    let day = format!("{year}-{month:0>2}-{day:0>2}T00:00:00Z");
    let at: UtcTime = day.parse().map_err(|_| wrong())?;
    Ok(if end {
        at + std::time::Duration::from_secs(86_400)
    } else {
        at
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plates(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.plate.as_str()).collect()
    }

    #[test]
    fn columns_are_found_by_their_headings() {
        let file = "\u{feff}Ufficio;Targa;Nazione;Motivo;Dal;Scadenza\n\
            Questura;AB 123 CD;I;rubata;01/11/2026;31/12/2026\n\
            ;zz-999-zz;F;;;\n;zz-998-zz;FR;da seguire;;2026-12-01T10:00:00Z\n";
        let error = read(file.as_bytes(), false).unwrap_err().to_string();
        assert!(error.contains("line 3: the country"), "{error}");
        assert!(!error.to_uppercase().contains("ZZ"), "no plate in an error");
        let (entries, report) = read(file.as_bytes(), true).unwrap();
        assert_eq!(plates(&entries), ["AB123CD", "ZZ998ZZ"]);
        assert_eq!(
            (report.faulty, &report.ignored_columns[..]),
            (1, &["Ufficio".to_owned()][..])
        );
        let first = &entries[0];
        assert_eq!(first.country.as_deref(), Some("IT"));
        assert_eq!(first.note.as_deref(), Some("rubata"));
        assert_eq!(
            first.valid_from.unwrap().to_string(),
            "2026-11-01T00:00:00.000000Z"
        );
        assert_eq!(
            first.valid_to.unwrap().to_string(),
            "2027-01-01T00:00:00.000000Z"
        );
    }

    #[test]
    fn a_file_without_headings_is_one_plate_a_line() {
        let (entries, report) = read(b"AB123CD\r\n\r\nAB124CD\r\nab 123 cd\r\n", false).unwrap();
        assert_eq!(plates(&entries), ["AB123CD", "AB124CD"]);
        assert_eq!(report.repeated, 1);
        assert!(matches!(read(b"\n\n", false), Err(ImportError::Empty)));
        let latin = b"targa,motivo\nAB123CD,perch\xe9\n";
        assert_eq!(
            read(latin, false).unwrap().0[0].note.as_deref(),
            Some("perché")
        );
    }
}
