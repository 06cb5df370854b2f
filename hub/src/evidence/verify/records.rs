//! The records: what was authorised is there and nothing else, and what the edges signed is what is told.

use std::collections::{BTreeMap, BTreeSet};

use varco_proto::cipher::Key;
use varco_proto::envelope::open;
use varco_proto::keys::OpeningKey;
use varco_proto::record::Record;

use super::{EvidencePart, EvidenceTrust, Findings, Package};
use crate::evidence::contents::{ChainPlace, RecordSheet};
use crate::evidence::draft::{original_place, sheet_of};

/// Checks the records.
pub(super) fn check(package: &Package<'_>, trust: &EvidenceTrust, findings: &mut Findings) {
    let Some(sheets) = sheets(package, findings) else {
        return;
    };
    envelopes(package, &sheets, trust.originals.as_ref(), findings);
    chains(&sheets, findings);
}

/// The digests of a package's records, in its order; none when they cannot be read.
pub(super) fn digests(package: &Package<'_>) -> Option<Vec<String>> {
    let sheets: Option<Vec<RecordSheet>> = record_files(package)
        .map(|path| read(package, path))
        .collect();
    Some(
        sheets?
            .into_iter()
            .map(|sheet| sheet.chain.digest)
            .collect(),
    )
}

fn record_files<'a>(package: &'a Package<'_>) -> impl Iterator<Item = &'a str> {
    let paths = package.contents.files.iter().map(|file| file.path.as_str());
    paths.filter(|path| path.starts_with("records/"))
}

fn read(package: &Package<'_>, path: &str) -> Option<RecordSheet> {
    serde_json::from_slice(package.file(path)?).ok()
}

fn sheets(package: &Package<'_>, findings: &mut Findings) -> Option<Vec<RecordSheet>> {
    let part = EvidencePart::Contents;
    let mut sheets = Vec::new();
    let mut told = BTreeSet::new();
    for (at, path) in record_files(package).enumerate() {
        let Some(sheet) = read(package, path).filter(|sheet| sheet.number == at + 1) else {
            findings.wrong(
                part,
                format!("`{path}` cannot be read, or is not in its place"),
            );
            return None;
        };
        told.insert(sheet.transit.clone());
        sheets.push(sheet);
    }
    let authorised = &package.contents.wanted.transits;
    let named: BTreeSet<String> = authorised.iter().map(ToString::to_string).collect();
    if told != named || sheets.len() != authorised.len() {
        findings.wrong(part, "the records are not those that were authorised");
        return None;
    }
    let of_sheets = |of: fn(&RecordSheet) -> Option<&String>| -> BTreeSet<&str> {
        sheets.iter().filter_map(of).map(String::as_str).collect()
    };
    let (pictures, originals) = (
        of_sheets(|one| one.picture.as_ref()),
        of_sheets(|one| one.original.as_ref()),
    );
    let rest = package.contents.files.iter().map(|file| file.path.as_str());
    let rest = rest.filter(|path| {
        !path.starts_with("records/") && *path != crate::evidence::contents::paths::KEYS
    });
    let rest: BTreeSet<&str> = rest.collect();
    let named: BTreeSet<&str> = pictures.union(&originals).copied().collect();
    if rest != named || originals.is_empty() == package.contents.wanted.originals {
        findings.wrong(
            part,
            "pictures and originals are not those that the records name",
        );
        return None;
    }
    let why = format!(
        "{} records, those that were authorised and no other",
        sheets.len()
    );
    findings.holds(part, why);
    Some(sheets)
}

/// The sealed originals: each is signed by its edge, and says what its record is told to say.
fn envelopes(
    package: &Package<'_>,
    sheets: &[RecordSheet],
    key: Option<&Key>,
    findings: &mut Findings,
) {
    let part = EvidencePart::Envelopes;
    if !package.contents.wanted.originals {
        let why = "the edges' sealed originals are withheld, as they show what is masked: that the records are what the \
                   edges signed is the hub's word";
        return findings.open(part, why);
    }
    let Some(key) = key else {
        let why = "the edges' originals are sealed: give the key that was handed over apart";
        return findings.open(part, why);
    };
    for sheet in sheets {
        if let Err(why) = envelope(package, sheet, key) {
            return findings.wrong(part, format!("record {}: {why}", sheet.number));
        }
    }
    let why = format!(
        "{} originals are signed by the edges whose keys the hub names, and say what the records say",
        sheets.len()
    );
    findings.holds(part, why);
}

fn envelope(package: &Package<'_>, sheet: &RecordSheet, key: &Key) -> Result<(), String> {
    let path = sheet.original.as_deref().ok_or("its original is missing")?;
    let sealed = package.file(path).ok_or("its original is missing")?;
    let place = original_place(&package.contents.package, path);
    let original = key.open(&place, sealed);
    let original = original.map_err(|_| "its original does not open with this key")?;
    let edge = package.keys.edges.get(&sheet.chain.edge);
    let edge: OpeningKey = edge
        .and_then(|key| key.parse().ok())
        .ok_or("the package has no key of its edge")?;
    let verified = open::<Record>(&original, &edge).map_err(|error| error.to_string())?;
    let again = sheet_of(sheet.number, verified).ok_or("its original is no transit")?;
    let told = RecordSheet {
        corrections: Vec::new(),
        picture: None,
        original: None,
        masking: again.masking,
        ..sheet.clone()
    };
    (again == told)
        .then_some(())
        .ok_or_else(|| "its original says something else".to_owned())
}

/// The places in the chains: no two records have one place, and one that follows another has its digest.
fn chains(sheets: &[RecordSheet], findings: &mut Findings) {
    let part = EvidencePart::Chains;
    let mut places: BTreeMap<(&str, u64), &ChainPlace> = BTreeMap::new();
    for sheet in sheets {
        let place = &sheet.chain;
        if places
            .insert((&place.edge, place.sequence), place)
            .is_some()
        {
            return findings.wrong(
                part,
                format!(
                    "two records have place {} of {}",
                    place.sequence, place.edge
                ),
            );
        }
    }
    let mut follow = 0;
    for ((edge, sequence), place) in &places {
        let Some(before) = sequence
            .checked_sub(1)
            .and_then(|before| places.get(&(*edge, before)))
        else {
            continue;
        };
        if before.digest != place.previous {
            let why = format!("record {sequence} of {edge} does not follow the one before it");
            return findings.wrong(part, why);
        }
        follow += 1;
    }
    let apart = places.len() - follow;
    findings.open(
        part,
        format!(
            "{follow} records follow the one before them in the package; of {apart} the one before is not in it, so \
             that their chain is the edge's and the hub's word"
        ),
    );
}
