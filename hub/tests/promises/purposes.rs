//! What gates are for (C05, C07, C42, E06): every route that takes grounds, over HTTPS, by people of three bodies.

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use varco_hub::agreements::desk::{self as agreements, Party, WantedAgreement};
use varco_hub::audit::purpose::Purpose;
use varco_hub::bodies::desk as bodies;
use varco_hub::municipalities::desk as municipal;
use varco_hub::people::tokens::Permission;
use varco_hub::purposes::desk::{self as purposes, PurposeDeskError, WantedPurposes};
use varco_hub::purposes::{PurposeList, PurposeScope};
use varco_hub::timekeeping::Clock as _;

use crate::agreements::{Consortium, act, name, pact};
use crate::described::operations_with_grounds;
use crate::support::{Carrying as _, DAY, SECOND, token_for};

pub(crate) const TASKS: [Permission; 6] = [
    Permission::Lookups,
    Permission::Alerts,
    Permission::Hotlists,
    Permission::Convoys,
    Permission::Statistics,
    Permission::Cases,
];
/// Where it is allowed, as in Sesto San Giovanni.
const BASIS: &str = "Regolamento del Consiglio comunale 7/2026";

impl Consortium {
    /// Makes a list, and gives what became of it.
    pub(crate) fn list(
        &self,
        scope: PurposeScope,
        of: &[Purpose],
        basis: Option<&str>,
    ) -> Result<PurposeList, PurposeDeskError> {
        act(&self.house, |main, acting| {
            let wanted = WantedPurposes {
                scope,
                purposes: of.iter().copied().collect(),
                act: "D.C.C. 12/2026".to_owned(),
                sanction_basis: basis.map(str::to_owned),
                from: acting.now,
            };
            purposes::set(main, &wanted, acting)
        })
    }

    pub(crate) fn town(&self, town: &str, of: &[Purpose], basis: Option<&str>) {
        let scope = PurposeScope::Municipality(name(town));
        self.list(scope, of, basis).unwrap();
    }

    /// What to send to a route that takes grounds.
    pub(crate) fn request(&self, path: &str, stated: Value) -> Value {
        let place = |gate: &str| {
            let window = self.ask(json!({}));
            json!({"gates": [gate], "from": window["from"], "to": window["to"]})
        };
        let mut body = match path {
            "/api/v1/lookups" | "/api/v1/cases/{id}/holdings" => {
                self.ask(json!({"plate": "*", "limit": 100}))
            }
            "/api/v1/lookups/both" => {
                json!({"here": place("porta-nord"), "there": place("porta-est")})
            }
            "/api/v1/lookups/companions" => {
                self.ask(json!({"plate": "AB001CD", "window_s": 60, "least": 2}))
            }
            "/api/v1/cases" => json!({
                "id": "uno", "authority": "Procura", "order": "decreto 5/2026",
                "until": "2027-03-01T00:00:00Z",
            }),
            "/api/v1/blocks" => json!({"transits": [], "order": "istanza 1/2026"}),
            "/api/v1/second-looks" => json!({"plate": "AB001CD"}),
            "/api/v1/hotlists" => json!({
                "id": "rubate", "name": "Rubate", "reason": "furto", "owner": "Polizia Locale",
                "valid_to": "2026-12-31T00:00:00Z",
            }),
            "/api/v1/transits/live" => json!({}),
            "/api/v1/transits/{id}/corrections" => {
                json!({"plate": "AB003CE", "reason": "si legge una E"})
            }
            "/api/v1/evidence" => json!({
                "case_type": "complaint", "reference": "querela 1/2026",
                "recipient_kind": "judicial-authority", "recipient": "Procura di Perugia",
                "transits": [], "standing": 1,
            }),
            other => panic!("say here what to send to {other}, which takes grounds"),
        };
        for (field, value) in stated.as_object().unwrap() {
            body[field] = value.clone();
        }
        body
    }

