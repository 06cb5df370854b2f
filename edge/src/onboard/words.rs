//! What cameras say beside a plate, in their own words: none of it refuses a reading.

use varco_proto::transit::Direction;

use super::country;
use super::moment::{self, Zone};
use super::notes::{Notes, says_nothing};
use varco_proto::time::UtcTime;

/// A confidence with the top of its scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Said {
    pub(super) confidence: Option<f32>,
    pub(super) top: f32,
}

/// A confidence; `top` is that of the maker's scale, or none where cameras leave it unsaid: 1 for
/// shares, 100 for percents.
pub(super) fn confidence(
    field: &'static str,
    written: Option<&str>,
    top: Option<f32>,
    notes: &mut Notes,
) -> Said {
    let written = written.filter(|word| *word == "0" || !says_nothing(word));
    let percent = written.is_some_and(|word| word.trim_end().ends_with('%'));
    let confidence = notes.wanted(field, written, "it is no number", number);
    let share = |said: f32| said <= 1.0 && written.is_some_and(|word| word.contains('.'));
    let top = match (confidence, top) {
        _ if percent => 100.0,
        (Some(said), _) if share(said) => 1.0,
        (_, Some(top)) => top,
        (Some(said), None) if said > 1.0 => 100.0,
        _ => 1.0,
    };
    Said { confidence, top }
}

/// A number as people write it: with a comma, or with the sign of percents.
pub(super) fn number(word: &str) -> Option<f32> {
    let word = word
        .trim()
        .trim_end_matches('%')
        .trim_end()
        .replace(',', ".");
    let number: f32 = word.parse().ok()?;
    number.is_finite().then_some(number)
}

/// ISO 3166-1 alpha-2 of a country.
pub(super) fn country(
    field: &'static str,
    written: Option<&str>,
    notes: &mut Notes,
) -> Option<String> {
    let written = written.filter(|word| !says_nothing(word));
    notes.wanted(
        field,
        written,
        "it is no known code of a country",
        country::of,
    )
}

/// A direction as the camera sees it.
pub(super) fn direction(
    field: &'static str,
    written: Option<&str>,
    notes: &mut Notes,
) -> Option<Direction> {
    let written = written.filter(|word| !says_nothing(word));
    notes.wanted(
        field,
        written,
        "it is no known word for a direction",
        |word| match word.trim().to_ascii_lowercase().as_str() {
            "forward" | "approach" | "approaching" | "in" | "towards" | "toward" | "enter"
            | "entry" | "entering" | "obverse" | "come" | "coming" => Some(Direction::Towards),
            "reverse" | "away" | "leave" | "leaving" | "out" | "exit" | "exiting" | "go"
            | "backward" | "departing" => Some(Direction::Away),
            _ => None,
        },
    )
}

/// A lane's number from 1: the number at the end of what is written.
pub(super) fn lane(field: &'static str, written: Option<&str>, notes: &mut Notes) -> Option<u32> {
    let written = written.filter(|word| !says_nothing(word));
    notes.wanted(field, written, "it ends in no number", |word| {
        let word = word.trim();
        let name = word.trim_end_matches(|c: char| c.is_ascii_digit());
        word.get(name.len()..)?.parse().ok()
    })
}

/// A time; what cannot be read is left out, so that the reading has that of its arrival.
pub(super) fn time(
    field: &'static str,
    written: Option<&str>,
    zone: &Zone,
    near: UtcTime,
    notes: &mut Notes,
) -> Option<UtcTime> {
    let written = written.filter(|word| !word.trim().is_empty());
    notes.wanted(field, written, "it cannot be read as a time", |word| {
        moment::of_any(word, zone, near)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d03_part_words_of_any_kind_are_understood_or_left_out_and_noted() {
        let notes = &mut Notes::default();
        let read = |word, top, notes: &mut Notes| {
            let said = confidence("c", Some(word), top, notes);
            (said.confidence, said.top)
        };
        assert_eq!(read("97", Some(100.0), notes), (Some(97.0), 100.0));
        assert_eq!(read("0.95", Some(100.0), notes), (Some(0.95), 1.0));
        assert_eq!(read("93 %", None, notes), (Some(93.0), 100.0));
        assert_eq!(read("0,93", None, notes), (Some(0.93), 1.0));
        assert_eq!(read("0", None, notes), (Some(0.0), 1.0));
        assert_eq!(read("-", None, notes), (None, 1.0));
        assert_eq!(country("k", Some("XKX"), notes).as_deref(), Some("XK"));
        assert_eq!(country("k", Some("unknown"), notes), None);
        assert_eq!(
            direction("d", Some("Enter"), notes),
            Some(Direction::Towards)
        );
        assert_eq!(direction("d", Some("unknown"), notes), None);
        assert_eq!(lane("l", Some("Lane 2"), notes), Some(2));
        assert_eq!(lane("l", Some("0"), notes), None);
        assert_eq!(notes.clone().all(), []);
        assert_eq!(read("NaN", None, notes), (None, 1.0));
        assert_eq!(country("k", Some("380"), notes), None);
        assert_eq!(direction("d", Some("7"), notes), None);
        assert_eq!(lane("l", Some("left"), notes), None);
        assert_eq!(
            time("t", Some("now"), &Zone::UTC, UtcTime::default(), notes),
            None
        );
        let fields: Vec<_> = notes.clone().all().iter().map(|left| left.field).collect();
        assert_eq!(fields, ["c", "k", "d", "l", "t"]);
    }
}
