//! Nobody sees another municipality's transits but under an agreement (D04, D12, D13, C47, C77, E01): every question
//! is asked by people of three bodies while there is none, while one holds, and after its end.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use varco_hub::agreements::desk::{self, AgreementError, Party, WantedAgreement};
use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::Actor;
use varco_hub::audit::purpose::Purpose;
use varco_hub::bodies::desk::{self as bodies, WantedBody};
use varco_hub::bodies::{BodyId, BodyKind};
use varco_hub::hours::partition::Term;
use varco_hub::municipalities::{Municipality, desk as municipal};
use varco_hub::people::appointing::{self, WantedAppointment};
use varco_hub::people::appointments::Role;
use varco_hub::people::desk as people;
use varco_hub::people::tokens::{Permission, Permissions};
use varco_hub::signing::tidying;
use varco_hub::store::sql::Connection;
use varco_hub::timekeeping::Clock as _;
use varco_proto::time::UtcTime;

use crate::support::{Carrying as _, DAY, House, SECOND, Served, token_for};

const ALL: [Permission; 5] = [
    Permission::Lookups,
    Permission::Alerts,
    Permission::Convoys,
    Permission::Statistics,
    Permission::Cases,
];

/// Three gates, one of Perugia's, one of Corciano's, one of nobody's; each sees the same six vehicles.
pub(crate) struct Consortium {
    pub(crate) house: House,
    pub(crate) hub: Served,
    pub(crate) begins: UtcTime,
    pub(crate) perugia: String,
    pub(crate) corciano: String,
    pub(crate) questura: String,
}

pub(crate) fn name(of: &str) -> Municipality {
    of.parse().unwrap()
}

impl Consortium {
    pub(crate) async fn new() -> Self {
        let mut house = House::new();
        house.companions = true;
        let begins = house.clock.now();
        let mut edges = vec![
            house.edge_at("porta-nord-01", "porta-nord"),
            house.edge_at("porta-sud-01", "porta-sud"),
            house.edge_at("porta-levante-01", "porta-est"),
        ];
        act(&house, |main, acting| {
            for (town, gate) in [("Perugia", "porta-nord"), ("Corciano", "porta-sud")] {
                municipal::set(main, &name(town), Term::WHOLE, None, acting).unwrap();
                let gate = gate.parse().unwrap();
                municipal::give(main, &gate, Some(&name(town)), acting).unwrap();
            }
            for (id, of, kind, municipality) in [
                ("owner", "Polizia Locale di Perugia", None, Some("Perugia")),
                (
                    "pl-corciano",
                    "Polizia Locale di Corciano",
                    Some(BodyKind::LocalPolice),
                    Some("Corciano"),
                ),
                (
                    "questura",
                    "Questura di Perugia",
                    Some(BodyKind::StatePolice),
                    None,
                ),
            ] {
                let wanted = WantedBody {
                    id: id.parse().unwrap(),
                    name: of.to_owned(),
                    kind,
                    municipality: municipality.map(str::to_owned),
                };
                bodies::set(main, &wanted, acting).unwrap();
            }
        });
        let perugia = token_for(&house, "Isp. Bianchi", Some("owner"), &ALL);
        let corciano = token_for(&house, "Ag. Neri", Some("pl-corciano"), &ALL);
        let questura = token_for(&house, "Comm. Verdi", Some("questura"), &ALL);
        house.clock.advance(SECOND * 7200);
        let hub = house.serve().await;
        let mut writer = house.writer();
        for edge in &mut edges {
            for (k, plate) in [
                "AB001CD", "AB002CD", "AB003CD", "AB004CD", "AB005CD", "AB006CD",
            ]
            .iter()
            .enumerate()
            {
                let at = begins + SECOND * u32::try_from(k * 10).unwrap();
                writer.take(&[edge.seal(plate, at)]).unwrap();
            }
        }
        Self {
            house,
            hub,
            begins,
            perugia,
            corciano,
            questura,
        }
    }

