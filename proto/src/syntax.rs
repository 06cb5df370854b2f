//! The shapes that countries give their plates.
//!
//! A shape is evidence, never a filter: nearly half of a European picture set would fail the
//! Italian one, and France shares it. So [`fits`] says which countries a text could belong to,
//! and the country posterior of a read decides nothing alone.

use crate::plate::PlateText;

/// One shape of a country: `L` a letter of the country's set, `D` a digit, others themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syntax {
    /// ISO 3166-1 alpha-2.
    pub country: &'static str,
    /// For example `LLDDDLL`.
    pub shape: &'static str,
    /// Letters that the shape never uses.
    pub without: &'static str,
}

const fn syntax(country: &'static str, shape: &'static str, without: &'static str) -> Syntax {
    Syntax {
        country,
        shape,
        without,
    }
}

/// Current civil shapes of Italy and of the countries met on its roads.
pub const SYNTAXES: &[Syntax] = &[
    // Cars since 1994; I, O, Q, U never used. Trailers begin with X, local police with Y.
    syntax("IT", "LLDDDLL", "IOQU"),
    // Motorcycles: two letters and five digits.
    syntax("IT", "LLDDDDD", "IOQU"),
    // Mopeds since 2006: X and five letters or digits of a reduced set, then free.
    syntax("IT", "XDLLLL", "AEIOQU"),
    syntax("FR", "LLDDDLL", "IOU"),
    syntax("ES", "DDDDLLL", "AEIOUQ"),
    syntax("SK", "LLDDDLL", "Q"),
    syntax("CZ", "DLDDDDD", "GOQW"),
    syntax("CZ", "DLLDDDD", "GOQW"),
    syntax("PL", "LLDDDDD", ""),
    syntax("PL", "LLDDDDL", ""),
    syntax("PL", "LLLDDDD", ""),
    syntax("PL", "LLLDDDDD", ""),
    syntax("UA", "LLDDDDLL", "DFGJLNQRSUVWYZ"),
    syntax("RO", "LLDDLLL", "Q"),
    syntax("RO", "BDDLLL", "Q"),
    syntax("RO", "BDDDLLL", "Q"),
    syntax("HU", "LLLDDD", ""),
    syntax("HU", "LLLLDDD", ""),
    syntax("HR", "LLDDDDLL", ""),
    syntax("HR", "LLDDDLL", ""),
    syntax("GB", "LLDDLLL", "IQ"),
    syntax("NL", "LLDDDL", ""),
    syntax("NL", "DLLLDD", ""),
    syntax("NL", "LDDDLL", ""),
    syntax("BE", "DLLLDDD", ""),
    syntax("AL", "LLDDDLL", "IOQ"),
    syntax("BG", "LDDDDLL", "DFGIJLNQRSUVWZ"),
    syntax("BG", "LLDDDDLL", "DFGIJLNQRSUVWZ"),
    syntax("SE", "LLLDDD", "IQV"),
    syntax("SE", "LLLDDL", "IQV"),
    syntax("LT", "LLLDDD", ""),
    syntax("LV", "LLDDDD", ""),
    syntax("EE", "DDDLLL", ""),
    syntax("PT", "LLDDLL", ""),
    syntax("PT", "DDLLDD", ""),
    syntax("FI", "LLLDDD", ""),
    syntax("CH", "LLDDDDDD", ""),
    syntax("CH", "LLDDDDD", ""),
    syntax("CH", "LLDDDD", ""),
    syntax("TR", "DDLLLDD", "QWX"),
    syntax("TR", "DDLLDDD", "QWX"),
    syntax("TR", "DDLDDDD", "QWX"),
    syntax("SM", "LDDDD", ""),
    syntax("DE", "LLLDDDD", ""),
    syntax("DE", "LLLLDDDD", ""),
    syntax("DE", "LLLDDD", ""),
    syntax("AT", "LLDDDLL", ""),
    syntax("AT", "LDDDDLL", ""),
    syntax("RS", "LLDDDLL", ""),
];

impl Syntax {
    /// Whether the text has this shape and none of the letters that it never uses.
    #[must_use]
    pub fn matches(&self, plate: &PlateText) -> bool {
        plate.as_str().len() == self.shape.len()
            && plate
                .as_str()
                .chars()
                .zip(self.shape.chars())
                .all(|(c, class)| match class {
                    'L' => c.is_ascii_uppercase() && !self.without.contains(c),
                    'D' => c.is_ascii_digit(),
                    literal => c == literal,
                })
    }
}

/// The countries whose known shapes the text has, in the order of [`SYNTAXES`], each once.
#[must_use]
pub fn fits(plate: &PlateText) -> Vec<&'static str> {
    let mut countries = Vec::new();
    for syntax in SYNTAXES.iter().filter(|syntax| syntax.matches(plate)) {
        if !countries.contains(&syntax.country) {
            countries.push(syntax.country);
        }
    }
    countries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plate(text: &str) -> PlateText {
        text.parse().unwrap()
    }

    #[test]
    fn an_italian_shape_fits_france_too() {
        let countries = fits(&plate("AB123CD"));
        assert!(countries.contains(&"IT") && countries.contains(&"FR"));
    }

    #[test]
    fn letters_that_italy_never_uses_do_not_fit_it() {
        for text in ["AO123CD", "AB123IQ", "AU123CD"] {
            assert!(!fits(&plate(text)).contains(&"IT"), "{text}");
        }
    }

    #[test]
    fn every_shape_is_written_with_known_classes() {
        for syntax in SYNTAXES {
            assert!((4..=9).contains(&syntax.shape.len()), "{syntax:?}");
            assert!(
                syntax.shape.chars().all(|c| c.is_ascii_uppercase()),
                "{syntax:?}"
            );
            assert_eq!(syntax.country.len(), 2, "{syntax:?}");
        }
    }
}
