//! The questions that can show, count or keep a transit, with what each says with and without a block.

use serde_json::{Value, json};

use crate::blocked::{BLOCKED, Scene};

/// A number of an answer.
pub(crate) struct Number {
    pub(crate) at: &'static str,
    pub(crate) free: u64,
    pub(crate) blocked: u64,
}

/// A question that can show, count or keep transits.
pub(crate) struct Route {
    pub(crate) name: &'static str,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) numbers: Vec<Number>,
    /// Digests in the audit line that it leaves, when it names what was shown.
    pub(crate) digests: Option<Digests>,
}

/// How many digests an audit line has.
pub(crate) struct Digests {
    pub(crate) free: usize,
    pub(crate) blocked: usize,
}

fn number(at: &'static str, free: u64, blocked: u64) -> Number {
    Number { at, free, blocked }
}

impl Scene {
    #[allow(clippy::too_many_lines, reason = "a table, one entry a route")]
    pub(crate) fn routes(&self, case: &str) -> Vec<Route> {
        let place = |camera: &str| {
            let window = self.window();
            json!({"cameras": [camera], "from": window["from"], "to": window["to"]})
        };
        let mut both = self.ask(json!({
            "here": place("porta-nord-01"), "there": place("porta-sud-01"),
        }));
        let companions =
            |plate: &str| self.ask(json!({"plate": plate, "window_s": 30, "least": 2}));
        for key in ["from", "to"] {
            both.as_object_mut().unwrap().remove(key);
        }
        let counts = |by: &str| {
            let window = self.window();
            json!({"from": window["from"], "to": window["to"], "by": by})
        };
        let post = |name, path: &str, body, numbers, digests: Option<(usize, usize)>| Route {
            name,
            method: "POST",
            path: path.to_owned(),
            body,
            numbers,
            digests: digests.map(|(free, blocked)| Digests { free, blocked }),
        };
        let get = |name, path: &str, numbers, digests| Route {
            method: "GET",
            ..post(name, path, Value::Null, numbers, digests)
        };
        let lookups = "/api/v1/lookups";
        let all = |more: Value| {
            let mut asked = self.ask(json!({"plate": "*", "limit": 100}));
            for (key, value) in more.as_object().unwrap() {
                asked[key] = value.clone();
            }
            asked
        };
        let whole = || vec![number("/total", 14, 12), number("/results", 14, 12)];
        let one = || vec![number("/total", 14, 12), number("/results", 1, 1)];
        let holdings = format!("/api/v1/cases/{case}/holdings");
        vec![
            post("all", lookups, all(json!({})), whole(), Some((14, 12))),
            post(
                "a page",
                lookups,
                all(json!({"limit": 1})),
                one(),
                Some((1, 1)),
            ),
            post(
                "the other end's page",
                lookups,
                all(json!({"limit": 1, "oldest_first": true})),
                one(),
                Some((1, 1)),
            ),
            post(
                "its plate",
                lookups,
                self.ask(json!({"plate": BLOCKED})),
                vec![
                    number("/total", 2, 0),
                    number("/results", 2, 0),
                    number("/blocked", 0, 2),
                ],
                Some((2, 0)),
            ),
            post(
                "a pattern and its page",
                lookups,
                self.ask(json!({"plate": "CO11*", "limit": 1})),
                vec![number("/total", 2, 0), number("/results", 1, 0)],
                Some((1, 0)),
            ),
            post(
                "misread",
                lookups,
                self.ask(json!({"plate": "CO111NW", "misread": true})),
                vec![number("/total", 2, 0), number("/results", 2, 0)],
                Some((2, 0)),
            ),
            post(
                "both",
                "/api/v1/lookups/both",
                both,
                vec![number("/total", 3, 2), number("/vehicles", 3, 2)],
                Some((6, 4)),
            ),
            post(
                "companions",
                "/api/v1/lookups/companions",
                companions("AB001CD"),
                vec![number("/total", 2, 1), number("/vehicles", 2, 1)],
                Some((4, 2)),
            ),
            post(
                "its companions",
                "/api/v1/lookups/companions",
                companions(BLOCKED),
                vec![number("/total", 2, 0), number("/vehicles", 2, 0)],
                Some((4, 0)),
            ),
            post(
                "counts",
                "/api/v1/counts",
                counts("camera"),
                vec![
                    number("/cells/0/count", 6, 5),
                    number("/cells/1/count", 6, 5),
                ],
                None,
            ),
            post(
                "counts by gate",
                "/api/v1/counts",
                counts("gate"),
                vec![
                    number("/cells/0/count", 6, 5),
                    number("/cells/1/count", 6, 5),
                ],
                None,
            ),
            post(
                "holding",
                &holdings,
                self.ask(json!({"plate": "*0*", "limit": 100})),
                vec![number("/found", 12, 12), number("/blocked", 0, 0)],
                Some((12, 12)),
            ),
            post(
                "holding it",
                &holdings,
                self.ask(json!({"plate": BLOCKED})),
                vec![number("/found", 2, 0), number("/blocked", 0, 2)],
                Some((2, 0)),
            ),
            get(
                "a case",
                "/api/v1/cases/held-before",
                vec![
                    number("/transits", 4, 2),
                    number("/case/transits", 4, 2),
                    number("/case/blocked", 0, 2),
                    number("/broken", 0, 0),
                ],
                Some((4, 2)),
            ),
            get(
                "the cases",
                "/api/v1/cases",
                vec![
                    number("/cases/0/transits", 4, 2),
                    number("/cases/0/blocked", 0, 2),
                ],
                None,
            ),
            get(
                "alerts",
                "/api/v1/alerts",
                vec![number("/alerts", 4, 2)],
                Some((4, 2)),
            ),
            get(
                "a page of open alerts",
                "/api/v1/alerts?open=true&limit=1&before=3",
                vec![number("/alerts", 1, 1)],
                Some((1, 1)),
            ),
        ]
    }
}
