//! What a person says of a file's columns: `plate=PlateNumber,note=Reason,country=3`.

use std::str::FromStr;

use thiserror::Error;

use super::headings::{Meaning, plain};

/// Most columns that a person names.
const COLUMNS_MAX: usize = 32;

/// Which columns mean what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping(Vec<(Meaning, Reference)>);

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    /// By its place, from 0.
    Number(usize),
    /// By its heading.
    Heading(String),
}

/// The mapping cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` maps no column: write plate=HEADING,note=HEADING,country=HEADING,from=HEADING,\
     to=HEADING, or a column's number instead of its heading"
)]
pub struct MappingError(String);

impl Mapping {
    /// Adds what another says.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn columns(&self) -> &[(Meaning, Reference)] {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a column of this meaning is named.
    pub(super) fn names(&self, meaning: Meaning) -> bool {
        self.0.iter().any(|(one, _)| *one == meaning)
    }
}

impl Reference {
    /// Whether it is this column.
    pub(super) fn is(&self, at: usize, heading: &str) -> bool {
        match self {
            Self::Number(number) => *number == at,
            Self::Heading(wanted) => plain(wanted) == plain(heading) && !heading.is_empty(),
        }
    }
}

impl FromStr for Mapping {
    type Err = MappingError;
    fn from_str(text: &str) -> Result<Self, MappingError> {
        let wrong = || MappingError(text.chars().take(80).collect());
        let mut columns: Vec<(Meaning, String)> = Vec::new();
        for piece in text.split(',') {
            let named = piece.split_once('=').and_then(|(word, column)| {
                let word = word.trim().to_ascii_lowercase();
                let mut all = Meaning::ALL.into_iter();
                let (meaning, _) = all.find(|(_, known)| *known == word)?;
                Some((meaning, column))
            });
            if let Some((meaning, column)) = named {
                columns.push((meaning, column.to_owned()));
            } else if let Some((_, heading)) = columns.last_mut() {
                // A comma within a heading.
                heading.push(',');
                heading.push_str(piece);
            } else {
                return Err(wrong());
            }
        }
        if columns.len() > COLUMNS_MAX {
            return Err(wrong());
        }
        let columns = columns.into_iter().map(|(meaning, column)| {
            let column = column.trim();
            let reference = match column.parse::<usize>() {
                Ok(number) => Reference::Number(number.checked_sub(1).ok_or_else(wrong)?),
                Err(_) if column.is_empty() => return Err(wrong()),
                Err(_) => Reference::Heading(column.to_owned()),
            };
            Ok((meaning, reference))
        });
        Ok(Self(columns.collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_names_columns_by_heading_or_number() {
        let mapping: Mapping = "plate=Plate, rear,note=Reason, country=3".parse().unwrap();
        let heading = |text: &str| Reference::Heading(text.into());
        assert_eq!(
            mapping.columns(),
            [
                (Meaning::Plate, heading("Plate, rear")),
                (Meaning::Note, heading("Reason")),
                (Meaning::Country, Reference::Number(2)),
            ]
        );
        assert!(mapping.columns()[1].1.is(9, "REASON "));
        for wrong in ["", "plate", "colour=2", "plate=0", "plate="] {
            assert!(wrong.parse::<Mapping>().is_err(), "{wrong}");
        }
    }
}
