//! The shape of the source: between the files of a crate the arrows run one way, a public type has
//! a name of its own, and a function takes named things.
//!
//! Read from the tokens of each file without its tests. An arrow leads from a file to the file
//! that it names in a path: in a `use`, with its braces, or in its text. `super::X` leads to the
//! parent when the parent defines `X`, and to a file when `X` is a module of its own; a parent's
//! `mod child;` alone is no arrow, its `child::X` is one. A method that another file's `impl`
//! gives a type is not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::{files, root};

/// Between what of a crate the arrows run one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    dead_code,
    reason = "a crate begins with its rooms and comes to its files"
)]
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
        known: &[&["letters", "plate"]],
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

/// A word, `::`, or one other sign. Comments, texts and lifetimes are left out.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(&c) = chars.get(at) {
        let rest = &chars[at..];
        if rest.starts_with(&['/', '/']) {
            at += rest.iter().take_while(|c| **c != '\n').count();
        } else if rest.starts_with(&['/', '*']) {
            let ends = rest.windows(2).skip(2).position(|two| two == ['*', '/']);
            at += ends.map_or(rest.len(), |ends| ends + 4);
        } else if c.is_alphanumeric() || c == '_' {
            let word: String = rest
                .iter()
                .take_while(|c| c.is_alphanumeric() || **c == '_')
                .collect();
            at += word.chars().count();
            let begins_text = matches!(chars.get(at), Some('"' | '#'));
            match word.as_str() {
                "r" | "br" if begins_text => at += raw_text(&chars[at..]),
                _ => found.push(word),
            }
        } else if c == '"' {
            at += quoted(rest);
        } else if c == '\'' {
            at += character_or_lifetime(rest);
        } else if rest.starts_with(&[':', ':']) {
            found.push("::".to_owned());
            at += 2;
        } else {
            if !c.is_whitespace() {
                found.push(c.to_string());
            }
            at += 1;
        }
    }
    found
}

/// How many characters a text in quotes takes, with its quotes.
fn quoted(chars: &[char]) -> usize {
    let mut at = 1;
    while let Some(c) = chars.get(at) {
        match c {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

/// How many characters a raw text takes after its `r`.
fn raw_text(chars: &[char]) -> usize {
    let marks = chars.iter().take_while(|c| **c == '#').count();
    if chars.get(marks) != Some(&'"') {
        return marks;
    }
    let end: Vec<char> = std::iter::once('"')
        .chain(std::iter::repeat_n('#', marks))
        .collect();
    let inside = &chars[marks + 1..];
    let ends = inside.windows(end.len()).position(|some| some == end);
    ends.map_or(chars.len(), |ends| marks + 1 + ends + end.len())
}

/// How many characters a character in quotes takes, or a lifetime.
fn character_or_lifetime(chars: &[char]) -> usize {
    match chars {
        ['\'', '\\', _, rest @ ..] => 4 + rest.iter().take_while(|c| **c != '\'').count(),
        ['\'', _, '\'', ..] => 3,
        _ => {
            let name = chars[1..].iter();
            1 + name
                .take_while(|c| c.is_alphanumeric() || **c == '_')
                .count()
        }
    }
}

/// Where the bracket that opens at `at` is closed.
fn closed(tokens: &[String], at: usize) -> usize {
    let mut depth = 0_usize;
    for (here, token) in tokens.iter().enumerate().skip(at) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return here;
        }
    }
    tokens.len().saturating_sub(1)
}

/// The tokens without the items that are only for tests.
fn without_tests(tokens: &[String]) -> Vec<String> {
    const ONLY: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if !tokens[at..].iter().take(ONLY.len()).eq(ONLY.iter()) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += ONLY.len();
        while at < tokens.len() {
            match tokens[at].as_str() {
                ";" => break,
                "{" => {
                    at = closed(tokens, at);
                    // A `use` with braces goes on to its semicolon.
                    if tokens.get(at + 1).is_none_or(|next| next != ";") {
                        break;
                    }
                }
                "(" | "[" => at = closed(tokens, at),
                _ => {}
            }
            at += 1;
        }
        at += 1;
    }
    kept
}

type Path = Vec<String>;

