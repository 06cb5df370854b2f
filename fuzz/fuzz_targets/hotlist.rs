//! Imported hotlists: every row has its account, what is taken is a plate, and reading twice is the same.
#![no_main]

use varco_fuzz::{Cut, within};
use varco_hub::hotlists::import::mapping::Mapping;
use varco_hub::hotlists::import::single::Single;
use varco_hub::hotlists::import::{HotlistTerm, How, dates::DateOrder, read};
use varco_proto::plate::PlateText;
use varco_proto::time::UtcTime;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut cut = Cut(data);
    let how = cut.byte();
    let mapped = cut.until(b'\n');
    let file = cut.rest();
    let mapping = String::from_utf8_lossy(mapped).parse::<Mapping>();
    let how = How {
        mapping: mapping.unwrap_or_default(),
        dates: match how % 3 {
            0 => None,
            1 => Some(DateOrder::DayFirst),
            _ => Some(DateOrder::MonthFirst),
        },
        skip_faulty: how & 4 != 0,
        dry_run: how & 8 != 0,
        lines_max: None,
    };
    within((2 << 20) + 512 * data.len(), || {
        import(file, &how);
        one(file);
    });
});

fn term() -> HotlistTerm {
    let at = |seconds: i64| UtcTime::from_unix_us(seconds * 1_000_000);
    HotlistTerm {
        now: at(1_795_000_000),
        from: at(1_795_000_000),
        to: at(1_797_000_000),
    }
}

fn import(file: &[u8], how: &How) {
    let mut told = 0;
    let came = read(file, how, &term(), &mut |_| told += 1);
    let again = read(file, how, &term(), &mut |_| {});
    let (entries, account) = match (came, again) {
        (Ok(came), Ok(again)) => {
            assert_eq!(came, again);
            came
        }
        (Err(came), Err(again)) => return assert_eq!(came.to_string(), again.to_string()),
        _ => panic!("taken once and refused once"),
    };
    assert_eq!(account.entries, entries.len());
    assert!(told >= account.taken, "each row that is taken was told");
    for entry in &entries {
        assert_eq!(
            PlateText::normalise(entry.plate.as_str()).as_ref(),
            Ok(&entry.plate)
        );
        if let (Some(from), Some(to)) = (entry.valid_from, entry.valid_to) {
            assert!(from < to);
        }
        assert!(
            entry
                .note
                .as_ref()
                .is_none_or(|note| note.chars().count() <= 1100)
        );
        assert!(
            entry
                .country
                .as_ref()
                .is_none_or(|country| country.len() == 2)
        );
    }
    if !how.skip_faulty && !how.dry_run {
        assert_eq!((account.refused, account.plates_refused), (0, 0));
    }
}

/// The same bytes as a person's fields.
fn one(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut fields = text.split('\u{1f}').map(str::to_owned);
    let single = Single {
        plate: fields.next().unwrap_or_default(),
        country: fields.next(),
        note: fields.next(),
        from: fields.next(),
        to: fields.next(),
    };
    if let Ok(entry) = single.entry(&term()) {
        assert_eq!(PlateText::normalise(entry.plate.as_str()), Ok(entry.plate));
    }
}
