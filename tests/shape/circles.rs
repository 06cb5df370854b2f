//! Which files name which, and where that goes in a circle.
//!
//! An arrow leads from a file to the file that it names in a path: in a `use`, with its braces, or in
//! its text. `super::X` leads to the parent when the parent defines `X`, and to a file when `X` is a
//! module of its own; a parent's `mod child;` alone is no arrow, its `child::X` is one. A method that
//! another file's `impl` gives a type is not seen.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Path, closed, is_word};

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

/// From module to module, the names that the first takes from the second.
pub(super) type Arrows = BTreeMap<Path, BTreeMap<Path, BTreeSet<String>>>;

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

pub(super) fn arrows(modules: &BTreeMap<Path, Vec<String>>) -> Arrows {
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
pub(super) fn rooms_of(arrows: &Arrows, depth: usize) -> Arrows {
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
pub(super) fn circles(arrows: &Arrows, known: &[&[&str]]) -> Vec<String> {
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
