//! SPECIFICATION.md held against the tests: which show a requirement whole, and which a part of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::{files, root};

/// The tests of one requirement, with their files.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shown {
    whole: BTreeSet<(String, String)>,
    part: BTreeSet<(String, String)>,
}

fn is_number(token: &str) -> bool {
    let bytes = token.as_bytes();
    matches!(bytes, [b'a'..=b'e' | b'k', b'0'..=b'9', b'0'..=b'9'])
}

/// The requirements that a test's name begins with, and whether it shows a part of them.
fn numbers(name: &str) -> (Vec<String>, bool) {
    let mut tokens = name.split('_').peekable();
    let mut numbers = Vec::new();
    while let Some(token) = tokens.next_if(|token| is_number(token)) {
        numbers.push(token.to_uppercase());
    }
    (numbers, tokens.peek() == Some(&"part"))
}

/// The name of the function that a line begins, if it begins one.
fn function(line: &str) -> Option<&str> {
    let rest = line.trim_start();
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    rest.strip_prefix("fn ")?.split('(').next()
}

/// The name of the browser's test that a line begins, if it begins one, written as a function's.
fn browser_test(line: &str) -> Option<String> {
    let name = line.strip_prefix("test(\"")?.split('"').next()?;
    Some(name.replace(' ', "_"))
}

/// The tests that a file of this ending has.
fn tests_of(path: &Path, text: &str) -> Vec<String> {
    let lines = text.lines();
    match path.extension().is_some_and(|ending| ending == "mjs") {
        true => lines.filter_map(browser_test).collect(),
        false => lines.filter_map(function).map(str::to_owned).collect(),
    }
}

fn shown() -> BTreeMap<String, Shown> {
    let mut all: BTreeMap<String, Shown> = BTreeMap::new();
    for path in files(&["rs", "mjs"]) {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        for name in tests_of(&path, &text) {
            let (numbers, is_part) = numbers(&name);
            for number in numbers {
                let of = all.entry(number).or_default();
                let into = if is_part { &mut of.part } else { &mut of.whole };
                into.insert((name.clone(), path.display().to_string()));
            }
        }
    }
    all
}

fn is_bullet(line: &str) -> bool {
    ["- whole: ", "- part: ", "- no test yet"]
        .iter()
        .any(|start| line.starts_with(start))
}

/// The page as it should be.
fn written(page: &str, shown: &BTreeMap<String, Shown>) -> (String, BTreeSet<String>) {
    let (mut lines, mut known) = (Vec::new(), BTreeSet::new());
    let mut bullets = Vec::new();
    for line in page.lines() {
        if let Some(head) = line.strip_prefix("### ") {
            let number = head.split(' ').next().unwrap().to_owned();
            let none = Shown::default();
            let of = shown.get(&number).unwrap_or(&none);
            let bullet = |word: &str, (name, path): &(String, String)| {
                format!("- {word}: `{name}` ({path})")
            };
            bullets = of.whole.iter().map(|test| bullet("whole", test)).collect();
            bullets.extend(of.part.iter().map(|test| bullet("part", test)));
            if bullets.is_empty() {
                bullets.push("- no test yet".to_owned());
            }
            known.insert(number);
        }
        if is_bullet(line) {
            lines.append(&mut bullets);
        } else {
            lines.push(line.to_owned());
        }
    }
    (lines.join("\n") + "\n", known)
}

#[test]
fn the_specification_names_every_requirement_and_the_tests_that_show_it() {
    let file = root().join("SPECIFICATION.md");
    let page = fs::read_to_string(&file).unwrap();
    let shown = shown();
    let (expected, known) = written(&page, &shown);
    assert_eq!(known.len(), 123);
    let unknown: Vec<_> = shown
        .keys()
        .filter(|number| !known.contains(*number))
        .collect();
    assert!(
        unknown.is_empty(),
        "tests bear numbers that there are not: {unknown:?}"
    );
    if std::env::var_os("VARCO_WRITE").is_some() {
        fs::write(&file, &expected).unwrap();
        return;
    }
    let differs = page
        .lines()
        .zip(expected.lines())
        .find(|(is, should)| is != should);
    assert!(
        page == expected,
        "tests changed: `VARCO_WRITE=1 cargo test --workspace --test tidy specification` ({differs:?})"
    );
}

#[test]
fn a_name_says_which_requirements_it_shows_and_whether_a_part() {
    let says = |name: &str| numbers(name);
    let of = |numbers: &[&str]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(says("c22_k01_a_cut"), (of(&["C22", "K01"]), false));
    assert_eq!(says("c24_part_a_line"), (of(&["C24"]), true));
    assert_eq!(says("closes_it"), (of(&[]), false));
    assert_eq!(function("    async fn it_holds() {"), Some("it_holds"));
    let test = browser_test("test(\"c65 no screen is left\", async ({ page }) => {");
    assert_eq!(test.as_deref(), Some("c65_no_screen_is_left"));
}
