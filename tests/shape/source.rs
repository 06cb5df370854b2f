//! The source of a crate as tokens: comments, texts and tests are left out.

use std::collections::BTreeMap;
use std::fs;

use crate::{files, root};

/// The module that a file is: the names from the crate's root.
pub(super) type Path = Vec<String>;

/// What stands before an item that is only for tests.
const ONLY_TESTS: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];

/// A word, `::`, or one other sign. Comments, texts and lifetimes are left out.
pub(super) fn tokens(text: &str) -> Vec<String> {
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
pub(super) fn closed(tokens: &[String], at: usize) -> usize {
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

/// The modules in files of their own that are declared only for tests.
pub(super) fn test_modules(tokens: &[String]) -> impl Iterator<Item = &str> {
    let begins = tokens.windows(ONLY_TESTS.len()).enumerate();
    let begins = begins.filter(|(_, some)| some.iter().eq(ONLY_TESTS.iter()));
    begins.filter_map(|(at, _)| {
        let item = &tokens[at + ONLY_TESTS.len()..];
        let ends = item.iter().position(|token| token == ";" || token == "{")?;
        let [.., word, name] = &item[..ends] else {
            return None;
        };
        (word == "mod" && item[ends] == ";").then_some(name.as_str())
    })
}

/// The tokens without the items that are only for tests.
pub(super) fn without_tests(tokens: &[String]) -> Vec<String> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if !tokens[at..]
            .iter()
            .take(ONLY_TESTS.len())
            .eq(ONLY_TESTS.iter())
        {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += ONLY_TESTS.len();
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

/// The files of a crate by the modules that they are, each with its tokens; without its tests, and
/// without the programs, which name the library by its own name.
pub(super) fn modules(source: &str) -> BTreeMap<Path, Vec<String>> {
    let mut all = BTreeMap::new();
    let mut for_tests: Vec<Path> = Vec::new();
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
        let tokens = tokens(&text);
        let below = |child: &str| [&module[..], &[child.to_owned()]].concat();
        for_tests.extend(test_modules(&tokens).map(below));
        all.insert(module, without_tests(&tokens));
    }
    all.retain(|module, _| !for_tests.iter().any(|of| module.starts_with(of)));
    assert!(!all.is_empty(), "no files in {source}");
    all
}

pub(super) fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}
