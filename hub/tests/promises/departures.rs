//! A member that leaves gets a certificate (C46): nobody reaches what it shared, what others still had is destroyed, and
//! what cases keep for proceedings is named.

use serde_json::{Value, json};
use varco_hub::agreements::AgreementId;
use varco_hub::agreements::desk::{self as agreements, AgreementError, Party, WantedAgreement};
use varco_hub::audit::purpose::Purpose;
use varco_hub::bodies::BodyKind;
use varco_hub::bodies::desk::{self as bodies, WantedBody};
use varco_hub::departures::certificate::{CertifiedParty, SignedDestruction};
use varco_hub::departures::cessation;
use varco_hub::departures::desk::{self, DepartureError, DepartureKeys};
use varco_hub::hours::keys::HourKeys;
use varco_hub::people::tokens::Permission;
use varco_hub::proof::remaining;
use varco_hub::timekeeping::Clock as _;

use crate::agreements::{Consortium, act, name, pact};
use crate::support::{Carrying as _, SECOND, token_for};

impl Consortium {
    fn certify(&self, id: &str, party: &Party) -> Result<String, DepartureError> {
        let home = &self.house.home;
        let keys = DepartureKeys {
            hours: HourKeys::open(&home.hour_keys(), &home.store_key_file()).unwrap(),
            cases: home.case_keys().unwrap(),
        };
        let id: AgreementId = id.parse().unwrap();
        act(&self.house, |main, acting| {
            desk::certify(main, &keys, &id, party, acting)
        })
    }

