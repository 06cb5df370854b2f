//! Countries as cameras name them.

/// ISO 3166-1 alpha-2 and alpha-3 of the countries whose vehicles are met in Europe.
const CODES: &str = "AD AND AE ARE AL ALB AM ARM AT AUT AZ AZE BA BIH BE BEL BG BGR BY BLR CH CHE \
    CY CYP CZ CZE DE DEU DK DNK DZ DZA EE EST EG EGY ES ESP FI FIN FR FRA GB GBR GE GEO GR GRC \
    HR HRV HU HUN IE IRL IL ISR IS ISL IT ITA KZ KAZ LI LIE LT LTU LU LUX LV LVA MA MAR MC MCO \
    MD MDA ME MNE MK MKD MT MLT NL NLD NO NOR PL POL PT PRT RO ROU RS SRB RU RUS SE SWE SI SVN \
    SK SVK SM SMR TN TUN TR TUR UA UKR US USA VA VAT XK XKX";

/// ISO 3166-1 alpha-2 of a code of two or three letters; none when it is not known.
pub(super) fn of(code: &str) -> Option<String> {
    let code = code.trim().to_ascii_uppercase();
    let words: Vec<_> = CODES.split_whitespace().collect();
    let mut pairs = words.chunks_exact(2);
    let found = pairs.find(|pair| pair.contains(&code.as_str()))?;
    found.first().map(|two| (*two).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_and_three_letters_are_taken_and_the_unknown_is_none() {
        assert_eq!(of("ita").as_deref(), Some("IT"));
        assert_eq!(of("IT").as_deref(), Some("IT"));
        assert_eq!(of("UKR").as_deref(), Some("UA"));
        for unknown in ["", "XX", "16", "ITALY"] {
            assert_eq!(of(unknown), None);
        }
        let lengths = CODES.split_whitespace().map(str::len);
        assert!(lengths.enumerate().all(|(at, length)| length == 2 + at % 2));
    }
}