    /// Asks a route that takes grounds; gives its status and what it says.
    pub(crate) async fn try_route(
        &self,
        who: &Trying,
        method: &str,
        path: &str,
        stated: Value,
    ) -> (u16, Value) {
        self.house.clock.advance(SECOND * 61); // A token that is refused too often waits.
        let mut body = self.request(path, stated);
        let of_transit = path.contains("/transits/{id}");
        let id = if of_transit {
            who.transit.as_str()
        } else {
            "uno"
        };
        if ["/api/v1/blocks", "/api/v1/evidence"].contains(&path) {
            body["transits"] = json!([who.transit]);
        }
        let url = format!("{}{}", self.hub.url, path.replace("{id}", id));
        let request = self.hub.client.request(method.parse().unwrap(), url);
        let request = match method {
            "GET" => request.query(&body),
            _ => request.json(&body),
        };
        let answer = request.carrying(&who.token).send().await.unwrap();
        let status = answer.status().as_u16();
        let told = match status {
            200 if method == "GET" => Value::Null,
            _ => answer.json().await.unwrap_or(Value::Null),
        };
        (status, told)
    }
}

/// Somebody who tries routes, and a transit within their reach.
pub(crate) struct Trying {
    pub(crate) token: String,
    pub(crate) transit: String,
}

impl Consortium {
    pub(crate) async fn trying(&self, token: &str) -> Trying {
        let lookup = self.ask(json!({"plate": "AB003CD"}));
        let (status, found) = self.send(token, "/api/v1/lookups", &lookup).await;
        assert_eq!(status, 200, "{found}");
        Trying {
            token: token.to_owned(),
            transit: found["results"][0]["transit_id"]
                .as_str()
                .unwrap()
                .to_owned(),
        }
    }
}

pub(crate) fn gate(id: &str) -> PurposeScope {
    PurposeScope::Gate(id.parse().unwrap())
}

fn left_out(answer: &Value) -> Vec<String> {
    let all = answer["left_out"].as_array().unwrap().iter();
    let text = |one: &Value| {
        let gates = one["gates"].as_array().unwrap().iter();
        let gates: Vec<_> = gates.map(|gate| gate.as_str().unwrap()).collect();
        let whose = one["municipality"].as_str().unwrap_or_default();
        format!(
            "{whose}:{}:{}",
            gates.join(","),
            one["why"].as_str().unwrap()
        )
    };
    all.map(text).collect()
}

