//! An operations room and those whom it lets in: Perugia's police, a Questura, a firm that maintains, and two gates.

use serde_json::{Value, json};
use varco_hub::agreements::desk::{self as agreements, WantedAgreement};
use varco_hub::audit::purpose::Purpose;
use varco_hub::bodies::desk::{self as bodies, WantedBody};
use varco_hub::bodies::{BodyId, BodyKind};
use varco_hub::hours::partition::Term;
use varco_hub::municipalities::{Municipality, desk as municipal};
use varco_hub::people::appointing::{self, WantedAppointment};
use varco_hub::people::appointments::Role;
use varco_hub::people::tokens::{Permission, Permissions};
use varco_hub::timekeeping::Clock as _;
use varco_proto::time::UtcTime;

use crate::signed::{TestPerson, TestPost, account_code, at_console, told};
use crate::support::{Carrying as _, DAY, House, SECOND, Served, TestEdge, session_for};

/// All that an operator of the operations room does.
pub(crate) const OPERATOR: [Permission; 4] = [
    Permission::Lookups,
    Permission::Alerts,
    Permission::Statistics,
    Permission::Cases,
];
/// What an officer on duty does besides.
pub(crate) const OFFICER: [Permission; 5] = [
    Permission::Lookups,
    Permission::Alerts,
    Permission::Statistics,
    Permission::Cases,
    Permission::Admission,
];

pub(crate) const NORD: &str = "porta-nord";
pub(crate) const SUD: &str = "porta-sud";

pub(crate) struct Hall {
    pub(crate) house: House,
    pub(crate) hub: Served,
    pub(crate) edges: Vec<TestEdge>,
    pub(crate) begins: UtcTime,
}

fn name(of: &str) -> Municipality {
    of.parse().unwrap()
}

