//! What a rule tells the officer: what was counted, why it matters, what opens the search. Italian and English.

use super::rule::{Nearness, SearchRule};

/// One text in two languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleWords {
    /// Italian.
    pub it: String,
    /// English.
    pub en: String,
}

/// What opens a search that was stopped.
const OPENS_IT: &str = "Per proseguire, chiedi il consenso di una seconda persona: vale 24 ore per questo riferimento.";
const OPENS_EN: &str =
    "To go on, ask a second person to agree: that holds for 24 hours, for this reference.";

/// Says that a search needs a second person, and why.
#[must_use]
pub fn stopped(why: &Nearness) -> RuleWords {
    let RuleWords { it, en } = told(why);
    RuleWords {
        it: format!("{it} {OPENS_IT}"),
        en: format!("{en} {OPENS_EN}"),
    }
}

/// Says how near a search is to a rule.
#[must_use]
pub fn near(how: &Nearness) -> RuleWords {
    let RuleWords { it, en } = told(how);
    let (count, of) = (how.count, how.of);
    RuleWords {
        it: format!("{it} Sei a {count} su {of}: a {of} serve una seconda persona."),
        en: format!("{en} This is {count} of {of}: at {of} a second person is needed."),
    }
}

fn told(how: &Nearness) -> RuleWords {
    let (count, days) = (how.count, how.days);
    let (giorni, in_days) = (giorni(days), in_days(days));
    let (it, en) = match how.rule {
        SearchRule::OwnPeople => (
            "Questa targa è fra quelle che un ente ha indicato come del proprio personale o dei \
             suoi familiari."
                .to_owned(),
            "This plate is among those that a body lists as its own people's or their families'."
                .to_owned(),
        ),
        SearchRule::OnePlate => (
            format!(
                "Con questa hai cercato questa targa {} {giorni}, senza un fascicolo che cresca: \
                 nessun transito acquisito, nessun allarme, nessun collega al lavoro sul caso.",
                volte(count)
            ),
            format!(
                "With this you have searched this plate {} {in_days}, without a case that grows: \
                 nothing held, no alert, no colleague at work on it.",
                times(count)
            ),
        ),
        SearchRule::Household => (
            format!(
                "Con questa hai cercato {} {giorni} targhe che vanno insieme, come quelle di una \
                 famiglia, senza un fascicolo che cresca.",
                volte(count)
            ),
            format!(
                "With this you have searched plates that go together, as a household's do, {} \
                 {in_days}, without a case that grows.",
                times(count)
            ),
        ),
        SearchRule::OffDuty => return off_duty(count),
        SearchRule::OneReference => (
            format!(
                "Con questa hai cercato con lo stesso riferimento {count} targhe diverse {giorni}, \
                 senza un fascicolo che cresca."
            ),
            format!(
                "With this you have searched {count} different plates under one reference \
                 {in_days}, without a case that grows."
            ),
        ),
        SearchRule::Enumeration => (
            format!(
                "Le tue ricerche scorrono una targa o un varco dopo l'altro: {count} in poco tempo."
            ),
            format!(
                "Your searches go plate after plate, or gate after gate: {count} in a short time."
            ),
        ),
    };
    RuleWords { it, en }
}

fn off_duty(count: u32) -> RuleWords {
    let (it, en) = match count {
        1 => ("un'occasione".to_owned(), "one occasion".to_owned()),
        count => (format!("{count} occasioni"), format!("{count} occasions")),
    };
    RuleWords {
        it: format!(
            "Non risulti in servizio a quest'ora. Nell'ultimo mese hai cercato fuori servizio in {it}."
        ),
        en: format!(
            "You are not on duty at this hour. In the last month you have searched off duty on {en}."
        ),
    }
}

fn volte(count: u32) -> String {
    match count {
        1 => "una volta".to_owned(),
        count => format!("{count} volte"),
    }
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

fn giorni(days: u64) -> String {
    match days {
        0 => "oggi".to_owned(),
        1 => "in un giorno".to_owned(),
        days => format!("in {days} giorni"),
    }
}

fn in_days(days: u64) -> String {
    match days {
        0 => "today".to_owned(),
        1 => "in one day".to_owned(),
        days => format!("in {days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_of(rule: SearchRule) -> Nearness {
        Nearness {
            rule,
            count: 4,
            of: 4,
            days: 9,
        }
    }

    #[test]
    fn an_officer_is_told_what_was_counted_and_what_opens_the_search() {
        let words = stopped(&told_of(SearchRule::OnePlate));
        assert!(words.it.contains("4 volte in 9 giorni"), "{}", words.it);
        assert!(words.en.contains("4 times in 9 days"), "{}", words.en);
        let mut seen = std::collections::BTreeSet::new();
        for (rule, _) in SearchRule::ALL {
            let words = stopped(&told_of(rule));
            assert!(words.it.contains("seconda persona"), "{}", words.it);
            assert!(words.en.contains("second person"), "{}", words.en);
            assert!(seen.insert(words.it), "each rule has words of its own");
        }
    }

    #[test]
    fn an_officer_is_told_how_near_a_rule_is() {
        let words = near(&Nearness {
            count: 3,
            days: 0,
            ..told_of(SearchRule::OnePlate)
        });
        assert!(words.it.contains("3 volte oggi"), "{}", words.it);
        assert!(words.it.contains("3 su 4"), "{}", words.it);
        assert!(words.en.contains("3 of 4"), "{}", words.en);
    }
}
