//! How a body writes the references of its cases, so that a search under a made-up one is refused.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Longest form, in characters.
const FORM_CHARACTERS_MAX: usize = 200;
/// Years that a reference may name.
const YEARS: std::ops::RangeInclusive<u32> = 1900..=2199;

/// A text that is no form.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "a form is written as PL/####/YYYY: # a digit, #+ digits, @ a letter, @+ letters, YYYY a year, all else as it \
     stands, ` | ` between two forms; each has a digit or a year, and all together at most {FORM_CHARACTERS_MAX} characters"
)]
pub struct ReferenceFormError;

/// One part of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Digit,
    Digits,
    Letter,
    Letters,
    Year,
    Same(char),
}

/// The forms of a body's references: `PL/####/YYYY | RGNR #+/YYYY`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReferenceForm {
    text: String,
    forms: Vec<Vec<Part>>,
}

impl ReferenceForm {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a reference is written so. Capitals do not matter.
    #[must_use]
    pub fn fits(&self, reference: &str) -> bool {
        let reference: Vec<char> = reference.chars().collect();
        self.forms.iter().any(|form| fits(form, &reference))
    }
}

/// Goes through a form with every place of the reference that its parts so far may end at.
fn fits(form: &[Part], reference: &[char]) -> bool {
    let mut places = BTreeSet::from([0]);
    for part in form {
        places = places
            .iter()
            .flat_map(|place| ends(*part, reference, *place))
            .collect();
    }
    places.contains(&reference.len())
}

/// Where a part may end that begins at a place.
fn ends(part: Part, reference: &[char], place: usize) -> std::ops::RangeInclusive<usize> {
    let nowhere = place + 1..=place;
    let rest = reference.get(place..).unwrap_or(&[]);
    let run = rest.iter().take_while(|one| is_one(part, **one)).count();
    match part {
        Part::Digit | Part::Letter | Part::Same(_) if run > 0 => place + 1..=place + 1,
        Part::Digits | Part::Letters => place + 1..=place + run,
        Part::Year if is_year(rest) => place + 4..=place + 4,
        Part::Digit | Part::Letter | Part::Same(_) | Part::Year => nowhere,
    }
}

fn is_year(rest: &[char]) -> bool {
    let year: String = rest.iter().take(4).collect();
    let is_digits = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
    is_digits && year.parse().is_ok_and(|year: u32| YEARS.contains(&year))
}

fn is_one(part: Part, one: char) -> bool {
    match part {
        Part::Digit | Part::Digits => one.is_ascii_digit(),
        Part::Letter | Part::Letters => one.is_alphabetic(),
        Part::Same(same) => same.to_lowercase().eq(one.to_lowercase()),
        Part::Year => false,
    }
}

fn parts(form: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = form;
    while let Some(first) = rest.chars().next() {
        let (part, length) = match first {
            '#' if rest.starts_with("#+") => (Part::Digits, 2),
            '#' => (Part::Digit, 1),
            '@' if rest.starts_with("@+") => (Part::Letters, 2),
            '@' => (Part::Letter, 1),
            'Y' if rest.starts_with("YYYY") => (Part::Year, 4),
            other => (Part::Same(other), other.len_utf8()),
        };
        parts.push(part);
        rest = &rest[length..];
    }
    // A text that is always the same is no reference.
    let counts = |part: &Part| matches!(part, Part::Digit | Part::Digits | Part::Year);
    parts.iter().any(counts).then_some(parts)
}

impl FromStr for ReferenceForm {
    type Err = ReferenceFormError;
    fn from_str(text: &str) -> Result<Self, ReferenceFormError> {
        let text = text.trim();
        let is_short = text.chars().count() <= FORM_CHARACTERS_MAX;
        if !is_short || text.chars().any(char::is_control) {
            return Err(ReferenceFormError);
        }
        let forms = text.split(" | ").map(|form| parts(form.trim()));
        Ok(Self {
            text: text.to_owned(),
            forms: forms.collect::<Option<_>>().ok_or(ReferenceFormError)?,
        })
    }
}

impl fmt::Display for ReferenceForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_fits_one_of_its_bodys_forms_or_is_none() {
        let form: ReferenceForm = "PL/####/YYYY | RGNR #+/YYYY @@ | n. #+#".parse().unwrap();
        for fits in [
            "PL/0012/2026",
            "pl/0012/2026",
            "RGNR 1/2026 PM",
            "RGNR 123456/1999 pm",
            "N. 42",
            "n. 4200",
        ] {
            assert!(form.fits(fits), "{fits}");
        }
        for other in [
            "",
            "PL/12/2026",
            "PL/0012/26",
            "PL/0012/3026",
            "PL/0012/2026 ",
            "xPL/0012/2026",
            "RGNR /2026 PM",
            "RGNR 1/2026 P",
            "n. 4",
            "curiosità",
        ] {
            assert!(!form.fits(other), "{other}");
        }
    }

    #[test]
    fn a_form_has_something_that_counts() {
        assert_eq!(
            "PL/####/YYYY".parse::<ReferenceForm>().unwrap().to_string(),
            "PL/####/YYYY"
        );
        for none in [
            "",
            "indagine",
            "PL/#### | indagine",
            "@+",
            &"#".repeat(201),
            "#\n#",
        ] {
            assert_eq!(
                none.parse::<ReferenceForm>(),
                Err(ReferenceFormError),
                "{none}"
            );
        }
    }
}
