//! The plate as cameras write it: with marks, with signs for characters that they could not read,
//! or as a word for none.

use varco_proto::letters::{Letter, letter};
use varco_proto::onboard::PLATE_SAID_CHARACTERS_MAX;
use varco_proto::plate::{PLATE_CHARACTERS_MAX, PlateText};

use super::malformed::Malformed;
use super::notes::Notes;

/// Stands in the text where a character is not known. Hardly any plate has a Q, so that it makes
/// the text equal to another plate's as seldom as a letter can.
const STAND_IN: char = 'Q';
/// A text of more characters is no plate with something beside it, but something else.
const WRITTEN_CHARACTERS_MAX: usize = 2 * PLATE_CHARACTERS_MAX;

/// What makers and integrators write when there is no plate, in small letters and digits alone.
const NO_PLATE: [&str; 36] = [
    "unknown",
    "unknow",
    "unk",
    "unknownplate",
    "noplate",
    "noplates",
    "noplatenumber",
    "noplatefound",
    "noplatedetected",
    "nolicense",
    "nolicence",
    "nolicenseplate",
    "nolicenceplate",
    "nolpr",
    "noread",
    "notread",
    "notdetected",
    "undetected",
    "unlicensed",
    "unlicenced",
    "unrecognized",
    "unrecognised",
    "notrecognized",
    "notrecognised",
    "none",
    "null",
    "nil",
    "na",
    "nan",
    "undefined",
    "empty",
    "notarga",
    "senzatarga",
    "ohnekennzeichen",
    "sansplaque",
    "sinplaca",
];
/// The same in a script whose words are made of few characters; they may stand within a text.
const NO_PLATE_WITHIN: [&str; 5] = ["无车牌", "无牌", "未识别", "未知", "无号牌"];

/// A plate that a camera wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    /// The text; where a character is not known, with a stand-in.
    pub(super) text: PlateText,
    /// Places in the text, from 0, of characters that are not known.
    pub(super) unread: Vec<u32>,
    /// As the camera wrote it, when the text says it otherwise; else empty.
    pub(super) said: String,
}

/// Reads what a camera wrote in the field of the plate; none when it says that it read none.
pub(super) fn plate(
    field: &'static str,
    written: &str,
    notes: &mut Notes,
) -> Result<Option<Written>, Malformed> {
    let written = written.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    if says_none(written) {
        return Ok(None);
    }
    let mut spelt = Spelt::of(written, is_unread_mark);
    if spelt.text.len() > PLATE_CHARACTERS_MAX && written.contains('_') {
        // So many of them part the characters.
        spelt = Spelt::of(written, |c| c != '_' && is_unread_mark(c));
    }
    if spelt.known == 0 {
        return match spelt.foreign {
            true => Err(Malformed::Field(
                field,
                "a plate with a letter A-Z or a digit",
            )),
            false => Ok(None),
        };
    }
    if spelt.text.len() > WRITTEN_CHARACTERS_MAX {
        return Err(Malformed::Field(field, "a plate: it is too long for any"));
    }
    let is_long = spelt.text.len() > PLATE_CHARACTERS_MAX;
    spelt.text.truncate(PLATE_CHARACTERS_MAX);
    spelt.unread.retain(|at| *at < PLATE_CHARACTERS_MAX);
    for (is, why) in [
        (
            is_long,
            "it is longer than any plate; its first 12 characters are taken",
        ),
        (
            spelt.foreign,
            "a letter that is like none of A-Z is taken as a character not read",
        ),
        (spelt.mark, "a character that the camera did not read"),
        (
            spelt.folded,
            "letters with marks or of another script are taken as those of A-Z they look like",
        ),
        (spelt.sign, "a sign that no plate has is left out"),
    ] {
        if is {
            notes.add(field, why);
        }
    }
    let changed = is_long || spelt.foreign || spelt.mark || spelt.folded || spelt.sign;
    let wrong = Malformed::Field(field, "a plate of letters A-Z and digits");
    let said = written.chars().filter(|c| !c.is_control());
    Ok(Some(Written {
        text: PlateText::normalise(&spelt.text).map_err(|_| wrong)?,
        unread: spelt
            .unread
            .iter()
            .filter_map(|at| u32::try_from(*at).ok())
            .collect(),
        said: match changed {
            true => said.take(PLATE_SAID_CHARACTERS_MAX).collect(),
            false => String::new(),
        },
    }))
}

