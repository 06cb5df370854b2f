//! The policy with one thing wrong in it, many times over: the regulation's table must notice each.

use super::regulation::{Cell, by_policy, cells, reasons};
use super::{BUILT_IN, Policy};

/// How many are tried.
const MUTANTS: usize = 200;

/// The cells that one reason decides, or none: whatever a rule of the policy does stands in these.
fn deciding() -> Vec<(Cell, bool)> {
    let judged = cells().into_iter().map(|cell| {
        let against = reasons(&cell).len();
        (cell, against)
    });
    let few = judged.filter(|(_, against)| *against < 2);
    few.map(|(cell, against)| (cell, against == 0)).collect()
}

/// Without comments, so that nothing in them is changed.
fn rules() -> Vec<String> {
    let lines = BUILT_IN.lines();
    let text: Vec<_> = lines
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let text = text.join("\n");
    let rules = text.split(";\n").map(str::trim);
    let rules = rules.filter(|rule| !rule.is_empty());
    rules
        .map(|rule| format!("{};", rule.trim_end_matches(';')))
        .collect()
}

/// Every way in which one rule can be wrong by one change.
fn wrong(rule: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for (from, to) in [
        ("permit (", "forbid ("),
        ("forbid (", "permit ("),
        ("unless {", "when {"),
        ("when {", "unless {"),
        (" == ", " != "),
        (" && ", " || "),
        (" || ", " && "),
        ("(!", "("),
        ("&& !", "&& "),
        ("|| !", "|| "),
        ("principal is Person", "principal is System"),
        ("principal is System", "principal is Person"),
        ("resource is Site", "resource is Hub"),
        ("is_owner", "is_owner == false"),
        ("agreement.admission", "agreement.admission == false"),
        ("second_present", "second_present == false"),
        ("at_post", "at_post == false"),
    ] {
        for (place, _) in rule.match_indices(from) {
            let (before, rest) = rule.split_at(place);
            all.push(format!("{before}{to}{}", &rest[from.len()..]));
        }
    }
    for group in [
        "vehicles",
        "lookups",
        "alerts",
        "convoys",
        "cases",
        "statistics",
        "hotlists",
    ] {
        let whole = format!("Action::\"{group}\"");
        for (place, _) in rule.match_indices(&whole) {
            let (before, rest) = rule.split_at(place);
            all.push(format!("{before}Action::\"edges\"{}", &rest[whole.len()..]));
        }
    }
    all.extend(other_words(rule));
    all.extend(one_less(rule));
    all
}

/// With another word in each place where one is compared.
fn other_words(rule: &str) -> Vec<String> {
    let (_, body) = rule.split_once('\n').unwrap_or(("", rule));
    let mut all = Vec::new();
    for (place, _) in body
        .match_indices(".contains(\"")
        .chain(body.match_indices("== \""))
    {
        let Some(open) = body[place..].find('"').map(|at| place + at) else {
            continue;
        };
        let Some(close) = body[open + 1..].find('"').map(|at| open + 1 + at) else {
            continue;
        };
        let changed = format!("{}nothing{}", &body[..=open], &body[close..]);
        all.push(changed);
    }
    all
}

/// With each of a list's actions left out.
fn one_less(rule: &str) -> Vec<String> {
    let (Some(open), Some(close)) = (rule.find('['), rule.rfind(']')) else {
        return Vec::new();
    };
    let items: Vec<_> = rule[open + 1..close].split(',').map(str::trim).collect();
    let without = |skipped: usize| {
        let rest = items.iter().enumerate().filter(|(at, _)| *at != skipped);
        let rest: Vec<_> = rest.map(|(_, item)| *item).collect();
        format!("{}[{}{}", &rule[..open], rest.join(", "), &rule[close..])
    };
    (0..items.len()).map(without).collect()
}

#[test]
fn whoever_changes_one_thing_in_the_policy_is_noticed() {
    let rules = rules();
    assert!(rules.len() > 25, "the policy is read");
    let whole = Policy::read(&rules.join("\n")).unwrap();
    let deciding = deciding();
    for (cell, allowed) in &deciding {
        assert_eq!(by_policy(&whole, cell).unwrap(), *allowed, "{cell:?}");
    }
    let mut mutants = Vec::new();
    for at in 0..rules.len() {
        for wrong in wrong(&rules[at]) {
            let mut changed = rules.clone();
            changed[at].clone_from(&wrong);
            if let Ok(policy) = Policy::read(&changed.join("\n")) {
                mutants.push((policy, format!("{}\n=>\n{wrong}", rules[at])));
            }
        }
    }
    assert!(mutants.len() >= MUTANTS, "{} mutants", mutants.len());
    // A fixed shuffle: what one rule decides lies together, and a mutant is mostly found soon.
    let step = 7919;
    let unnoticed: Vec<_> = mutants
        .iter()
        .filter(|(policy, _)| {
            (0..deciding.len()).all(|k| {
                let (cell, allowed) = &deciding[k * step % deciding.len()];
                by_policy(policy, cell).is_ok_and(|said| said == *allowed)
            })
        })
        .map(|(_, what)| what.as_str())
        .collect();
    assert!(
        unnoticed.is_empty(),
        "{} of {} are not noticed:\n{}",
        unnoticed.len(),
        mutants.len(),
        unnoticed.join("\n\n")
    );
}