/// The paths that a `use` names from `at` on, each behind `before`; and where it goes on.
fn use_tree(tokens: &[String], mut at: usize, before: &[String], into: &mut Vec<Path>) -> usize {
    let mut path = before.to_vec();
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = use_tree(tokens, at, &path, into);
                    at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
                }
                return at + 1;
            }
            "," | "}" | ";" => break,
            "as" => at += 2,
            "::" => at += 1,
            "self" if !path.is_empty() => at += 1,
            _ => {
                path.push(token.clone());
                at += 1;
            }
        }
    }
    into.push(path);
    at
}

/// A path that a file names, and the module within the file that it is named in.
struct Named {
    within: Path,
    path: Path,
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Every path of two words or more, and every path of a `use`.
fn named(tokens: &[String]) -> Vec<Named> {
    let (mut all, mut at, mut depth) = (Vec::new(), 0, 0_usize);
    let mut within: Vec<(String, usize)> = Vec::new();
    while at < tokens.len() {
        let next = |more: usize| tokens.get(at + more).map_or("", String::as_str);
        let here = || {
            within
                .iter()
                .map(|(name, _)| name.clone())
                .collect::<Path>()
        };
        match tokens[at].as_str() {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                within.pop_if(|(_, opened)| *opened == depth);
            }
            "mod" if is_word(next(1)) && next(2) == "{" => {
                within.push((next(1).to_owned(), depth));
                depth += 1;
                at += 2;
            }
            // What `pub(in ...)` names is no arrow.
            "pub" if next(1) == "(" => at = closed(tokens, at + 1),
            "use" if is_word(next(1)) => {
                let mut paths = Vec::new();
                at = use_tree(tokens, at + 1, &[], &mut paths);
                let of = |path| Named {
                    within: here(),
                    path,
                };
                all.extend(paths.into_iter().map(of));
                continue;
            }
            word if is_word(word) && next(1) == "::" => {
                let mut path = vec![word.to_owned()];
                while next(1 + 2 * path.len() - 2) == "::" && is_word(next(2 * path.len())) {
                    path.push(next(2 * path.len()).to_owned());
                }
                at += 2 * path.len() - 2;
                let within = here();
                all.push(Named { within, path });
            }
            _ => {}
        }
        at += 1;
    }
    all
}

/// The files of a crate by the modules that they are, each with its tokens; without its tests, and
/// without the programs, which name the library by its own name.
fn modules(source: &str) -> BTreeMap<Path, Vec<String>> {
    let mut all = BTreeMap::new();
    for file in files(&["rs"]) {
        let Ok(inner) = file.strip_prefix(source) else {
            continue;
        };
        let mut module: Path = inner
            .with_extension("")
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        let is = |name: &str| module.first().is_some_and(|first| first == name);
        if module.iter().any(|part| part == "tests") || is("main") || is("bin") {
            continue;
        }
        module.pop_if(|last| last == "mod" || last == "lib");
        let text = fs::read_to_string(root().join(&file)).unwrap();
        all.insert(module, without_tests(&tokens(&text)));
    }
    assert!(!all.is_empty(), "no files in {source}");
    all
}

/// From module to module, the names that the first takes from the second.
type Arrows = BTreeMap<Path, BTreeMap<Path, BTreeSet<String>>>;

/// The path from the crate's root that `named` is in the file of `module`; none when it is of
/// another crate.
fn absolute(module: &[String], named: &Named, known: &BTreeSet<&Path>) -> Option<Path> {
    let mut base: Path = module.iter().chain(&named.within).cloned().collect();
    let mut rest = named.path.as_slice();
    match rest.first()?.as_str() {
        "crate" => {
            base.clear();
            rest = &rest[1..];
        }
        "self" | "super" => {
            rest = rest.strip_prefix(&["self".to_owned()]).unwrap_or(rest);
            while let Some(("super", more)) = rest.split_first().map(|(f, m)| (f.as_str(), m)) {
                base.pop();
                rest = more;
            }
        }
        first => {
            base.push(first.to_owned());
            if !known.contains(&base) {
                return None;
            }
            rest = &rest[1..];
        }
    }
    base.extend_from_slice(rest);
    Some(base)
}