fn says_none(written: &str) -> bool {
    let letters = written.chars().filter(|c| c.is_alphanumeric());
    let word: String = letters.flat_map(char::to_lowercase).collect();
    let is_word = NO_PLATE.contains(&word.as_str());
    let within = NO_PLATE_WITHIN.iter().any(|none| word.contains(none));
    let zeros = !word.is_empty() && word.bytes().all(|byte| byte == b'0');
    is_word || within || zeros || written.is_empty()
}

/// What cameras write in place of a character that they could not read.
fn is_unread_mark(character: char) -> bool {
    matches!(
        character,
        '?' | '*' | '_' | '#' | '？' | '＊' | '＿' | '¿' | '□' | '■' | '●' | '\u{fffd}'
    )
}

/// A text, character by character.
#[derive(Default)]
struct Spelt {
    text: String,
    unread: Vec<usize>,
    known: usize,
    mark: bool,
    foreign: bool,
    folded: bool,
    sign: bool,
}

impl Spelt {
    fn of(written: &str, is_unread: impl Fn(char) -> bool) -> Self {
        let mut spelt = Self::default();
        for character in written.chars() {
            if is_unread(character) {
                spelt.mark = true;
                spelt.stand_in();
                continue;
            }
            match letter(character) {
                Letter::Plate(plain) => {
                    spelt.folded |= !character.is_ascii();
                    spelt.known += plain.len();
                    spelt.text.push_str(&plain);
                }
                Letter::Nothing => {}
                Letter::Foreign(foreign) if foreign.is_alphanumeric() => {
                    spelt.foreign = true;
                    spelt.stand_in();
                }
                Letter::Foreign(_) => spelt.sign = true,
            }
        }
        spelt
    }

    fn stand_in(&mut self) {
        self.unread.push(self.text.len());
        self.text.push(STAND_IN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: &str) -> Option<Written> {
        plate("plate", written, &mut Notes::default()).unwrap()
    }

    #[test]
    fn d03_part_a_mark_never_loses_a_plate_and_the_original_stays_beside() {
        for (written, text, unread) in [
            ("MÜ AB 123", "MUAB123", vec![]),
            ("GÖXY12E", "GOXY12E", vec![]),
            ("А123ВС77", "A123BC77", vec![]),
            ("ＡＢ１２３ＣＤ", "AB123CD", vec![]),
            ("AB?23CD", "ABQ23CD", vec![2]),
            ("AB*23C_", "ABQ23CQ", vec![2, 6]),
            ("1กข2345", "1QQ2345", vec![1, 2]),
            ("京A12345", "QA12345", vec![0]),
            ("[AB123CD]+", "AB123CD", vec![]),
            ("AB\u{fffd}12", "ABQ12", vec![2]),
            ("ABCD123456789", "ABCD12345678", vec![]),
        ] {
            let read = read(written).expect(written);
            assert_eq!(
                (read.text.as_str(), read.unread),
                (text, unread),
                "{written}"
            );
            assert_eq!(read.said, written);
        }
        let plain = read(" ab-123 cd\0").unwrap();
        assert_eq!((plain.text.as_str(), &*plain.said), ("AB123CD", ""));
        let parted = read("AB_123_CD_EF_GH").unwrap();
        assert_eq!(
            (parted.text.as_str(), parted.unread.len()),
            ("AB123CDEFGH", 0)
        );
        assert_eq!(
            read("AB\u{200b}123\u{a0}CD").unwrap().text.as_str(),
            "AB123CD"
        );
    }

    #[test]
    fn d03_part_makers_words_for_no_plate_are_no_plate() {
        for none in [
            "",
            " - ",
            "--",
            "unknown",
            "UNKNOWN",
            "noPlate",
            "NO PLATE",
            "NO_PLATE",
            "No-Plate",
            "无车牌",
            "未识别",
            "N/A",
            "unlicensed",
            "0",
            "000000",
            "????",
            "***",
            "___",
            "null",
            "<unknown>",
            "UNRECOGNIZED",
            "No license plate",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
        for some in ["NA123", "UNK001", "0A", "NONE1"] {
            assert!(read(some).is_some(), "{some}");
        }
    }

    #[test]
    fn what_is_no_plate_at_all_is_refused_without_repeating_it() {
        for wrong in ["กขค", "AB123CDAB123CDAB123CDAB123CD"] {
            let error = plate("plate", wrong, &mut Notes::default()).unwrap_err();
            assert!(!error.to_string().contains(wrong), "{error}");
        }
    }
}