impl Hall {
    pub(crate) async fn new() -> Self {
        let house = House::new();
        let begins = house.clock.now();
        let mut edges = vec![
            house.edge_at("porta-nord-01", NORD),
            house.edge_at("porta-sud-01", SUD),
        ];
        at_console(&house, |main, acting| {
            municipal::set(main, &name("Perugia"), Term::WHOLE, None, acting).unwrap();
            municipal::set(main, &name("Corciano"), Term::WHOLE, None, acting).unwrap();
            for gate in [NORD, SUD] {
                let gate = gate.parse().unwrap();
                municipal::give(main, &gate, Some(&name("Perugia")), acting).unwrap();
            }
            for (id, of, kind, municipality) in [
                ("owner", "Polizia Locale di Perugia", None, Some("Perugia")),
                (
                    "pl-corciano",
                    "Polizia Locale di Corciano",
                    Some(BodyKind::LocalPolice),
                    Some("Corciano"),
                ),
                ("questura", "Questura", Some(BodyKind::StatePolice), None),
                ("ditta", "Ditta", Some(BodyKind::Maintenance), None),
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
        house.clock.advance(SECOND * 60);
        let mut writer = house.writer();
        for edge in &mut edges {
            writer.take(&[edge.seal("AB001CD", begins)]).unwrap();
        }
        let hub = house.serve().await;
        Self {
            house,
            hub,
            edges,
            begins,
        }
    }

    /// Perugia lets the Questura look up and watch, once an officer on duty let it in.
    pub(crate) fn agree(&self, id: &str) {
        at_console(&self.house, |main, acting| {
            let wanted = WantedAgreement {
                id: id.parse().unwrap(),
                title: "Accesso di secondo livello".to_owned(),
                legal_basis: "Regolamento C.C. 96/2015, art. 8".to_owned(),
                lead: name("Perugia"),
                purposes: [Purpose::PublicSafety].into(),
                may: Permissions::of(&[Permission::Lookups, Permission::Cases]),
                admission: true,
                from: acting.now,
                until: acting.now + DAY * 300,
                givers: [name("Perugia")].into(),
                receivers: ["questura".parse().unwrap()].into(),
                gates: [].into(),
            };
            agreements::make(main, &wanted, acting).unwrap();
        });
    }

    /// Appoints somebody who has a token.
    pub(crate) fn appoint(&self, who: &str, body: &str, role: Role, may: &[Permission]) {
        appoint(&self.house, who, body, role, may);
    }

    /// The session of somebody who was appointed.
    pub(crate) fn hire(&self, who: &str, body: &str, role: Role, may: &[Permission]) -> String {
        self.appoint(who, body, role, may);
        session_for(&self.house, who)
    }

    /// Somebody who was appointed and signed in from a post.
    pub(crate) async fn sign_in(
        &self,
        user: &str,
        as_what: Hired<'_>,
        post: &TestPost,
    ) -> TestPerson {
        let who = format!("Agente {user}");
        let code = account_code(&self.house, user, Some(&who));
        appoint(&self.house, &who, as_what.body, as_what.role, as_what.may);
        TestPerson::open(&self.hub, &self.house, &code, post).await
    }

    pub(crate) fn lookup(&self) -> Value {
        json!({
            "plate": "*", "from": self.begins.to_string(), "to": (self.begins + DAY).to_string(),
            "purpose": "public-safety", "case_reference": "PG 9/2026",
        })
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = self
            .hub
            .client
            .post(format!("{}/api/v1/{path}", self.hub.url));
        told(request.carrying(token).json(body).send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> (u16, Value) {
        let request = self
            .hub
            .client
            .get(format!("{}/api/v1/{path}", self.hub.url));
        told(request.carrying(token).send().await.unwrap()).await
    }

    /// The gates whose transits a lookup shows.
    pub(crate) async fn gates(&self, token: &str) -> Vec<String> {
        let (status, answer) = self.post(token, "lookups", &self.lookup()).await;
        assert_eq!(status, 200, "{answer}");
        gates_of(&answer)
    }

    pub(crate) async fn ask(&self, token: &str, subject: Value, minutes: u32) -> (u16, Value) {
        let body = json!({ "subject": subject, "reason": "rapina in corso", "minutes": minutes });
        self.post(token, "approvals", &body).await
    }

    pub(crate) async fn decide(&self, token: &str, id: &str, approve: bool) -> (u16, Value) {
        let body = json!({ "approve": approve, "note": "sentita la sala" });
        self.post(token, &format!("approvals/{id}/decision"), &body)
            .await
    }
}

/// As what somebody was appointed.
#[derive(Clone, Copy)]
pub(crate) struct Hired<'a> {
    pub(crate) body: &'a str,
    pub(crate) role: Role,
    pub(crate) may: &'a [Permission],
}

pub(crate) fn appoint(house: &House, who: &str, body: &str, role: Role, may: &[Permission]) {
    at_console(house, |main, acting| {
        let wanted = WantedAppointment {
            name: who.to_owned(),
            body: body.parse::<BodyId>().unwrap(),
            role,
            may: Permissions::of(may),
            act: "Determina 12/2026 del Comandante".to_owned(),
            is_police: role != Role::Maintenance,
            trained_on: None,
            from: acting.now,
            until: Some(acting.now + DAY * 300),
        };
        appointing::appoint(main, &wanted, acting).unwrap();
    });
}

pub(crate) fn gates_of(answer: &Value) -> Vec<String> {
    let results = answer["results"].as_array().unwrap().iter();
    let mut gates: Vec<_> = results
        .map(|one| one["gate"].as_str().unwrap().to_owned())
        .collect();
    gates.sort();
    gates.dedup();
    gates
}

/// What a request of the Questura to be let in is about.
pub(crate) fn admission() -> Value {
    json!({ "for": "admission", "agreement": "perugia-questura", "municipality": "Perugia" })
}

pub(crate) fn id_of(answer: &Value) -> String {
    answer["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}
