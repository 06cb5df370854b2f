//! Patterns against a matcher that tries everything, and misreadings both ways round.

use proptest::prelude::*;
use varco_proto::plate::PlateText;

use crate::plates::misread::{Neighbour, neighbours};
use crate::plates::pattern::{Glob, PlatePattern, letters_of};
use crate::plates::plate::{Plate, folded, plate_of, text_of};

/// Few letters, so that patterns fit often.
const PLATE: &str = "[AB01O]{1,12}";
const PATTERN: &str = "[AB01O?*]{1,16}";

/// Every way of fitting, one after the other.
fn tried(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], text) => text.is_empty(),
        ([b'*', rest @ ..], text) => (0..=text.len()).any(|from| tried(rest, &text[from..])),
        ([b'?', rest @ ..], [_, more @ ..]) => tried(rest, more),
        ([one, rest @ ..], [other, more @ ..]) => one == other && tried(rest, more),
        (_, []) => false,
    }
}

/// The neighbour of a plate that another one is.
fn between(searched: &str, read: &Plate) -> Option<Neighbour> {
    let mut all = neighbours(&plate_of(searched)).into_iter();
    all.find(|one| one.plate == *read)
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn a_pattern_fits_exactly_what_a_naive_matcher_fits(pattern in PATTERN, plate in PLATE) {
        let Ok(pattern) = PlatePattern::normalise(&pattern) else {
            return Ok(());
        };
        let plate = PlateText::normalise(&plate).unwrap();
        let bytes = folded(&plate_of(plate.as_str()));
        let glob = Glob::of(&pattern);
        let fits = tried(pattern.folded().as_bytes(), plate.folded().as_bytes());
        prop_assert_eq!(glob.fits(&bytes), fits);
        let as_read = tried(pattern.as_str().as_bytes(), plate.as_str().as_bytes());
        prop_assert_eq!(Glob::unfolded(&pattern).fits(&plate_of(plate.as_str())), as_read);
        prop_assert!(!as_read || fits);
        if fits {
            let (first, last) = glob.range();
            prop_assert!(first <= bytes && bytes <= last, "an index would leave it aside");
            prop_assert_eq!(glob.letters() & letters_of(&bytes), glob.letters());
        }
    }

    #[test]
    fn a_plate_made_of_a_pattern_fits_it(parts in prop::collection::vec(("[A-Z0-9]{0,2}", "[A-Z0-9]{0,3}"), 1..4)) {
        let (mut pattern, mut plate) = (String::new(), String::new());
        for (letters, stretch) in &parts {
            pattern += &format!("{letters}*");
            plate += &format!("{letters}{stretch}");
        }
        prop_assume!((1..=12).contains(&plate.len()));
        let pattern = PlatePattern::normalise(&pattern).unwrap();
        prop_assert!(Glob::of(&pattern).fits(&folded(&plate_of(&plate))));
    }

    #[test]
    fn what_is_normal_stays_as_it_is(typed in "\\PC{0,14}") {
        if let Ok(pattern) = PlatePattern::normalise(&typed) {
            prop_assert_eq!(PlatePattern::normalise(pattern.as_str()), Ok(pattern.clone()));
        }
    }
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn what_may_have_been_read_as_another_the_other_may_have_been_read_as(plate in "[A-Z0-9]{2,9}", pick in any::<prop::sample::Index>()) {
        let own = folded(&plate_of(&plate));
        let all = neighbours(&own);
        let one = pick.get(&all);
        let back = between(&text_of(&one.plate), &own);
        prop_assert_eq!(back.map(|back| back.cost), Some(one.cost), "{}", text_of(&one.plate));
        prop_assert!(all.is_sorted_by(|one, other| one.plate < other.plate));
        prop_assert!(all.iter().all(|one| (one.cost == 0) == (one.plate == own)));
    }
}
