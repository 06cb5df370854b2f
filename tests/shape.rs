//! The shape of the source: between the files of a crate the arrows run one way, a public type has
//! a name of its own, and a function takes named things.
//!
//! Read from the tokens of each file without its tests: see `shape/source.rs` and
//! `shape/circles.rs`.

mod circles;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use circles::{arrows, circles, rooms_of};
use source::{Path, closed, is_word, modules, test_modules, tokens, without_tests};

/// Between what of a crate the arrows run one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grain {
    /// Its rooms, each a folder or a file directly below `src`.
    Rooms,
    /// Its files, and its rooms as well: two rooms may tie each other by different files.
    Files,
}

/// A crate, and what it is held to.
struct Held {
    source: &'static str,
    grain: Grain,
    /// Circles that are there: each goes with the change that ends it.
    known: &'static [&'static [&'static str]],
}

/// Each crate that is held to a shape.
const CRATES: &[Held] = &[
    Held {
        source: "proto/src",
        grain: Grain::Files,
        known: &[],
    },
    Held {
        source: "hub/src",
        grain: Grain::Rooms,
        known: &[],
    },
    Held {
        source: "edge/src",
        grain: Grain::Files,
        known: &[],
    },
    Held {
        source: "deploy/rig/src",
        grain: Grain::Files,
        known: &[],
    },
    Held {
        source: "benches/src",
        grain: Grain::Files,
        known: &[],
    },
];

/// The public types that a file defines.
fn public_types(tokens: &[String]) -> Vec<&str> {
    let is_kind = |kind: &str| ["struct", "enum", "trait", "type"].contains(&kind);
    let of = tokens.windows(3);
    // In a macro the name is not known here.
    of.filter(|three| three[0] == "pub" && is_kind(&three[1]) && is_word(&three[2]))
        .map(|three| three[2].as_str())
        .collect()
}

/// The parameters of each function, with the function's name.
fn parameters(tokens: &[String]) -> Vec<(&str, Vec<&[String]>)> {
    let mut all = Vec::new();
    for (at, two) in tokens.windows(2).enumerate() {
        if two[0] != "fn" || !is_word(&two[1]) {
            continue;
        }
        // The parameters open behind the generics, which may have brackets of their own.
        let (mut open, mut angles) = (at + 2, 0_isize);
        while angles > 0 || tokens[open] != "(" {
            match tokens[open].as_str() {
                "<" => angles += 1,
                ">" if tokens[open - 1] != "-" => angles -= 1,
                _ => {}
            }
            open += 1;
        }
        all.push((
            two[1].as_str(),
            listed(&tokens[open + 1..closed(tokens, open)]),
        ));
    }
    all
}

/// What commas part, outside all brackets.
fn listed(tokens: &[String]) -> Vec<&[String]> {
    let (mut all, mut begins, mut depth) = (Vec::new(), 0, 0_isize);
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "(" | "[" | "{" | "<" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            ">" if tokens[at - 1] != "-" => depth -= 1,
            "," if depth == 0 => {
                all.push(&tokens[begins..at]);
                begins = at + 1;
            }
            _ => {}
        }
    }
    all.push(&tokens[begins..]);
    all.retain(|one| !one.is_empty());
    all
}

/// The types of a file that are other names of tuples.
fn tuple_names(tokens: &[String]) -> impl Iterator<Item = &str> {
    let of = tokens.windows(4);
    of.filter(|four| four[0] == "type" && four[2] == "=" && four[3] == "(")
        .map(|four| four[1].as_str())
}

/// Whether a parameter's type is a tuple, a borrowed one, or one by another name.
fn is_tuple(parameter: &[String], tuples: &[&str]) -> bool {
    let mut depth = 0_isize;
    let colon = parameter.iter().position(|token| {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        depth == 0 && token == ":"
    });
    let Some(colon) = colon else { return false };
    let mut of = parameter[colon + 1..]
        .iter()
        .skip_while(|token| matches!(token.as_str(), "&" | "mut"));
    match (of.next().map(String::as_str), of.next()) {
        (Some("("), next) => next.is_some_and(|next| next != ")"),
        (Some(name), None) => tuples.contains(&name),
        _ => false,
    }
}