#[tokio::test]
async fn c05_c07_part_every_route_refuses_what_the_municipality_is_not_for_and_a_reference_of_another_form()
 {
    let town = Consortium::new().await;
    let operator = token_for(&town.house, "Ag. Rossi", Some("owner"), &TASKS);
    let trying = town.trying(&operator).await;
    let routes = operations_with_grounds();
    assert!(routes.len() >= 9, "{routes:?}");
    let stated =
        |purpose: &str, reference: &str| json!({"purpose": purpose, "case_reference": reference});
    // Nobody made a list: the nine of art. 4 c. 5, and sanctions never (art. 4 c. 7).
    for (method, path) in &routes {
        let said = stated("sanction", "PL/0001/2026");
        let (status, told) = town.try_route(&trying, method, path, said).await;
        assert_eq!(status, 422, "{path}: {told}");
        let what = told["what_to_do"].as_str().unwrap();
        assert!(what.contains("art. 4 c. 7"), "{path}: {what}");
    }
    town.town("Perugia", &[Purpose::PublicSafety, Purpose::Events], None);
    act(&town.house, |main, acting| {
        let form = "PL/####/YYYY".parse().unwrap();
        let owner = "owner".parse().unwrap();
        bodies::set_reference_form(main, &owner, Some(&form), acting).unwrap();
    });
    for (method, path) in &routes {
        for (said, names) in [
            (stated("sanction", "PL/0001/2026"), "art. 4 c. 7"),
            (stated("traffic", "PL/0001/2026"), "public-safety, events"),
            (stated("curiosity", "PL/0001/2026"), "no such purpose"),
            (
                json!({"case_reference": "PL/0001/2026", "purpose": ""}),
                "purpose",
            ),
            (stated("events", "PG 9/2026"), "PL/####/YYYY"),
            (json!({"purpose": "events", "case_reference": ""}), "case"),
        ] {
            let (status, told) = town.try_route(&trying, method, path, said.clone()).await;
            assert_eq!(status, 422, "{path} {said}: {told}");
            let what = told["what_to_do"].as_str().unwrap();
            assert!(what.contains(names), "{path} {said}: {what}");
        }
    }
    // Each refusal left its line, and nothing was made.
    let refused = "SELECT count(*) FROM audit WHERE action = 'attempt-refused'";
    let refused = usize::try_from(town.house.count(refused)).unwrap();
    assert_eq!(refused, routes.len() * 7);
    for table in ["cases", "hotlists"] {
        assert_eq!(
            town.house.count(&format!("SELECT count(*) FROM {table}")),
            0
        );
    }
    // With one of theirs they are all answered; no second look is needed.
    let mut routes = routes;
    routes.sort_by_key(|(_, path)| path.contains("{id}"));
    for (method, path) in &routes {
        let said = stated("public-safety", "PL/0001/2026");
        let (status, told) = town.try_route(&trying, method, path, said).await;
        let expected: &[u16] = match path.as_str() {
            "/api/v1/second-looks" => &[409],
            // Nobody authorised it.
            "/api/v1/evidence" => &[403],
            // It names no transit that is there.
            "/api/v1/transits/{id}/corrections" => &[422],
            _ => &[200, 201, 204],
        };
        assert!(expected.contains(&status), "{path}: {status} {told}");
    }
    let answer = town
        .hub
        .client
        .get(format!("{}/api/v1/purposes", town.hub.url));
    let answer = answer.carrying(&operator).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["purposes"], json!(["public-safety", "events"]));
    assert_eq!(answer["reference_form"], "PL/####/YYYY");
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn c05_a_search_is_for_one_purpose_and_names_the_gates_that_are_for_others() {
    let town = Consortium::new().await;
    act(&town.house, |main, acting| {
        let wanted = WantedAgreement {
            purposes: [Purpose::PublicSafety, Purpose::Traffic].into(),
            ..pact("corciano", "Corciano", &["owner"], acting.now)
        };
        agreements::make(main, &wanted, acting).unwrap();
        for gate in ["porta-est", "porta-ovest"] {
            let gate = gate.parse().unwrap();
            municipal::give(main, &gate, Some(&name("Perugia")), acting).unwrap();
        }
    });
    town.house.clock.advance(SECOND);
    town.list(gate("porta-nord"), &[Purpose::Events], None)
        .unwrap();
    let asked = |purpose: &str, gates: &[&str]| {
        town.ask(json!({"plate": "*", "limit": 100, "purpose": purpose, "gates": gates}))
    };
    for (purpose, gates, seen, told) in [
        (
            "public-safety",
            &[][..],
            12,
            &["Perugia:porta-nord:purpose"][..],
        ),
        ("events", &[], 12, &["Corciano:porta-sud:purpose"]),
        ("events", &["porta-nord"], 6, &[]),
        (
            "traffic",
            &["porta-nord", "porta-sud"],
            6,
            &["Perugia:porta-nord:purpose"],
        ),
        ("events", &["porta-sud"], 0, &["Corciano:porta-sud:purpose"]),
        (
            "events",
            &["porta-nord", "fantasma"],
            6,
            &[], // What nobody has is the owner's.
        ),
    ] {
        let (status, answer) = town
            .send(&town.perugia, "/api/v1/lookups", &asked(purpose, gates))
            .await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["total"], seen, "{purpose} {gates:?}: {answer}");
        assert_eq!(left_out(&answer), told, "{purpose} {gates:?}");
    }
    // So does every other question.
    let window = town.ask(json!({}));
    let place = |gate: &str| json!({"gates": [gate], "from": window["from"], "to": window["to"]});
    let both = json!({
        "here": place("porta-nord"), "there": place("porta-sud"),
        "purpose": "traffic", "case_reference": "PG 9/2026",
    });
    let (_, answer) = town
        .send(&town.perugia, "/api/v1/lookups/both", &both)
        .await;
    assert_eq!(
        left_out(&answer),
        ["Perugia:porta-nord:purpose"],
        "{answer}"
    );
    assert_eq!(answer["total"], 0);
    let company = town.ask(json!({
        "plate": "AB001CD", "window_s": 60, "least": 2, "purpose": "traffic",
    }));
    let (_, answer) = town
        .send(&town.perugia, "/api/v1/lookups/companions", &company)
        .await;
    assert_eq!(
        left_out(&answer),
        ["Perugia:porta-nord:purpose"],
        "{answer}"
    );
    let case = town.request("/api/v1/cases", town.ask(json!({})));
    let mut case = case;
    for field in ["from", "to"] {
        case.as_object_mut().unwrap().remove(field);
    }
    assert_eq!(
        town.send(&town.perugia, "/api/v1/cases", &case).await.0,
        201
    );
    let path = "/api/v1/cases/uno/holdings";
    let (_, answer) = town.send(&town.perugia, path, &asked("traffic", &[])).await;
    assert_eq!(answer["held"], 12, "{answer}");
    assert_eq!(left_out(&answer), ["Perugia:porta-nord:purpose"]);

    // Another office is told nothing of gates that are none of its business.
    let (_, answer) = town
        .send(&town.corciano, "/api/v1/lookups", &asked("events", &[]))
        .await;
    assert!(left_out(&answer).is_empty(), "{answer}");
    let (_, answer) = town
        .send(
            &town.corciano,
            "/api/v1/lookups",
            &asked("events", &["porta-nord"]),
        )
        .await;
    assert_eq!(left_out(&answer), [":porta-nord:agreement"], "{answer}");

    // Who must be let in first is told so.
    act(&town.house, |main, acting| {
        let wanted = WantedAgreement {
            admission: true,
            ..pact("ammissione", "Perugia", &["questura"], acting.now)
        };
        agreements::make(main, &wanted, acting).unwrap();
    });
    let (_, answer) = town
        .send(
            &town.questura,
            "/api/v1/lookups",
            &asked("public-safety", &[]),
        )
        .await;
    assert_eq!(answer["total"], 0);
    assert_eq!(
        left_out(&answer),
        [
            "Perugia:porta-est,porta-ovest:admission",
            "Perugia:porta-nord:purpose"
        ],
        "{answer}"
    );
}