    pub(crate) async fn send(&self, token: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = self.hub.client.post(format!("{}{path}", self.hub.url));
        let response = request.carrying(token).json(body).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    pub(crate) fn ask(&self, more: Value) -> Value {
        let mut body = json!({
            "from": self.begins.to_string(), "to": (self.begins + SECOND * 3600).to_string(),
            "purpose": "public-safety", "case_reference": "PG 9/2026",
        });
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    }

    /// The gates whose transits each question shows to somebody: they agree, or this fails.
    async fn gates(&self, token: &str) -> Vec<String> {
        let lookup = self.ask(json!({"plate": "*", "limit": 100}));
        let (status, answer) = self.send(token, "/api/v1/lookups", &lookup).await;
        assert_eq!(status, 200, "{answer}");
        let results = answer["results"].as_array().unwrap().iter();
        let mut gates: Vec<_> = results
            .map(|one| one["gate"].as_str().unwrap().to_owned())
            .collect();
        gates.sort();
        gates.dedup();
        let seen = u64::try_from(gates.len()).unwrap();
        assert_eq!(answer["total"], 6 * seen, "{answer}");

        let exact = self.ask(json!({"plate": "AB001CD", "misread": true}));
        let (_, answer) = self.send(token, "/api/v1/lookups", &exact).await;
        assert_eq!(
            answer["total"].as_u64().unwrap() % seen.max(1),
            0,
            "{answer}"
        );
        assert!(answer["total"].as_u64().unwrap() >= seen, "{answer}");

        let window = self.ask(json!({}));
        let place =
            |gate: &str| json!({"gates": [gate], "from": window["from"], "to": window["to"]});
        for (here, there) in [("porta-nord", "porta-sud"), ("porta-sud", "porta-est")] {
            let both = json!({
                "here": place(here), "there": place(there),
                "purpose": "public-safety", "case_reference": "PG 9/2026",
            });
            let (status, answer) = self.send(token, "/api/v1/lookups/both", &both).await;
            assert_eq!(status, 200, "{answer}");
            let sees_both = gates.iter().any(|g| g == here) && gates.iter().any(|g| g == there);
            assert_eq!(answer["total"], if sees_both { 6 } else { 0 }, "{answer}");
        }

        let company = self.ask(json!({"plate": "AB001CD", "window_s": 60, "least": 2}));
        let (status, answer) = self
            .send(token, "/api/v1/lookups/companions", &company)
            .await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["total"], if seen >= 2 { 5 } else { 0 }, "{answer}");

        let counts = json!({"from": window["from"], "to": window["to"], "by": "gate"});
        let (status, answer) = self.send(token, "/api/v1/counts", &counts).await;
        assert_eq!(status, 200, "{answer}");
        let cells = answer["cells"].as_array().unwrap().iter();
        let mut counted: Vec<_> = cells.map(|cell| cell["of"].as_str().unwrap()).collect();
        counted.sort_unstable();
        assert_eq!(counted, gates, "{answer}");
        assert_eq!(answer["hidden_cells"], 0, "nothing of others is counted");
        gates
    }

    /// What somebody could hold in a case of their own.
    async fn held(&self, token: &str, case: &str) -> u64 {
        let order = json!({
            "id": case, "authority": "Procura di Perugia", "order": "decreto 5/2026",
            "until": "2027-03-01T00:00:00Z", "purpose": "public-safety",
            "case_reference": "RGNR 123/2026",
        });
        assert_eq!(self.send(token, "/api/v1/cases", &order).await.0, 201);
        let path = format!("/api/v1/cases/{case}/holdings");
        let all = self.ask(json!({"plate": "*", "limit": 100}));
        let (status, answer) = self.send(token, &path, &all).await;
        assert_eq!(status, 200, "{answer}");
        answer["held"].as_u64().unwrap()
    }
}