    async fn get(&self, token: &str, path: &str) -> Value {
        let url = format!("{}{path}", self.hub.url);
        let answer = self
            .hub
            .client
            .get(url)
            .carrying(token)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    /// A list of the Questura's, an alert of it, and a case that holds what an agreement shares.
    async fn used_by_the_questura(&self, token: &str) {
        let list = json!({
            "id": "rubate", "name": "Rubate", "reason": "furto", "owner": "Questura",
            "purpose": "public-safety", "case_reference": "PG 77/2026",
            "valid_to": "2026-12-31T00:00:00Z",
        });
        assert_eq!(self.send(token, "/api/v1/hotlists", &list).await.0, 201);
        let import = format!("{}/api/v1/hotlists/rubate/entries", self.hub.url);
        let import = self.hub.client.post(import).carrying(token);
        let import = import.body("targa\nZZ001ZZ\n").send().await.unwrap();
        assert_eq!(import.status(), 200);
        let mut writer = self.house.writer();
        for (id, gate) in [
            ("porta-sud-02", "porta-sud"),
            ("porta-nord-02", "porta-nord"),
        ] {
            let mut edge = self.house.edge_at(id, gate);
            let message = edge.seal("ZZ001ZZ", self.house.clock.now());
            writer.take(&[message]).unwrap();
        }
        let case = json!({
            "id": "indagine", "authority": "Procura di Perugia", "order": "decreto 5/2026",
            "until": "2027-03-01T00:00:00Z", "purpose": "public-safety",
            "case_reference": "RGNR 123/2026",
        });
        assert_eq!(self.send(token, "/api/v1/cases", &case).await.0, 201);
        let wanted = self.ask(json!({"plate": "AB00*", "limit": 100}));
        let (_, held) = self
            .send(token, "/api/v1/cases/indagine/holdings", &wanted)
            .await;
        assert_eq!(held["held"], 12, "{held}");
    }
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn c46_who_leaves_is_certified_that_what_it_shared_is_destroyed_or_kept_for_proceedings() {
    let town = Consortium::new().await;
    let tasks = [
        Permission::Lookups,
        Permission::Alerts,
        Permission::Hotlists,
        Permission::Cases,
    ];
    let questura = token_for(&town.house, "Isp. Blu", Some("questura"), &tasks);
    act(&town.house, |main, acting| {
        let wanted = WantedAgreement {
            lead: name("Perugia"),
            givers: [name("Perugia"), name("Corciano")].into(),
            purposes: [Purpose::PublicSafety].into(),
            ..pact("provincia", "Perugia", &["questura", "owner"], acting.now)
        };
        agreements::make(main, &wanted, acting).unwrap();
    });
    town.used_by_the_questura(&questura).await;
    let alerts = async || {
        let answer = town.get(&questura, "/api/v1/alerts?open=true").await;
        let alerts = answer["alerts"].as_array().unwrap().clone();
        let gate = |alert: &Value| alert["transit"]["gate"].as_str().unwrap().to_owned();
        let mut gates: Vec<_> = alerts.iter().map(gate).collect();
        gates.sort();
        gates
    };
    assert_eq!(alerts().await, ["porta-nord", "porta-sud"]);
    let corciano = Party::Giver(name("Corciano"));
    let early = town.certify("provincia", &corciano);
    assert!(matches!(early, Err(DepartureError::IsMember)), "{early:?}");
    let stranger = town.certify("provincia", &Party::Giver(name("Deruta")));
    assert!(matches!(stranger, Err(DepartureError::NoMember)));

    let id: AgreementId = "provincia".parse().unwrap();
    town.house.clock.advance(SECOND);
    act(&town.house, |main, acting| {
        agreements::leave(main, &id, &corciano, acting).unwrap();
    });
    let rows = "SELECT count(*) FROM alerts";
    assert_eq!(town.house.count(rows), 2);
    let text = town.certify("provincia", &corciano).unwrap();
    assert_eq!(
        town.house.count(rows),
        1,
        "the copy of Corciano's is destroyed"
    );
    assert_eq!(alerts().await, ["porta-nord"], "what others share goes on");
    let wanted = town.ask(json!({"plate": "*", "limit": 100}));
    let (_, answer) = town.send(&questura, "/api/v1/lookups", &wanted).await;
    let gates = answer["results"].as_array().unwrap().iter();
    let gates: Vec<_> = gates.map(|one| one["gate"].as_str().unwrap()).collect();
    assert!(!gates.is_empty() && gates.iter().all(|gate| *gate == "porta-nord"));

    let hub_key = town.house.home.sealing_key().unwrap().opening_key();
    let held = SignedDestruction::verified(&text, Some(&hub_key))
        .unwrap()
        .certificate;
    assert_eq!(held.alerts_destroyed, 1);
    assert_eq!(
        held.gates
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["porta-sud"]
    );
    let looked_at: Vec<_> = held.looked_at.iter().map(String::as_str).collect();
    assert_eq!(looked_at, ["owner", "questura"]);
    assert!(held.shared_otherwise.is_empty());
    let [kept] = &held.kept_for_proceedings[..] else {
        panic!("{held:?}");
    };
    assert_eq!((kept.case.as_str(), kept.transits), ("indagine", 6));
    assert_eq!(kept.authority, "Procura di Perugia");
    assert_eq!(held.lists.len(), 1);
    assert_eq!(
        (held.lists[0].list.as_str(), held.lists[0].alerts_destroyed),
        ("rubate", 1)
    );
    assert!(
        held.says.contains("6 transiti in 1 fascicoli"),
        "{}",
        held.says
    );
    let case = town.get(&questura, "/api/v1/cases/indagine").await;
    assert_eq!(case["case"]["transits"], 12, "the order goes on");

    // It is made once, with its line, and stays as it was.
    let line = "SELECT max(sequence) FROM audit WHERE action = 'destruction-certified'";
    let line: Value = serde_json::from_str(&town.house.audit_line(town.house.count(line))).unwrap();
    assert_eq!(line["details"]["giver"], "Corciano");
    town.house.clock.advance(SECOND);
    assert_eq!(town.certify("provincia", &corciano).unwrap(), text);
    let lines = "SELECT count(*) FROM audit WHERE action = 'destruction-certified'";
    assert_eq!(town.house.count(lines), 1);

    // Who had seen others' gets one too.
    let receiver = Party::Receiver("questura".parse().unwrap());
    act(&town.house, |main, acting| {
        agreements::leave(main, &id, &receiver, acting).unwrap();
    });
    let text = town.certify("provincia", &receiver).unwrap();
    let held = SignedDestruction::verified(&text, Some(&hub_key))
        .unwrap()
        .certificate;
    assert_eq!(
        (held.alerts_destroyed, held.kept_for_proceedings[0].transits),
        (1, 12)
    );
    assert_eq!(town.house.count(rows), 0);
    let (_, answer) = town.send(&questura, "/api/v1/lookups", &wanted).await;
    assert_eq!(answer["total"], 0);
}

#[tokio::test]
async fn d07_one_municipality_leads_at_a_time_and_another_may_by_a_later_act() {
    let town = Consortium::new().await;
    act(&town.house, |main, acting| {
        let wanted = WantedAgreement {
            givers: [name("Corciano"), name("Perugia")].into(),
            ..pact("sesto", "Corciano", &["questura"], acting.now)
        };
        agreements::make(main, &wanted, acting).unwrap();
    });
    let mine = town.get(&town.questura, "/api/v1/agreements").await;
    let [one] = &mine["agreements"].as_array().unwrap()[..] else {
        panic!("{mine}");
    };
    for (field, expected) in [
        ("id", json!("sesto")),
        ("lead", json!("Corciano")),
        ("legal_basis", json!("L. 18 aprile 2017 n. 48, art. 5")),
        ("gives", json!(false)),
        ("gets", json!(true)),
        ("holds", json!(true)),
        ("common_purposes", json!(["public-safety"])),
        ("givers", json!(["Corciano", "Perugia"])),
    ] {
        assert_eq!(one[field], expected, "{field}");
    }
    let id: AgreementId = "sesto".parse().unwrap();
    act(&town.house, |main, acting| {
        let stranger = agreements::let_lead(main, &id, &name("Deruta"), acting);
        assert!(matches!(stranger, Err(AgreementError::NoMember)));
        let leads = agreements::leave(main, &id, &Party::Giver(name("Corciano")), acting);
        assert!(
            matches!(leads, Err(AgreementError::Leads(_))),
            "none without a lead"
        );
        let before = agreements::let_lead(main, &id, &name("Perugia"), acting).unwrap();
        assert_eq!(before, name("Corciano"));
    });
    let line = "SELECT max(sequence) FROM audit WHERE action = 'agreement-led'";
    let line: Value = serde_json::from_str(&town.house.audit_line(town.house.count(line))).unwrap();
    assert_eq!(
        (&line["details"]["lead"], &line["details"]["before"]),
        (&json!("Perugia"), &json!("Corciano"))
    );
    let theirs = town.get(&town.corciano, "/api/v1/agreements").await;
    let one = &theirs["agreements"][0];
    assert_eq!(
        (&one["lead"], &one["gives"]),
        (&json!("Perugia"), &json!(true))
    );
    assert_eq!(one["gets"], false);
    act(&town.house, |main, acting| {
        agreements::end(main, &id, acting).unwrap();
    });
    let ended = town.get(&town.questura, "/api/v1/agreements").await;
    let one = &ended["agreements"][0];
    assert_eq!(
        (&one["holds"], &one["gets"]),
        (&json!(false), &json!(false))
    );
    assert!(one["ended_at"].is_string());
    // Who is no party is told of none.
    act(&town.house, |main, acting| {
        let second = pact("altro", "Corciano", &["owner"], acting.now);
        agreements::make(main, &second, acting).unwrap();
    });
    let mine = town.get(&town.questura, "/api/v1/agreements").await;
    assert_eq!(mine["agreements"].as_array().unwrap().len(), 1, "{mine}");
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn c46_a_municipality_that_ceases_is_certified_that_nothing_of_its_gates_is_stored_any_more()
{
    let town = Consortium::new().await;
    let id: AgreementId = "provincia".parse().unwrap();
    act(&town.house, |main, acting| {
        let wanted = WantedAgreement {
            lead: name("Perugia"),
            givers: [name("Perugia"), name("Corciano")].into(),
            ..pact("provincia", "Perugia", &["questura"], acting.now)
        };
        agreements::make(main, &wanted, acting).unwrap();
    });
    let case = json!({
        "id": "di-corciano", "authority": "Procura di Perugia", "order": "decreto 6/2026",
        "until": "2027-03-01T00:00:00Z", "purpose": "public-safety",
        "case_reference": "RGNR 124/2026",
    });
    assert_eq!(
        town.send(&town.corciano, "/api/v1/cases", &case).await.0,
        201
    );
    let wanted = town.ask(json!({"plate": "AB001CD"}));
    let path = "/api/v1/cases/di-corciano/holdings";
    assert_eq!(town.send(&town.corciano, path, &wanted).await.1["held"], 1);
    let certify = || {
        let keys = town.house.home.case_keys().unwrap();
        act(&town.house, |main, acting| {
            let stored = |gates: &_| remaining::stored_of(&town.house.home, gates);
            cessation::certify(main, &keys, &name("Corciano"), stored, acting)
        })
    };
    assert!(matches!(certify(), Err(DepartureError::NotCeased(_))));
    act(&town.house, |main, acting| {
        let lead = cessation::cease(main, &name("Perugia"), "D.C.C. 9/2026", acting);
        assert!(
            matches!(lead, Err(DepartureError::Agreement(_))),
            "it leads"
        );
        let unnamed = cessation::cease(main, &name("Corciano"), " ", acting);
        assert!(matches!(unnamed, Err(DepartureError::Act)));
    });
    town.house.clock.advance(SECOND);
    let left = act(&town.house, |main, acting| {
        cessation::cease(main, &name("Corciano"), "D.C.C. 9/2026", acting).unwrap()
    });
    assert_eq!(left, std::slice::from_ref(&id));
    // Nobody sees it under the agreement any more, and its own police only what is younger than an hour.
    let all = town.ask(json!({"plate": "*", "limit": 100}));
    let (_, answer) = town.send(&town.questura, "/api/v1/lookups", &all).await;
    assert_eq!(answer["total"], 6, "Perugia's goes on: {answer}");
    let (_, answer) = town.send(&town.corciano, "/api/v1/lookups", &all).await;
    assert_eq!(answer["total"], 0, "{answer}");
    let stored = certify();
    assert!(
        matches!(stored, Err(DepartureError::Stored(6))),
        "{stored:?}"
    );

    // The hub destroys it by itself.
    assert_eq!(crate::terms::upkeep(&town.house), 6);
    let text = certify().unwrap();
    let hub_key = town.house.home.sealing_key().unwrap().opening_key();
    let held = SignedDestruction::verified(&text, Some(&hub_key))
        .unwrap()
        .certificate;
    assert_eq!(
        held.left,
        CertifiedParty::Municipality("Corciano".to_owned())
    );
    assert_eq!((held.stored, held.agreement), (Some(0), None));
    assert_eq!(
        held.gates
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["porta-sud"]
    );
    let [kept] = &held.kept_for_proceedings[..] else {
        panic!("{:?}", held.kept_for_proceedings);
    };
    assert_eq!((kept.case.as_str(), kept.transits), ("di-corciano", 1));
    assert_eq!(certify().unwrap(), text, "it is made once");
    let (_, answer) = town.send(&town.perugia, "/api/v1/lookups", &all).await;
    assert_eq!(answer["total"], 12, "the others' is all there");
    act(&town.house, |main, acting| {
        let twice = cessation::cease(main, &name("Corciano"), "D.C.C. 9/2026", acting);
        assert!(matches!(twice, Err(DepartureError::Ceased(_))));
    });
    let verified = varco_hub::proof::verification::verify(&town.house.home, town.house.clock.now());
    assert!(!verified.unwrap().is_broken());
}

#[tokio::test]
async fn e01_a_municipal_system_is_opened_to_the_carabinieri_station_and_the_commissariat() {
    let town = Consortium::new().await;
    let offices = [
        (
            "carabinieri-sesto",
            "Stazione Carabinieri",
            BodyKind::Carabinieri,
        ),
        (
            "commissariato-sesto",
            "Commissariato di Polizia",
            BodyKind::StatePolice,
        ),
    ];
    act(&town.house, |main, acting| {
        for (id, of, kind) in offices {
            let wanted = WantedBody {
                id: id.parse().unwrap(),
                name: of.to_owned(),
                kind: Some(kind),
                municipality: None,
            };
            bodies::set(main, &wanted, acting).unwrap();
        }
    });
    let tasks = [Permission::Lookups, Permission::Alerts];
    let tokens = offices.map(|(id, of, _)| token_for(&town.house, of, Some(id), &tasks));
    let all = town.ask(json!({"plate": "*", "limit": 100}));
    let seen = async |token: &String| {
        let (status, answer) = town.send(token, "/api/v1/lookups", &all).await;
        assert_eq!(status, 200, "{answer}");
        answer["total"].as_u64().unwrap()
    };
    for token in &tokens {
        assert_eq!(
            seen(token).await,
            0,
            "for the municipality's own police alone"
        );
    }
    let id: AgreementId = "sesto".parse().unwrap();
    act(&town.house, |main, acting| {
        let receivers = offices.map(|(id, _, _)| id);
        let wanted = pact("sesto", "Corciano", &receivers, acting.now);
        agreements::make(main, &wanted, acting).unwrap();
    });
    for token in &tokens {
        assert_eq!(
            seen(token).await,
            6,
            "all that the municipality's gates saw"
        );
        let (status, _) = town.watch(token).await;
        assert_eq!(status, 200, "and as it comes");
        let mine = town.get(token, "/api/v1/agreements").await;
        assert_eq!(mine["agreements"][0]["id"], "sesto");
    }
    assert_eq!(
        seen(&town.corciano).await,
        6,
        "the municipality's own police goes on"
    );
    act(&town.house, |main, acting| {
        agreements::end(main, &id, acting).unwrap()
    });
    for token in &tokens {
        assert_eq!(seen(token).await, 0);
    }
}
