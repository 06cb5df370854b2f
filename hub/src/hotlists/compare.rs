//! What a file would change of a list.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use super::import::account::Difference;
use super::list::{ListError, ListId};
use super::pages::{self, HotlistEntry};
use crate::plates::plate::{Plate, plate_of};
use crate::store::StoreError;
use crate::store::sql::Connection;
use varco_proto::cipher::Key;

/// Holds new entries against those that a list has. A list that does not open has none.
///
/// # Errors
/// [`ListError`].
pub(super) fn compare(
    main: &Connection,
    key: &Key,
    id: &ListId,
    entries: &[HotlistEntry],
) -> Result<Difference, ListError> {
    let hasher = RandomState::new();
    let mut old = HashMap::new();
    for number in pages::extent(main, id)?.numbers() {
        match pages::expect(main, key, id, number) {
            Ok(page) => note(&mut old, &hasher, &page),
            Err(StoreError::Damaged { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut new = HashMap::new();
    note(&mut new, &hasher, entries);
    let mut difference = Difference::default();
    for (plate, said) in &new {
        *match old.get(plate) {
            None => &mut difference.added,
            Some(before) if before == said => &mut difference.unchanged,
            Some(_) => &mut difference.changed,
        } += 1;
    }
    difference.gone = old.keys().filter(|plate| !new.contains_key(*plate)).count();
    Ok(difference)
}

/// Notes what is said of each plate, in whatever order.
fn note(plates: &mut HashMap<Plate, u64>, hasher: &RandomState, entries: &[HotlistEntry]) {
    for entry in entries {
        let said = plates.entry(plate_of(entry.plate.as_str())).or_default();
        *said = said.wrapping_add(hasher.hash_one(entry));
    }
}