fn arrows(modules: &BTreeMap<Path, Vec<String>>) -> Arrows {
    let known: BTreeSet<&Path> = modules.keys().collect();
    let mut all = Arrows::new();
    for (module, tokens) in modules {
        let from = all.entry(module.clone()).or_default();
        for named in named(tokens) {
            let Some(path) = absolute(module, &named, &known) else {
                continue;
            };
            let file = (0..=path.len()).rev().find(|length| {
                let module = path[..*length].to_vec();
                known.contains(&module)
            });
            let Some(length) = file else { continue };
            if path[..length] != module[..] {
                let name = path.get(length).map_or("self", String::as_str);
                let names = from.entry(path[..length].to_vec()).or_default();
                names.insert(name.to_owned());
            }
        }
    }
    all
}

/// The same arrows between the rooms of the crate: what lies `depth` folders below `src`, with all
/// that is in it.
fn rooms_of(arrows: &Arrows, depth: usize) -> Arrows {
    let room = |module: &Path| module.iter().take(depth).cloned().collect::<Path>();
    let mut all = Arrows::new();
    for (from, to) in arrows {
        let tos = all.entry(room(from)).or_default();
        for (to, names) in to.iter().filter(|(to, _)| room(to) != room(from)) {
            let into = tos.entry(room(to)).or_default();
            into.extend(names.iter().map(|name| {
                let whole = [
                    &from[..],
                    &["->".to_owned()],
                    to,
                    std::slice::from_ref(name),
                ];
                whole.concat().join("::").replace("::->::", " -> ")
            }));
        }
    }
    all
}

/// Tarjan's search for what hangs together in both directions.
#[derive(Default)]
struct Search<'a> {
    seen: BTreeMap<&'a Path, usize>,
    low: BTreeMap<&'a Path, usize>,
    open: Vec<&'a Path>,
    circles: Vec<Vec<&'a Path>>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, node: &'a Path, arrows: &'a Arrows) {
        let number = self.seen.len();
        self.seen.insert(node, number);
        self.low.insert(node, number);
        self.open.push(node);
        for to in arrows.get(node).into_iter().flat_map(BTreeMap::keys) {
            let reached = match self.seen.get(to) {
                None => {
                    self.visit(to, arrows);
                    self.low[to]
                }
                Some(seen) if self.open.contains(&to) => *seen,
                Some(_) => continue,
            };
            let low = self.low[node].min(reached);
            self.low.insert(node, low);
        }
        if self.low[node] == number {
            let begins = self.open.iter().position(|open| *open == node).unwrap();
            let circle = self.open.split_off(begins);
            if circle.len() > 1 {
                self.circles.push(circle);
            }
        }
    }
}

/// Each circle but those that are known, with the names that tie it, for a person to read.
fn circles(arrows: &Arrows, known: &[&[&str]]) -> Vec<String> {
    let mut search = Search::default();
    for node in arrows.keys() {
        if !search.seen.contains_key(node) {
            search.visit(node, arrows);
        }
    }
    let mut found = Vec::new();
    for mut circle in search.circles {
        circle.sort();
        let names: Vec<String> = circle.iter().map(|path| path.join("::")).collect();
        if known.contains(
            &names
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .as_slice(),
        ) {
            continue;
        }
        let mut lines = vec![format!("a circle of {}:", circle.len())];
        for from in &circle {
            for (to, names) in arrows[*from].iter().filter(|(to, _)| circle.contains(to)) {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                lines.push(format!(
                    "  {} -> {}: {}",
                    from.join("::"),
                    to.join("::"),
                    names.join(", ")
                ));
            }
        }
        found.push(lines.join("\n"));
    }
    found
}

/// The public types that a file defines.
fn public_types(tokens: &[String]) -> Vec<&str> {
    let is_kind = |kind: &str| ["struct", "enum", "trait", "type"].contains(&kind);
    let of = tokens.windows(3);
    of.filter(|three| three[0] == "pub" && is_kind(&three[1]))
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
fn public_types_are_found_by_their_names() {
    let text = "pub struct A; pub(crate) enum B {} pub trait C {} struct D; pub type E = A;
        impl F { pub fn type_of() {} } #[cfg(test)] pub struct G;";
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
