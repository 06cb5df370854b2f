//! Corciano, which gives, and Perugia, whose police ask: everything that can be between them.

use std::time::Duration;

use serde_json::{Value, json};
use varco_hub::agreements::desk::{self as agreements, Party, WantedAgreement};
use varco_hub::audit::purpose::Purpose;
use varco_hub::bodies::BodyKind;
use varco_hub::bodies::desk::{self as bodies, WantedBody};
use varco_hub::hours::partition::Term;
use varco_hub::intake::writer::Writer;
use varco_hub::municipalities::{Municipality, desk as municipal};
use varco_hub::people::appointments::Role;
use varco_hub::people::tokens::{Permission, Permissions};
use varco_hub::timekeeping::Clock as _;
use varco_proto::time::UtcTime;

use crate::levels_support::{appoint, id_of};
use crate::signed::{at_console, told};
use crate::support::{Carrying as _, House, SECOND, Served, TestEdge, token_for};

pub(crate) const ALL: [Permission; 6] = [
    Permission::Lookups,
    Permission::Alerts,
    Permission::Convoys,
    Permission::Statistics,
    Permission::Cases,
    Permission::Hotlists,
];
/// One's own gate, and two of Corciano's.
pub(crate) const GATES: [&str; 3] = ["porta-nord", "porta-sud", "porta-ovest"];
pub(crate) const OTHERS: [&str; 2] = ["porta-sud", "porta-ovest"];
pub(crate) const PLATES: [&str; 6] = [
    "AB001CD", "AB002CD", "AB003CD", "AB004CD", "AB005CD", "AB006CD",
];
/// On the lists, and passes last.
pub(crate) const LAST: &str = "MK001MK";
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// What is between Corciano, which gives, and Perugia's police, who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Between {
    /// Corciano's own police ask.
    Own,
    Nothing,
    NotYet,
    Begun,
    Over,
    Ended,
    OtherPurpose,
    OnlySud,
    NotAdmitted,
    Admitted,
    AdmissionOver,
    ReceiverLeft,
    GiverLeft,
    SudClaimed,
}

/// Three gates, two municipalities, and what lies between them.
pub(crate) struct Towns {
    pub(crate) house: House,
    pub(crate) hub: Served,
    pub(crate) edges: Vec<TestEdge>,
    pub(crate) writer: Writer,
    pub(crate) begins: UtcTime,
    pub(crate) corciano: String,
    pub(crate) marshal: String,
}

fn name(of: &str) -> Municipality {
    of.parse().unwrap()
}

impl Towns {
    pub(crate) async fn new() -> Self {
        let mut house = House::new();
        house.companions = true;
        let begins = house.clock.now();
        let edges = GATES.map(|gate| house.edge_at(&format!("{gate}-01"), gate));
        at_console(&house, |main, acting| {
            for town in ["Perugia", "Corciano", "Assisi"] {
                municipal::set(main, &name(town), Term::WHOLE, None, acting).unwrap();
            }
            for (gate, town) in GATES.into_iter().zip(["Perugia", "Corciano", "Corciano"]) {
                let gate = gate.parse().unwrap();
                municipal::give(main, &gate, Some(&name(town)), acting).unwrap();
            }
            for (id, kind, town) in [
                ("owner", None, Some("Perugia")),
                ("pl-corciano", Some(BodyKind::LocalPolice), Some("Corciano")),
                ("questura", Some(BodyKind::StatePolice), None),
            ] {
                let wanted = WantedBody {
                    id: id.parse().unwrap(),
                    name: id.to_owned(),
                    kind,
                    municipality: town.map(str::to_owned),
                };
                bodies::set(main, &wanted, acting).unwrap();
            }
        });
        let corciano = token_for(&house, "Ag. Neri", Some("pl-corciano"), &ALL);
        let officer = [Permission::Lookups, Permission::Admission];
        let marshal = token_for(&house, "Mar. Bianchi", Some("pl-corciano"), &officer);
        appoint(
            &house,
            "Mar. Bianchi",
            "pl-corciano",
            Role::DutyOfficer,
            &officer,
        );
        house.clock.advance(HOUR * 2);
        let hub = house.serve().await;
        let mut towns = Self {
            writer: house.writer(),
            house,
            hub,
            edges: edges.into(),
            begins,
            corciano,
            marshal,
        };
        towns.watch_for_one().await;
        towns.all_pass();
        towns
    }

    /// Two lists of the same plates, for two purposes, of either police: a body is told of its own lists.
    pub(crate) async fn watch_for_one(&mut self) {
        let perugia = token_for(&self.house, "Isp. Bianchi", Some("owner"), &ALL);
        for (token, town) in [(&perugia, "perugia"), (&self.corciano, "corciano")] {
            for purpose in ["public-safety", "traffic"] {
                let id = format!("{town}-{purpose}");
                let list = json!({
                    "id": id, "name": id, "reason": "furto", "owner": "Questura", "purpose": purpose,
                    "case_reference": "PG 9/2026", "valid_to": "2026-12-31T00:00:00Z",
                });
                let made = self.post(token, "hotlists", &list).await;
                assert_eq!(made.0, 201, "{}", made.1);
                for plate in [PLATES[0], LAST] {
                    let path = format!("hotlists/{id}/plates");
                    let added = self.post(token, &path, &json!({"plate": plate})).await;
                    assert!(added.0 < 300, "{}", added.1);
                }
            }
        }
        self.writer = self.house.writer();
    }