#[test]
fn between_the_files_of_a_crate_the_arrows_run_one_way() {
    let mut wrong = Vec::new();
    for held in CRATES {
        let files = arrows(&modules(held.source));
        let mut found = circles(&rooms_of(&files, 1), held.known);
        if held.grain == Grain::Files {
            found.extend(circles(&rooms_of(&files, 2), held.known));
            found.extend(circles(&files, held.known));
        }
        let of = |circle| format!("{}: {circle}", held.source);
        wrong.extend(found.into_iter().map(of));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_public_type_has_a_name_of_its_own_in_its_crate() {
    let mut wrong = Vec::new();
    for held in CRATES {
        let modules = modules(held.source);
        let mut defined: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (module, tokens) in &modules {
            for name in public_types(tokens) {
                defined.entry(name).or_default().push(module.join("::"));
            }
        }
        defined.retain(|_, places| places.len() > 1);
        let of = |(name, places)| format!("{}: {name}: {places:?}", held.source);
        wrong.extend(defined.into_iter().map(of));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Most parameters of a function: beyond them, some belong together and have a name.
const PARAMETERS_MAX: usize = 6;

#[test]
fn a_function_takes_few_things_and_each_by_name() {
    let mut wrong = Vec::new();
    for held in CRATES {
        for (module, tokens) in &modules(held.source) {
            let tuples: Vec<&str> = tuple_names(tokens).collect();
            for (name, parameters) in parameters(tokens) {
                let place = format!("{} {}: fn {name}", held.source, module.join("::"));
                if parameters.iter().any(|one| is_tuple(one, &tuples)) {
                    wrong.push(format!("{place} takes a tuple"));
                }
                if parameters.len() > PARAMETERS_MAX {
                    wrong.push(format!("{place} takes {}", parameters.len()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A crate of these files, given by their modules and texts.
fn given(files: &[(&str, &str)]) -> BTreeMap<Path, Vec<String>> {
    let path = |module: &str| module.split("::").map(str::to_owned).collect();
    let of = |(module, text): &(&str, &str)| (path(module), without_tests(&tokens(text)));
    files.iter().map(of).collect()
}

#[test]
fn a_circle_is_found_through_braces_parents_and_paths_in_the_text() {
    let circle = |a: &str, b: &str| {
        let modules = given(&[("a", a), ("a::child", b), ("ground", "pub struct Ground;")]);
        circles(&arrows(&modules), &[]).join("\n")
    };
    let down = "mod child; use child::{Leaf, self}; use crate::ground::Ground;";
    assert_eq!(circle(down, "use crate::{ground::Ground, x};"), "");
    let both = "a circle of 2:\n  a -> a::child: Leaf, self\n  a::child -> a: Root";
    assert_eq!(
        circle(down, "use crate::{ground::{Ground}, a::Root};"),
        both
    );
    assert_eq!(circle(down, "use super::Root;"), both);
    assert_eq!(circle(down, "fn of(root: &super::Root<'_>) {}"), both);
    assert_eq!(circle("mod child;", "use super::Root;"), "");
    let known: &[&[&str]] = &[&["a", "a::child"]];
    let two = given(&[("a", down), ("a::child", "use super::Root;")]);
    assert!(circles(&arrows(&two), known).is_empty());
    // Neither tests nor comments nor texts count, and an inner module is of its file.
    for none in [
        "#[cfg(test)] mod tests { use super::super::Root; }",
        "#[cfg(test)] use super::{Root}; fn of() {}",
        "// super::Root\n/* super::Root */ const A: &str = \"\\\"super::Root\";",
        "const A: &str = r#\"\"super::Root\"#; const B: char = '\"'; const C: char = '\\'';",
        "mod inner { use super::Leaf; }",
        "pub(in super::super) fn of() {}",
    ] {
        assert_eq!(circle(down, none), "", "{none}");
    }
}

#[test]
fn two_rooms_may_tie_each_other_by_files_that_do_not() {
    let files = given(&[
        ("a::one", "use crate::b::Two;"),
        ("b", "pub struct Two;"),
        ("b::three", "use crate::a::Root;"),
        ("a", "pub struct Root;"),
    ]);
    let files = arrows(&files);
    assert!(circles(&files, &[]).is_empty());
    let rooms = circles(&rooms_of(&files, 1), &[]).join("\n");
    let wanted = "a circle of 2:\n  a -> b: a::one -> b::Two\n  b -> a: b::three -> a::Root";
    assert_eq!(rooms, wanted);
}

#[test]
fn a_module_that_is_only_for_tests_is_known() {
    let text = "#[cfg(test)] mod power; #[cfg(test)] pub(crate) mod more; mod real;
        #[cfg(test)] mod inner { fn of() {} } #[cfg(test)] use a::b;";
    let tokens = tokens(text);
    assert_eq!(test_modules(&tokens).collect::<Vec<_>>(), ["power", "more"]);
}

#[test]
fn public_types_are_found_by_their_names() {
    let text = "pub struct A; pub(crate) enum B {} pub trait C {} struct D; pub type E = A;
        impl F { pub fn type_of() {} } macro_rules! m { () => { pub struct $name; } } #[cfg(test)] pub struct G;";
    assert_eq!(public_types(&without_tests(&tokens(text))), ["A", "C", "E"]);
}

#[test]
fn a_tuple_is_seen_among_the_parameters_and_nowhere_else() {
    let tuples = |text: &str| {
        let tokens = tokens(text);
        let names: Vec<&str> = tuple_names(&tokens).collect();
        let all = parameters(&tokens);
        let (_, parameters) = &all[0];
        let tuples = parameters.iter().filter(|one| is_tuple(one, &names));
        (parameters.len(), tuples.count())
    };
    assert_eq!(
        tuples("fn a(&self, (x, y): (u8, u8), z: &mut (u8, u8))"),
        (3, 2)
    );
    assert_eq!(
        tuples("fn a<F: Fn((u8, u8)) -> u8>(f: F, of: &[(u8, u8)])"),
        (2, 0)
    );
    assert_eq!(
        tuples("fn a(f: impl Fn(u8, u8), p @ P { x, y }: P, none: ())"),
        (3, 0)
    );
    assert_eq!(tuples("fn a() -> (u8, u8)"), (0, 0));
    assert_eq!(
        tuples("type Sides = (u8, u8); fn a(from: &Sides, to: u8)"),
        (2, 1)
    );
}

/// The rooms that each room of a crate uses.
pub(super) fn uses_of_rooms(source: &str) -> BTreeMap<String, BTreeSet<String>> {
    let rooms = rooms_of(&arrows(&modules(source)), 1);
    let name = |path: &Path| path.first().cloned().unwrap_or_default();
    let uses = rooms.iter().map(|(room, others)| {
        let others = others.keys().map(name).filter(|other| *other != name(room));
        (name(room), others.collect())
    });
    uses.collect()
}
