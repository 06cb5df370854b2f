//! The table of rooms in ARCHITECTURE.md, held against the source.

use std::collections::BTreeSet;
use std::fs;

use super::root;
use super::shape::uses_of_rooms;

/// What a room may not have, by the word that the table says between backticks, and what shows it.
const MAY_NOT: &[(&str, &[&str])] = &[
    (
        "SQL",
        &[
            "\"SELECT ",
            "\"INSERT ",
            "\"UPDATE ",
            "\"DELETE ",
            "\"CREATE ",
            "\"PRAGMA ",
        ],
    ),
    (
        "clock",
        &["SystemTime::now", "Instant::now", "UtcTime::now"],
    ),
    ("files", &["std::fs", "File::open", "File::create"]),
    ("async", &["async fn", "tokio::", ".await"]),
];

/// A row of the table.
#[derive(Debug)]
struct Row {
    place: String,
    uses: String,
    may_not: String,
}

fn rows() -> Vec<Row> {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, rest) = page.split_once("<!-- rooms -->").unwrap();
    let (table, _) = rest.split_once("<!-- /rooms -->").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<Row> = rows
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let cell = |at: usize| {
                cells
                    .get(at)
                    .copied()
                    .unwrap_or("")
                    .trim_matches('|')
                    .trim()
            };
            let place = cell(0).split('`').nth(1).unwrap_or("");
            Row {
                place: place.trim_end_matches('/').to_owned(),
                uses: cell(2).to_owned(),
                may_not: cell(3).to_owned(),
            }
        })
        .collect();
    assert!(rows.len() > 30, "the table is read: {rows:?}");
    rows
}

/// The words between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The room of a row below `hub/src`.
fn hub_room(row: &Row) -> Option<&str> {
    row.place.strip_prefix("hub/src/")
}

#[test]
fn every_room_of_the_hub_stands_in_the_table_and_uses_only_what_it_says_from_rows_above() {
    let rows = rows();
    let listed: Vec<&str> = rows.iter().filter_map(hub_room).collect();
    let real = fs::read_dir(root().join("hub/src")).unwrap();
    let real: BTreeSet<String> = real
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    let listed_set: BTreeSet<String> = listed.iter().map(|room| (*room).to_owned()).collect();
    assert_eq!(listed_set, real, "rows and folders");
    let uses = uses_of_rooms("hub/src");
    let mut wrong = Vec::new();
    for (at, row) in rows
        .iter()
        .filter(|row| hub_room(row).is_some())
        .enumerate()
    {
        let room = hub_room(row).unwrap();
        let above: BTreeSet<&str> = listed[..at].iter().copied().collect();
        let said: BTreeSet<&str> = if row.uses == "any room above" {
            above.clone()
        } else {
            quoted(&row.uses).collect()
        };
        let used: BTreeSet<&str> = uses
            .get(room)
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        for other in used.difference(&said) {
            wrong.push(format!("{room} uses {other}, and its row does not say so"));
        }
        for other in said.difference(&above) {
            wrong.push(format!(
                "{room} says that it uses {other}, which stands below it"
            ));
        }
        if row.uses != "any room above" {
            for other in said.difference(&used) {
                wrong.push(format!("{room} does not use {other}, and its row says so"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_room_has_what_its_row_says_it_may_not() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for row in rows() {
        for word in quoted(&row.may_not) {
            let Some((_, signs)) = MAY_NOT.iter().find(|(known, _)| *known == word) else {
                wrong.push(format!("{}: `{word}` is not known to this test", row.place));
                continue;
            };
            for path in super::files(&["rs"]) {
                let name = path.to_string_lossy().into_owned();
                let is_test = name.ends_with("tests.rs") || name.contains("/tests/");
                if !path.starts_with(&row.place) || is_test {
                    continue;
                }
                checked += 1;
                let text = fs::read_to_string(root().join(&path)).unwrap();
                let rules = text.split("#[cfg(test)]").next().unwrap_or("");
                for line in rules
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"))
                {
                    if let Some(sign) = signs.iter().find(|sign| line.contains(**sign)) {
                        wrong.push(format!("{name} has {sign} and may not have `{word}`"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 100, "files were looked at: {checked}");
}