    /// Six vehicles pass all gates; then one passes Corciano's, and at last one's own.
    fn all_pass(&mut self) {
        for edge in &mut self.edges {
            for (k, plate) in PLATES.iter().enumerate() {
                let at = self.begins + SECOND * u32::try_from(k * 10).unwrap();
                self.writer.take(&[edge.seal(plate, at)]).unwrap();
            }
        }
        for gate in [2, 0] {
            let at = self.begins + HOUR + HOUR / 2;
            let message = self.edges[gate].seal(LAST, at);
            self.writer.take(&[message]).unwrap();
        }
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = self
            .hub
            .client
            .post(format!("{}/api/v1/{path}", self.hub.url));
        told(request.carrying(token).json(body).send().await.unwrap()).await
    }

    pub(crate) async fn asked(&self, token: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.post(token, path, body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Comes to a situation; gives the token of whoever asks, and the agreement that holds then.
    pub(crate) async fn come_to(&self, between: Between, who: &str) -> String {
        let body = if between == Between::Own {
            "pl-corciano"
        } else {
            "owner"
        };
        let token = token_for(&self.house, who, Some(body), &ALL);
        appoint(&self.house, who, body, Role::Operator, &ALL);
        if matches!(between, Between::Own | Between::Nothing) {
            return token;
        }
        let id = format!("patto-{who}").to_lowercase().replace(' ', "-");
        let later = if between == Between::NotYet {
            HOUR
        } else {
            Duration::ZERO
        };
        let has_two = between == Between::GiverLeft;
        at_console(&self.house, |main, acting| {
            let (id, owner) = (id.parse().unwrap(), "owner".parse().unwrap());
            let lead = name(if has_two { "Assisi" } else { "Corciano" });
            let wanted = WantedAgreement {
                id,
                title: "Protocollo".to_owned(),
                legal_basis: "L. 48/2017".to_owned(),
                lead: lead.clone(),
                purposes: [Purpose::PublicSafety].into(),
                may: Permissions::of(&ALL),
                admission: matches!(
                    between,
                    Between::NotAdmitted | Between::Admitted | Between::AdmissionOver
                ),
                from: acting.now + later,
                until: acting.now + HOUR * 2,
                givers: [name("Corciano"), lead].into(),
                receivers: [owner, "questura".parse().unwrap()].into(),
                gates: match between {
                    Between::OnlySud => [OTHERS[0].parse().unwrap()].into(),
                    _ => [].into(),
                },
            };
            agreements::make(main, &wanted, acting).unwrap();
            let party = match between {
                Between::ReceiverLeft => Party::Receiver("owner".parse().unwrap()),
                Between::GiverLeft => Party::Giver(name("Corciano")),
                _ => return,
            };
            agreements::leave(main, &wanted.id, &party, acting).unwrap();
        });
        match between {
            Between::NotYet => self.house.clock.advance(HOUR - SECOND),
            Between::Over => self.house.clock.advance(HOUR * 2),
            Between::Ended => self.end(&id),
            Between::NotAdmitted | Between::Admitted | Between::AdmissionOver => {
                let decides = between != Between::NotAdmitted;
                self.ask_to_be_let_in(&token, &id, decides).await;
            }
            Between::SudClaimed => {
                let used = json!({"gates": [OTHERS[0]], "minutes": 30});
                let claimed = self.post(&self.corciano, "gate-claims", &used).await;
                assert_eq!(claimed.0, 204, "{}", claimed.1);
            }
            _ => {}
        }
        if between == Between::AdmissionOver {
            self.house.clock.advance(HOUR / 2);
        }
        token
    }

    pub(crate) async fn ask_to_be_let_in(&self, token: &str, agreement: &str, decides: bool) {
        let wanted = json!({
            "subject": {"for": "admission", "agreement": agreement, "municipality": "Corciano"},
            "reason": "rapina in corso", "minutes": 30,
        });
        let (status, asked) = self.post(token, "approvals", &wanted).await;
        assert_eq!(status, 201, "{asked}");
        if decides {
            let path = format!("approvals/{}/decision", id_of(&asked));
            let decided = self
                .post(&self.marshal, &path, &json!({"approve": true}))
                .await;
            assert_eq!(decided.0, 200, "{}", decided.1);
        }
    }

    pub(crate) fn end(&self, id: &str) {
        at_console(&self.house, |main, acting| {
            agreements::end(main, &id.parse().unwrap(), acting).unwrap();
        });
    }
}
