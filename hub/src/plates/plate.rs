//! A plate as bytes of one length, which compare as its text does.

use varco_proto::plate::{PLATE_CHARACTERS_MAX, fold_byte};

/// A plate's letters and digits in order, zeros behind: as ordered as the text.
pub type Plate = [u8; PLATE_CHARACTERS_MAX];

/// The bytes of a plate's text; what is too long for a plate is cut.
#[must_use]
pub fn plate_of(text: &str) -> Plate {
    let mut plate = [0; PLATE_CHARACTERS_MAX];
    for (to, from) in plate.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    plate
}

/// The text of a plate's bytes.
#[must_use]
pub fn text_of(plate: &Plate) -> String {
    let letters = plate.iter().take_while(|byte| **byte != 0);
    letters.map(|byte| char::from(*byte)).collect()
}

/// With O as 0 and I as 1.
#[must_use]
pub fn folded(plate: &Plate) -> Plate {
    plate.map(fold_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plates_are_ordered_as_their_texts_and_folded_as_they_are() {
        assert!(plate_of("AB1") < plate_of("AB12") && plate_of("AB12") < plate_of("AC"));
        assert_eq!(text_of(&folded(&plate_of("IO10"))), "1010");
        assert_eq!(text_of(&plate_of("ABCDEFGHIJKLM")), "ABCDEFGHIJKL");
    }
}
