//! Which lines somebody oversees.
//!
//! A controller watches over what their own body did (art. 6 c. 5), and over what others were shown of their
//! municipality's gates. Lines of the hub itself and of its console are its owner's to watch.

use serde_json::Value;

use crate::audit::reading::StoredLine;
use crate::store::StoreError;

/// Whose lines may be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overseen {
    /// All: on the machine itself, where whoever reads could read the database.
    Everything,
    /// Those that concern a body.
    Body {
        /// Its id, as lines name it.
        id: String,
        /// Whose gates it answers for.
        municipality: Option<String>,
        /// Whether it runs the hub.
        is_owner: bool,
    },
}

impl Overseen {
    /// Whether a line is one of these. One whose term was over tells nothing of anybody, and is everybody's.
    ///
    /// # Errors
    /// [`StoreError::Damaged`].
    pub fn has(&self, line: &StoredLine) -> Result<bool, StoreError> {
        Ok(line.said()?.is_none_or(|said| self.takes(&said)))
    }

    /// Whether a line, as it is signed, is one of these.
    #[must_use]
    pub fn takes(&self, line: &Value) -> bool {
        let Self::Body {
            id,
            municipality,
            is_owner,
        } = self
        else {
            return true;
        };
        match line["body"].as_str() {
            Some(body) if body == id => return true,
            None if *is_owner => return true,
            _ => {}
        }
        // Of alerts each says for itself what was communicated.
        let details = &line["details"];
        let alerts = details["alerts"].as_array().into_iter().flatten();
        let told = std::iter::once(details).chain(alerts);
        let given = told.filter_map(|one| one["communicated"].as_array());
        let given = given.flatten();
        let mut givers = given.filter_map(|one| one["municipality"].as_str());
        municipality
            .as_deref()
            .is_some_and(|own| givers.any(|giver| giver == own))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(id: &str, municipality: Option<&str>, is_owner: bool) -> Overseen {
        Overseen::Body {
            id: id.to_owned(),
            municipality: municipality.map(str::to_owned),
            is_owner,
        }
    }

    #[test]
    fn a_body_oversees_its_own_lines_and_what_others_were_shown_of_its_gates() {
        let perugia = body("owner", Some("Perugia"), true);
        let corciano = body("polizia-b", Some("Corciano"), false);
        let questura = body("questura", None, false);
        let all = [
            (
                json!({"body": "owner", "details": {}}),
                [true, false, false],
            ),
            (json!({"details": {}}), [true, false, false]),
            (
                json!({"body": "polizia-b", "details": {}}),
                [false, true, false],
            ),
            (
                json!({"body": "questura", "details": {"communicated": [
                    {"municipality": "Corciano", "agreement": "patto", "records": [0]}
                ]}}),
                [false, true, true],
            ),
            (
                json!({"body": "questura", "details": {"alerts": [
                    {"alert": 1},
                    {"alert": 2, "communicated": [{"municipality": "Corciano"}]},
                ]}}),
                [false, true, true],
            ),
        ];
        for (line, takes) in all {
            let given = [&perugia, &corciano, &questura].map(|of| of.takes(&line));
            assert_eq!(given, takes, "{line}");
            assert!(Overseen::Everything.takes(&line));
        }
    }
}