pub(crate) fn act<T>(house: &House, work: impl FnOnce(&mut Connection, &Acting<'_>) -> T) -> T {
    let mut main = house.home.open_main().unwrap();
    let acting = Acting {
        actor: &Actor::console(),
        now: house.clock.now(),
        key: &house.home.sealing_key().unwrap(),
    };
    work(&mut main, &acting)
}

pub(crate) fn pact(id: &str, giver: &str, receivers: &[&str], now: UtcTime) -> WantedAgreement {
    WantedAgreement {
        id: id.parse().unwrap(),
        title: "Protocollo di intesa".to_owned(),
        legal_basis: "L. 18 aprile 2017 n. 48, art. 5".to_owned(),
        lead: name(giver),
        purposes: [Purpose::PublicSafety].into(),
        may: Permissions::of(&ALL),
        admission: false,
        from: now,
        until: now + DAY * 2,
        givers: [name(giver)].into(),
        receivers: receivers.iter().map(|body| body.parse().unwrap()).collect(),
        gates: [].into(),
    }
}

const NORD: &str = "porta-nord";
const SUD: &str = "porta-sud";
const EST: &str = "porta-est";

#[tokio::test]
async fn d04_c47_c77_e01_part_nothing_is_shared_until_an_agreement_says_so_and_then_only_what_it_says()
 {
    let town = Consortium::new().await;
    assert_eq!(
        town.gates(&town.perugia).await,
        [EST, NORD],
        "what nobody has is the owner's"
    );
    assert_eq!(town.gates(&town.corciano).await, [SUD]);
    assert!(town.gates(&town.questura).await.is_empty());
    assert_eq!(town.held(&town.perugia, "di-perugia").await, 12);
    assert_eq!(town.held(&town.corciano, "di-corciano").await, 6);
    assert_eq!(town.held(&town.questura, "della-questura").await, 0);

    town.blocks_of_another_are_refused().await;

    let now = town.house.clock.now();
    act(&town.house, |main, acting| {
        let wanted = pact("corciano-2026", "Corciano", &["owner"], now);
        desk::make(main, &wanted, acting).unwrap();
    });
    assert_eq!(town.gates(&town.perugia).await, [EST, NORD, SUD], "one way");
    assert_eq!(town.gates(&town.corciano).await, [SUD], "and not the other");
    assert!(town.gates(&town.questura).await.is_empty());
    assert_eq!(town.held(&town.perugia, "ora").await, 18);

    // For another purpose than the agreement's, nothing of Corciano's.
    let other = town.ask(json!({"plate": "*", "limit": 100, "purpose": "traffic"}));
    let (_, answer) = town.send(&town.perugia, "/api/v1/lookups", &other).await;
    assert_eq!(answer["total"], 12, "{answer}");
    let asked = town.ask(json!({"plate": "*", "gates": ["porta-sud"], "purpose": "traffic"}));
    let (_, answer) = town.send(&town.perugia, "/api/v1/lookups", &asked).await;
    assert_eq!(
        answer["total"], 0,
        "not by naming the gate either: {answer}"
    );
}

#[tokio::test]
async fn d12_an_agreement_ends_after_two_years_at_most_and_with_its_last_second_what_it_shared() {
    let town = Consortium::new().await;
    let now = town.house.clock.now();
    act(&town.house, |main, acting| {
        for (from, until) in [
            (now, now + DAY * 732),
            (now, now),
            (now + DAY, now),
            (now - DAY * 3, now - DAY),
        ] {
            let wanted = WantedAgreement {
                from,
                until,
                ..pact("troppo", "Corciano", &["owner"], now)
            };
            let made = desk::make(main, &wanted, acting);
            assert!(matches!(made, Err(AgreementError::Term)), "{from} {until}");
        }
        let wanted = WantedAgreement {
            until: now + SECOND * 3600,
            ..pact("corciano-2026", "Corciano", &["owner"], now)
        };
        desk::make(main, &wanted, acting).unwrap();
    });
    town.house.clock.advance(SECOND * 3599);
    assert_eq!(town.gates(&town.perugia).await, [EST, NORD, SUD]);
    town.house.clock.advance(SECOND);
    assert_eq!(
        town.gates(&town.perugia).await,
        [EST, NORD],
        "it ended at the second"
    );

    act(&town.house, |main, acting| {
        let now = town.house.clock.now();
        let again = pact("corciano-2026", "Corciano", &["owner"], now);
        let made = desk::make(main, &again, acting);
        assert!(
            matches!(made, Err(AgreementError::Taken(_))),
            "an id is never used twice"
        );
        let other = pact("corciano-2027", "Corciano", &["owner"], now);
        desk::make(main, &other, acting).unwrap();
    });
    assert_eq!(town.gates(&town.perugia).await, [EST, NORD, SUD]);
    act(&town.house, |main, acting| {
        desk::end(main, &"corciano-2027".parse().unwrap(), acting).unwrap();
    });
    assert_eq!(
        town.gates(&town.perugia).await,
        [EST, NORD],
        "it was ended before its end"
    );
    // Nor does time bring it back.
    town.house.clock.advance(SECOND * 10);
    assert_eq!(town.gates(&town.perugia).await, [EST, NORD]);
}

#[tokio::test]
async fn d13_later_members_join_while_the_others_go_on_and_leave_for_themselves_alone() {
    let town = Consortium::new().await;
    let now = town.house.clock.now();
    let id = "provincia".parse().unwrap();
    act(&town.house, |main, acting| {
        desk::make(
            main,
            &pact("provincia", "Corciano", &["owner"], now),
            acting,
        )
        .unwrap();
    });
    let questura = || Party::Receiver("questura".parse().unwrap());
    let perugia = || Party::Giver(name("Perugia"));
    act(&town.house, |main, acting| {
        desk::join(main, &id, &questura(), acting).unwrap();
    });
    assert_eq!(town.gates(&town.questura).await, [SUD]);
    assert_eq!(
        town.gates(&town.perugia).await,
        [EST, NORD, SUD],
        "the others go on"
    );
    act(&town.house, |main, acting| {
        desk::join(main, &id, &perugia(), acting).unwrap();
    });
    assert_eq!(town.gates(&town.questura).await, [NORD, SUD]);
    act(&town.house, |main, acting| {
        let twice = desk::join(main, &id, &perugia(), acting);
        assert!(matches!(twice, Err(AgreementError::IsMember)));
        let lead = desk::leave(main, &id, &Party::Giver(name("Corciano")), acting);
        assert!(
            matches!(lead, Err(AgreementError::Leads(_))),
            "D07: first another leads"
        );
        desk::let_lead(main, &id, &name("Perugia"), acting).unwrap();
        desk::leave(main, &id, &Party::Giver(name("Corciano")), acting).unwrap();
    });
    assert_eq!(town.gates(&town.questura).await, [NORD]);
    assert_eq!(town.gates(&town.perugia).await, [EST, NORD]);
    assert_eq!(
        town.gates(&town.corciano).await,
        [SUD],
        "its own stays its own"
    );
    act(&town.house, |main, acting| {
        desk::leave(main, &id, &questura(), acting).unwrap();
    });
    assert!(town.gates(&town.questura).await.is_empty());
}

impl Consortium {
    /// Nobody hides what another municipality's gates saw, nor shows it again.
    async fn blocks_of_another_are_refused(&self) {
        let lookup = self.ask(json!({"plate": "AB001CD"}));
        let (_, answer) = self.send(&self.corciano, "/api/v1/lookups", &lookup).await;
        let id = answer["results"][0]["transit_id"].clone();
        let block = |lift: bool| {
            json!({
                "transits": [id], "order": "istanza 1/2026", "lift": lift,
                "purpose": "public-safety", "case_reference": "istanza 1/2026",
            })
        };
        for (token, lift, status) in [
            (&self.perugia, false, 422),
            (&self.corciano, false, 204),
            (&self.perugia, true, 422),
            // Another of theirs must agree.
            (&self.corciano, true, 202),
        ] {
            let (got, answer) = self.send(token, "/api/v1/blocks", &block(lift)).await;
            assert_eq!(got, status, "{answer}");
            if got == 202 {
                let other = token_for(&self.house, "Ag. Grigi", Some("pl-corciano"), &ALL);
                let path = format!(
                    "/api/v1/approvals/{}/decision",
                    answer["id"].as_str().unwrap()
                );
                let said = self.send(&other, &path, &json!({"approve": true})).await;
                assert_eq!(said.0, 200, "{}", said.1);
                let (got, answer) = self.send(token, "/api/v1/blocks", &block(lift)).await;
                assert_eq!(got, 204, "{answer}");
            }
        }
    }

    /// Watches live, and gives the stream of what comes.
    pub(crate) async fn watch(
        &self,
        token: &str,
    ) -> (u16, impl futures_util::Stream<Item = String> + use<>) {
        let url = format!(
            "{}/api/v1/transits/live?purpose=public-safety&case_reference=PG+9%2F2026",
            self.hub.url
        );
        let response = self
            .hub
            .client
            .get(url)
            .carrying(token)
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        let parts = response.bytes_stream();
        let text = parts.map(|part| String::from_utf8_lossy(&part.unwrap()).into_owned());
        (status, text)
    }
}

#[tokio::test]
async fn d04_part_who_watches_live_sees_what_an_agreement_shares_and_nothing_after_its_end() {
    let town = Consortium::new().await;
    let (status, mut live) = town.watch(&town.questura).await;
    assert_eq!(status, 200);
    let mut edge = town.house.edge_at("porta-sud-02", "porta-sud");
    act(&town.house, |main, acting| {
        let (gate, to) = ("porta-sud".parse().unwrap(), name("Corciano"));
        municipal::give(main, &gate, Some(&to), acting).unwrap();
    });
    let mut writer = town.house.writer();
    let mut pass = |town: &Consortium, plate: &str| {
        let message = edge.seal(plate, town.house.clock.now());
        let taken = writer.take(&[message]).unwrap();
        for transit in taken.stored {
            let _ = town.hub.live.send(transit);
        }
    };
    let looked_at = || tokio::time::sleep(Duration::from_secs(1));
    pass(&town, "ZZ001ZZ");
    looked_at().await;
    act(&town.house, |main, acting| {
        let wanted = pact("corciano", "Corciano", &["questura"], acting.now);
        desk::make(main, &wanted, acting).unwrap();
    });
    pass(&town, "ZZ002ZZ");
    let next = tokio::time::timeout(Duration::from_secs(20), live.next()).await;
    let text = next.unwrap().unwrap();
    assert!(
        text.contains("ZZ002ZZ") && !text.contains("ZZ001ZZ"),
        "{text}"
    );
    act(&town.house, |main, acting| {
        desk::end(main, &"corciano".parse().unwrap(), acting).unwrap();
    });
    pass(&town, "ZZ003ZZ");
    let next = tokio::time::timeout(Duration::from_secs(2), live.next()).await;
    let shown = next.ok().flatten();
    assert!(!shown.is_some_and(|text| text.contains("ZZ003ZZ")));
    town.house.clock.advance(SECOND);
}

fn case(id: &str) -> Value {
    json!({
        "id": id, "authority": "Procura", "order": "decreto 5/2026",
        "until": "2027-03-01T00:00:00Z", "purpose": "public-safety",
        "case_reference": "RGNR 123/2026",
    })
}

#[tokio::test]
async fn c13_c15_c16_part_an_act_says_who_may_do_what_and_its_end_ends_it_at_once() {
    let town = Consortium::new().await;
    let lookup = town.ask(json!({"plate": "AB001CD"}));
    let appoint = |role: Role, is_police: bool, until: Option<UtcTime>| {
        act(&town.house, |main, acting| {
            let wanted = WantedAppointment {
                name: "Isp. Bianchi".to_owned(),
                body: BodyId::owner(),
                role,
                may: Permissions::of(&ALL),
                act: "Determina 12/2026 del Comandante".to_owned(),
                is_police,
                trained_on: Some("2026-05-01".to_owned()),
                from: acting.now,
                until,
            };
            appointing::appoint(main, &wanted, acting).unwrap();
        });
    };
    appoint(Role::Operator, true, None);
    assert_eq!(
        town.send(&town.perugia, "/api/v1/lookups", &lookup).await.0,
        200
    );
    assert_eq!(
        town.send(&town.perugia, "/api/v1/cases", &case("uno"))
            .await
            .0,
        201
    );

    appoint(Role::GuardCorps, true, None);
    assert_eq!(
        town.send(&town.perugia, "/api/v1/lookups", &lookup).await.0,
        200,
        "views"
    );
    let (status, answer) = town
        .send(&town.perugia, "/api/v1/cases", &case("due"))
        .await;
    assert_eq!(status, 403, "C15, extracts nothing: {answer}");
    let holdings = town.ask(json!({"plate": "*"}));
    let held = town
        .send(&town.perugia, "/api/v1/cases/uno/holdings", &holdings)
        .await;
    assert_eq!(held.0, 403, "nor keeps it: {}", held.1);

    appoint(Role::Operator, false, None);
    let (status, answer) = town.send(&town.perugia, "/api/v1/lookups", &lookup).await;
    assert_eq!(status, 403, "C14, not of Judicial Police: {answer}");

    appoint(Role::Oversight, true, None);
    assert_eq!(
        town.send(&town.perugia, "/api/v1/lookups", &lookup).await.0,
        403
    );

    appoint(Role::Operator, true, Some(town.house.clock.now() + DAY));
    assert_eq!(
        town.send(&town.perugia, "/api/v1/lookups", &lookup).await.0,
        200
    );
    town.house.clock.advance(DAY);
    let (status, answer) = town.send(&town.perugia, "/api/v1/lookups", &lookup).await;
    assert_eq!(status, 403, "the act ended: {answer}");

    appoint(Role::Operator, true, None);
    act(&town.house, |main, acting| {
        appointing::dismiss(main, "isp. bianchi", "trasferito", acting).unwrap();
    });
    let (status, answer) = town.send(&town.perugia, "/api/v1/lookups", &lookup).await;
    assert_eq!(status, 403, "dismissed: {answer}");
}

/// Whoever sets the hub's clock back revives nothing.
#[tokio::test]
async fn what_is_over_does_not_come_back_with_a_clock_that_is_set_back() {
    let town = Consortium::new().await;
    let now = town.house.clock.now();
    let appoint = |until: Option<UtcTime>| {
        act(&town.house, |main, acting| {
            let wanted = WantedAppointment {
                name: "Isp. Bianchi".to_owned(),
                body: BodyId::owner(),
                role: Role::Operator,
                may: Permissions::of(&ALL),
                act: "Determina 12/2026 del Comandante".to_owned(),
                is_police: true,
                trained_on: None,
                from: acting.now,
                until,
            };
            appointing::appoint(main, &wanted, acting).unwrap();
        });
    };
    let settled = || {
        act(&town.house, |main, acting| {
            [
                desk::end_over(main, acting).unwrap(),
                appointing::end_over(main, acting).unwrap(),
                people::end_over(main, acting).unwrap(),
            ]
        })
    };
    act(&town.house, |main, acting| {
        let wanted = WantedAgreement {
            until: now + SECOND * 3600,
            ..pact("corciano-2026", "Corciano", &["owner"], now)
        };
        desk::make(main, &wanted, acting).unwrap();
        let wanted = pact("questura-2026", "Perugia", &["questura"], now);
        desk::make(main, &wanted, acting).unwrap();
    });
    appoint(Some(now + SECOND * 3600));
    assert_eq!(town.gates(&town.perugia).await, [EST, NORD, SUD]);
    assert_eq!(town.gates(&town.questura).await, [NORD]);
    assert_eq!(settled(), [0, 0, 0]);
    // One is ended by somebody, one by its time, and so are the other's days in office.
    town.house.clock.advance(SECOND * 3600);
    act(&town.house, |main, acting| {
        desk::end(main, &"questura-2026".parse().unwrap(), acting).unwrap();
    });
    assert_eq!(settled(), [1, 1, 0]);
    assert_eq!(settled(), [0, 0, 0], "once");
    town.house.clock.set(now + SECOND * 60);
    assert!(town.gates(&town.questura).await.is_empty());
    let lookup = town.ask(json!({"plate": "AB001CD"}));
    let (status, answer) = town.send(&town.perugia, "/api/v1/lookups", &lookup).await;
    assert_eq!(status, 403, "out of office: {answer}");
    appoint(None);
    assert_eq!(town.gates(&town.perugia).await, [EST, NORD]);

    town.house.clock.set(now + DAY * 400);
    assert_eq!(settled(), [0, 0, 1], "the first token of the home");
    let over = act(&town.house, |main, acting| {
        tidying::sessions(main, acting).unwrap()
    });
    assert_eq!(over, 3, "each one's session");
    town.house.clock.set(now + SECOND * 60);
    for token in [&town.perugia, &town.corciano, &town.questura] {
        assert_eq!(town.send(token, "/api/v1/lookups", &lookup).await.0, 401);
    }
}