#[tokio::test]
async fn c05_part_a_list_is_versioned_is_made_by_an_act_and_a_gates_is_within_its_municipalitys() {
    let town = Consortium::new().await;
    let perugia = || PurposeScope::Municipality(name("Perugia"));
    let made = town
        .list(perugia(), &[Purpose::Events, Purpose::Traffic], None)
        .unwrap();
    assert_eq!(made.number, 1);
    let narrow = town.list(gate("porta-nord"), &[Purpose::Heritage], None);
    assert!(matches!(
        narrow,
        Err(PurposeDeskError::NotOfMunicipality(Purpose::Heritage))
    ));
    let nobody = town.list(
        PurposeScope::Municipality(name("Deruta")),
        &[Purpose::Events],
        None,
    );
    assert!(matches!(nobody, Err(PurposeDeskError::Municipality(_))));
    assert!(matches!(
        town.list(perugia(), &[], None),
        Err(PurposeDeskError::Empty)
    ));
    let later = act(&town.house, |main, acting| {
        let wanted = WantedPurposes {
            scope: perugia(),
            purposes: [Purpose::Heritage].into(),
            act: "D.C.C. 13/2026".to_owned(),
            sanction_basis: None,
            from: acting.now + DAY,
        };
        let past = WantedPurposes {
            from: acting.now - SECOND,
            ..wanted.clone()
        };
        let past = purposes::set(main, &past, acting);
        assert!(matches!(past, Err(PurposeDeskError::Past)));
        let unnamed = WantedPurposes {
            act: " ".to_owned(),
            ..wanted.clone()
        };
        let unnamed = purposes::set(main, &unnamed, acting);
        assert!(matches!(unnamed, Err(PurposeDeskError::Act(_))));
        purposes::set(main, &wanted, acting).unwrap()
    });
    assert_eq!(later.number, 2);
    let ask = |purpose: &str| town.ask(json!({"plate": "AB001CD", "purpose": purpose}));
    for (purpose, status) in [("traffic", 200), ("heritage", 422)] {
        let got = town
            .send(&town.perugia, "/api/v1/lookups", &ask(purpose))
            .await;
        assert_eq!(got.0, status, "{}", got.1);
    }
    town.house.clock.advance(DAY);
    for (purpose, status) in [("traffic", 422), ("heritage", 200)] {
        let got = town
            .send(&town.perugia, "/api/v1/lookups", &ask(purpose))
            .await;
        assert_eq!(got.0, status, "{}", got.1);
    }
    // Each list stands in a line, with the one before.
    let line = "SELECT max(sequence) FROM audit WHERE action = 'purposes-set'";
    let line: Value = serde_json::from_str(&town.house.audit_line(town.house.count(line))).unwrap();
    assert_eq!(line["details"]["municipality"], "Perugia");
    assert_eq!(line["details"]["act"], "D.C.C. 13/2026");
    assert_eq!(
        line["details"]["before"]["purposes"],
        json!(["events", "traffic"])
    );
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn e06_c07_sanctions_are_served_where_a_recorded_regulation_allows_them_and_nowhere_else() {
    let town = Consortium::new().await;
    let sesto = || PurposeScope::Municipality(name("Corciano"));
    let list = [
        Purpose::PublicSafety,
        Purpose::UrbanSecurity,
        Purpose::Sanction,
    ];
    let no_basis = town.list(sesto(), &list, None);
    assert!(matches!(no_basis, Err(PurposeDeskError::NoBasis)));
    let alone = town.list(sesto(), &list[..2], Some(BASIS));
    assert!(matches!(alone, Err(PurposeDeskError::BasisAlone)));
    town.town("Corciano", &list, Some(BASIS));
    let local = token_for(&town.house, "Ag. Gialli", Some("pl-corciano"), &TASKS);
    let ask = |more: Value| {
        let mut asked = town.ask(json!({"plate": "*", "limit": 100, "purpose": "sanction"}));
        for (key, value) in more.as_object().unwrap() {
            asked[key] = value.clone();
        }
        asked
    };
    // E06: deterrence and repression, sanctions, urban security.
    for purpose in ["public-safety", "urban-security", "sanction"] {
        let asked = ask(json!({"purpose": purpose}));
        let (status, answer) = town.send(&local, "/api/v1/lookups", &asked).await;
        assert_eq!(
            (status, &answer["total"]),
            (200, &json!(6)),
            "{purpose}: {answer}"
        );
    }
    let (status, _) = town
        .send(
            &local,
            "/api/v1/lookups",
            &ask(json!({"purpose": "traffic"})),
        )
        .await;
    assert_eq!(status, 422);

    // An agreement that names them gives them to nobody whose own municipality has them not.
    let made = |id: &str, receiver: &str| {
        act(&town.house, |main, acting| {
            let wanted = WantedAgreement {
                purposes: [Purpose::PublicSafety, Purpose::Sanction].into(),
                ..pact(id, "Corciano", &[receiver], acting.now)
            };
            agreements::make(main, &wanted, acting).unwrap();
        });
    };
    made("con-perugia", "owner");
    made("con-questura", "questura");
    let (status, told) = town
        .send(&town.perugia, "/api/v1/lookups", &ask(json!({})))
        .await;
    assert_eq!(status, 422, "{told}");
    let (status, answer) = town
        .send(&town.questura, "/api/v1/lookups", &ask(json!({})))
        .await;
    assert_eq!((status, &answer["total"]), (200, &json!(6)), "{answer}");
    // Across all members what they have in common holds.
    let id = "con-questura".parse().unwrap();
    act(&town.house, |main, acting| {
        agreements::join(main, &id, &Party::Giver(name("Perugia")), acting).unwrap();
    });
    let (status, told) = town
        .send(&town.questura, "/api/v1/lookups", &ask(json!({})))
        .await;
    assert_eq!(status, 422, "{told}");
    act(&town.house, |main, acting| {
        agreements::leave(main, &id, &Party::Giver(name("Perugia")), acting).unwrap();
    });
    let (status, _) = town
        .send(&town.questura, "/api/v1/lookups", &ask(json!({})))
        .await;
    assert_eq!(status, 200);
    town.ends_with_its_list(&local).await;
}

impl Consortium {
    /// Lists, alerts, webhooks and streams for sanctions show nothing once the municipality's list has them not.
    async fn ends_with_its_list(&self, local: &str) {
        let trying = self.trying(local).await;
        let stated = json!({"purpose": "sanction", "case_reference": "PG 9/2026"});
        let list = self.request("/api/v1/hotlists", stated);
        assert_eq!(self.send(local, "/api/v1/hotlists", &list).await.0, 201);
        let import = format!("{}/api/v1/hotlists/rubate/entries", self.hub.url);
        let import = self.hub.client.post(import).carrying(local);
        let import = import.body("targa\nZZ001ZZ\n").send().await.unwrap();
        assert_eq!(import.status(), 200);
        let mut edge = self.house.edge_at("porta-sud-02", "porta-sud");
        let mut writer = self.house.writer();
        let (status, mut live) = self.watch_for(local, "sanction").await;
        assert_eq!(status, 200);
        let mut pass = |plate: &str| {
            let message = edge.seal(plate, self.house.clock.now());
            for transit in writer.take(&[message]).unwrap().stored {
                let _ = self.hub.live.send(transit);
            }
        };
        pass("ZZ001ZZ");
        let soon = |live| tokio::time::timeout(SECOND * 20, live);
        let text = soon(live.next()).await.unwrap().unwrap();
        assert!(text.contains("ZZ001ZZ"), "{text}");
        assert_eq!(self.alerts(local).await, 1);

        self.town(
            "Corciano",
            &[Purpose::PublicSafety, Purpose::UrbanSecurity],
            None,
        );
        assert_eq!(self.alerts(local).await, 0);
        pass("ZZ002ZZ");
        let next = tokio::time::timeout(SECOND * 2, live.next()).await;
        let shown = next.ok().flatten();
        assert!(!shown.is_some_and(|text| text.contains("ZZ002ZZ")));
        for (method, path) in operations_with_grounds() {
            let said = json!({"purpose": "sanction", "case_reference": "PG 9/2026"});
            let (status, told) = self.try_route(&trying, &method, &path, said).await;
            assert_eq!(status, 422, "{path}: {told}");
        }
    }

    pub(crate) async fn alerts(&self, token: &str) -> usize {
        let url = format!("{}/api/v1/alerts?open=true", self.hub.url);
        let answer = self
            .hub
            .client
            .get(url)
            .carrying(token)
            .send()
            .await
            .unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["alerts"].as_array().unwrap().len()
    }

    async fn watch_for(
        &self,
        token: &str,
        purpose: &str,
    ) -> (u16, impl futures_util::Stream<Item = String> + use<>) {
        let url = format!("{}/api/v1/transits/live", self.hub.url);
        let request = self.hub.client.get(url).carrying(token);
        let request = request.query(&[("purpose", purpose), ("case_reference", "PG 9/2026")]);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let parts = response.bytes_stream();
        let text = parts.map(|part| String::from_utf8_lossy(&part.unwrap()).into_owned());
        (status, text)
    }
}

#[tokio::test]
async fn c42_what_is_stored_is_re_examined_within_its_term_and_for_a_stated_need_alone() {
    let town = Consortium::new().await;
    let trying = town.trying(&town.perugia).await;
    for (method, path) in operations_with_grounds() {
        for said in [
            json!({"purpose": null, "case_reference": "PG 9/2026"}),
            json!({"purpose": "public-safety", "case_reference": null}),
            json!({"purpose": "public-safety", "case_reference": "  "}),
        ] {
            let said = match method.as_str() {
                // What is null is left out of an address.
                "GET" => json!({"purpose": "public-safety"}),
                _ => said,
            };
            let (status, told) = town.try_route(&trying, &method, &path, said).await;
            assert!([403, 422].contains(&status), "{path}: {status} {told}");
        }
    }
    let ask = |plate: &str| {
        let from = (town.begins - DAY).to_string();
        town.ask(json!({"plate": plate, "from": from, "limit": 100}))
    };
    let (_, answer) = town
        .send(&town.perugia, "/api/v1/lookups", &ask("AB00*"))
        .await;
    assert_eq!(answer["total"], 12, "{answer}");
    let line = i64::try_from(answer["audit_line"].as_u64().unwrap()).unwrap();
    let line: Value = serde_json::from_str(&town.house.audit_line(line)).unwrap();
    assert_eq!(line["purpose"], "public-safety");
    assert_eq!(line["case_reference"], "PG 9/2026");
    // To the second: the last of the six vehicles passed 50 s after the first.
    let age = town.house.clock.now().since(town.begins);
    town.house.clock.advance(DAY * 7 - age + SECOND * 45);
    let (_, answer) = town
        .send(&town.perugia, "/api/v1/lookups", &ask("AB006*"))
        .await;
    assert_eq!(answer["total"], 2, "{answer}");
    let (_, answer) = town
        .send(&town.perugia, "/api/v1/lookups", &ask("AB005*"))
        .await;
    assert_eq!(answer["total"], 0, "{answer}");
    town.house.clock.advance(SECOND * 6);
    let (_, answer) = town
        .send(&town.perugia, "/api/v1/lookups", &ask("AB00*"))
        .await;
    assert_eq!(answer["total"], 0, "{answer}");
    let case = town.request(
        "/api/v1/cases",
        json!({"purpose": "public-safety", "case_reference": "PG 9/2026"}),
    );
    assert_eq!(
        town.send(&town.perugia, "/api/v1/cases", &case).await.0,
        201
    );
    let (_, answer) = town
        .send(&town.perugia, "/api/v1/cases/uno/holdings", &ask("AB00*"))
        .await;
    assert_eq!(answer["held"], 0, "{answer}");
}
