//! Who answers for a body, what they delegated, who keeps its keys, and which people of firms come in (C09, C10, C12,
//! C23): over HTTPS, by those who oversee.

use serde_json::{Value, json};
use varco_hub::audit::acting::Acting;
use varco_hub::bodies::desk::{self as bodies, WantedBody};
use varco_hub::bodies::{BodyId, BodyKind};
use varco_hub::opening::floor::Floor;
use varco_hub::people::actors;
use varco_hub::people::appointing::{self, AppointingError, WantedAppointment};
use varco_hub::people::appointments::{Appointment, Role, newest};
use varco_hub::people::custody::{self, CustodyError, HandOver, KeptKey};
use varco_hub::people::delegations::{self, DelegationError, WantedDelegation};
use varco_hub::people::external_staff::{self, StaffError, StaffWork, WantedStaff};
use varco_hub::people::tokens::{Permission, Permissions};
use varco_hub::store::sql::Connection;
use varco_hub::timekeeping::Clock as _;
use varco_proto::time::UtcTime;

use crate::agreements::act;
use crate::support::{Carrying as _, DAY, House, SECOND, Served, session_for};

const COMMANDER: &str = "Com. Aurelia Conti";
const OFFICER: &str = "Isp. Bianchi";

/// A hub's owner with a commander and an officer, each with a token for all tasks.
struct Command {
    house: House,
    hub: Served,
    commander: String,
    officer: String,
}

fn all() -> Vec<Permission> {
    Permission::ALL.map(|(task, _)| task).to_vec()
}

fn wanted(name: &str, role: Role, now: UtcTime) -> WantedAppointment {
    WantedAppointment {
        name: name.to_owned(),
        body: BodyId::owner(),
        role,
        may: Permissions::of(&[Permission::Lookups, Permission::Cases]),
        act: "Decreto del Sindaco 4/2026".to_owned(),
        is_police: true,
        trained_on: None,
        from: now,
        until: None,
    }
}

fn appoint(main: &mut Connection, name: &str, role: Role, acting: &Acting<'_>) {
    let mut asked = wanted(name, role, acting.now);
    if role == Role::Responsible {
        asked.may = Permissions::of(&all());
    }
    appointing::appoint(main, &asked, acting).unwrap();
}

impl Command {
    async fn new() -> Self {
        let house = House::new();
        act(&house, |main, acting| {
            appoint(main, COMMANDER, Role::Responsible, acting);
            appoint(main, OFFICER, Role::Operator, acting);
        });
        let (commander, officer) = (session_for(&house, COMMANDER), session_for(&house, OFFICER));
        let hub = house.serve().await;
        Self {
            house,
            hub,
            commander,
            officer,
        }
    }

    fn act<T>(&self, work: impl FnOnce(&mut Connection, &Acting<'_>) -> T) -> T {
        act(&self.house, work)
    }

    async fn office(&self, token: &str) -> (u16, Value) {
        let url = format!("{}/api/v1/office", self.hub.url);
        let answer = self
            .hub
            .client
            .get(url)
            .carrying(token)
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    fn delegation(&self, functions: &[Permission]) -> WantedDelegation {
        let now = self.house.clock.now();
        WantedDelegation {
            body: BodyId::owner(),
            to: OFFICER.to_owned(),
            functions: Permissions::of(functions),
            act: "Delega 3/2026 del Comandante".to_owned(),
            mayor_told_on: "2026-11-21".to_owned(),
            notice: "prot. 8812 del 21/11/2026".to_owned(),
            from: now,
            until: now + DAY * 30,
        }
    }

    fn last(&self, action: &str) -> Value {
        let sql = format!("SELECT max(sequence) FROM audit WHERE action = '{action}'");
        let line = self.house.audit_line(self.house.count(&sql));
        serde_json::from_str::<Value>(&line).unwrap()["details"].clone()
    }
}

fn held(main: &Connection, name: &str) -> Appointment {
    let actor = actors::of_name(main, name).unwrap().unwrap();
    newest(main, actor.id()).unwrap().unwrap()
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn c09_a_body_has_one_responsible_person_at_a_time_by_an_act() {
    let command = Command::new().await;
    let (status, office) = command.office(&command.commander).await;
    assert_eq!(status, 200, "{office}");
    assert_eq!(office["responsible"]["person"], COMMANDER);
    assert_eq!(office["responsible"]["act"], "Decreto del Sindaco 4/2026");
    let now = command.house.clock.now();
    let next = "Com. Vera Neri";
    let asked = WantedAppointment {
        may: Permissions::of(&all()),
        ..wanted(next, Role::Responsible, now)
    };
    command.act(|main, acting| {
        let second = appointing::appoint(main, &asked, acting);
        assert!(matches!(second, Err(AppointingError::HasResponsible(name)) if name == COMMANDER));
        let later = WantedAppointment {
            from: now + DAY,
            ..asked.clone()
        };
        let second = appointing::appoint(main, &later, acting);
        assert!(matches!(second, Err(AppointingError::HasResponsible(_))));
        let unnamed = WantedAppointment {
            act: "x".to_owned(),
            ..asked.clone()
        };
        let unnamed = appointing::appoint_in_place_of(main, &unnamed, COMMANDER, acting);
        assert!(matches!(unnamed, Err(AppointingError::Act)));
        for (before, asked) in [
            (OFFICER, asked.clone()),
            (COMMANDER, later),
            (COMMANDER, wanted(next, Role::Operator, now)),
        ] {
            let not = appointing::appoint_in_place_of(main, &asked, before, acting);
            assert!(
                matches!(not, Err(AppointingError::NotInPlace(_))),
                "{before}"
            );
        }
        // Another body has one of its own.
        let questura = WantedBody {
            id: "questura".parse().unwrap(),
            name: "Questura".to_owned(),
            kind: Some(BodyKind::StatePolice),
            municipality: None,
        };
        bodies::set(main, &questura, acting).unwrap();
        let questore = WantedAppointment {
            body: questura.id,
            ..wanted("Questore Blu", Role::Responsible, now)
        };
        appointing::appoint(main, &questore, acting).unwrap();
    });
    let (status, _) = command.office(&command.commander).await;
    assert_eq!(status, 200, "nothing of that replaced anybody");
    command.house.clock.advance(SECOND);
    command.act(|main, acting| {
        let asked = WantedAppointment {
            from: acting.now,
            ..asked.clone()
        };
        appointing::appoint_in_place_of(main, &asked, COMMANDER, acting).unwrap();
        assert!(held(main, COMMANDER).ended_at.is_some());
    });
    let told = command.last("person-appointed");
    assert_eq!(told["in_place_of"]["name"], COMMANDER, "{told}");
    assert_eq!(
        command.office(&command.commander).await.0,
        403,
        "no office any more"
    );
    let new = session_for(&command.house, next);
    let (status, office) = command.office(&new).await;
    assert_eq!(
        (status, &office["responsible"]["person"]),
        (200, &json!(next))
    );
    // One who returns does not come beside the other.
    command.act(|main, acting| {
        let again = WantedAppointment {
            from: acting.now,
            ..wanted(COMMANDER, Role::Responsible, acting.now)
        };
        let second = appointing::appoint(main, &again, acting);
        assert!(matches!(second, Err(AppointingError::HasResponsible(_))));
        appointing::dismiss(main, next, "trasferita", acting).unwrap();
        appointing::appoint(main, &again, acting).unwrap();
    });
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn c10_functions_are_delegated_in_writing_for_a_time_and_after_notice_to_the_mayor() {
    let command = Command::new().await;
    assert_eq!(
        command.office(&command.officer).await.0,
        403,
        "nothing is delegated"
    );
    let oversight = command.delegation(&[Permission::Oversight]);
    command.act(|main, acting| {
        let told = |day: &str| WantedDelegation {
            mayor_told_on: day.to_owned(),
            ..oversight.clone()
        };
        for day in ["2026-11-22", "2026-11-23", "21/11/2026", ""] {
            let refused = delegations::delegate(main, &told(day), acting);
            assert!(matches!(refused, Err(DelegationError::Notice)), "{day}");
        }
        for (other, what) in [
            (
                WantedDelegation {
                    act: " ".to_owned(),
                    ..oversight.clone()
                },
                "act",
            ),
            (
                WantedDelegation {
                    notice: String::new(),
                    ..oversight.clone()
                },
                "notice",
            ),
            (
                WantedDelegation {
                    until: oversight.from,
                    ..oversight.clone()
                },
                "end",
            ),
            (
                WantedDelegation {
                    functions: Permissions::of(&[Permission::Lookups]),
                    ..oversight.clone()
                },
                "function",
            ),
            (
                WantedDelegation {
                    to: "Nessuno".to_owned(),
                    ..oversight.clone()
                },
                "person",
            ),
            (
                WantedDelegation {
                    to: COMMANDER.to_owned(),
                    ..oversight.clone()
                },
                "role",
            ),
        ] {
            assert!(
                delegations::delegate(main, &other, acting).is_err(),
                "{what}"
            );
        }
        delegations::delegate(main, &oversight, acting).unwrap();
    });
    let (status, office) = command.office(&command.officer).await;
    assert_eq!(status, 200, "{office}");
    let given = &office["delegations"][0];
    for (field, expected) in [
        ("by", json!(COMMANDER)),
        ("to", json!(OFFICER)),
        ("functions", json!("oversight")),
        ("act", json!("Delega 3/2026 del Comandante")),
        ("mayor_told_on", json!("2026-11-21")),
        ("notice", json!("prot. 8812 del 21/11/2026")),
        ("in_force", json!(true)),
    ] {
        assert_eq!(given[field], expected, "{field}");
    }
    let told = command.last("functions-delegated");
    assert_eq!(told["mayor_told_on"], "2026-11-21", "{told}");
    // It ends with its time.
    command.house.clock.advance(DAY * 30);
    assert_eq!(command.office(&command.officer).await.0, 403);
    // Or by a word, at once.
    let again = command.delegation(&[Permission::Oversight, Permission::Persons]);
    let number = command.act(|main, acting| delegations::delegate(main, &again, acting).unwrap());
    assert_eq!(command.office(&command.officer).await.0, 200);
    command.act(|main, acting| {
        delegations::end(main, number, "revocata", acting).unwrap();
        let twice = delegations::end(main, number, "revocata", acting);
        assert!(matches!(twice, Err(DelegationError::NoDelegation)));
    });
    assert_eq!(command.office(&command.officer).await.0, 403);
    // Or with the office of who gave it, or of who got it.
    command.act(|main, acting| delegations::delegate(main, &again, acting).unwrap());
    assert_eq!(command.office(&command.officer).await.0, 200);
    command.act(|main, acting| appoint(main, OFFICER, Role::GuardCorps, acting));
    assert_eq!(
        command.office(&command.officer).await.0,
        403,
        "the guard corps has none"
    );
    command.act(|main, acting| appoint(main, OFFICER, Role::DutyOfficer, acting));
    assert_eq!(command.office(&command.officer).await.0, 200);
    command.act(|main, acting| {
        appointing::dismiss(main, COMMANDER, "in pensione", acting).unwrap();
        let nobody = delegations::delegate(main, &again, acting);
        assert!(matches!(nobody, Err(DelegationError::NoResponsible(_))));
    });
    assert_eq!(command.office(&command.officer).await.0, 403);
}

#[tokio::test]
async fn c12_the_responsible_person_keeps_the_keys_and_each_hand_over_is_a_line() {
    let command = Command::new().await;
    let kept = |office: &Value| {
        let keys = office["keys"].as_array().unwrap().iter();
        let text = |key: &Value| {
            format!(
                "{}: {}",
                key["key"].as_str().unwrap(),
                key["holder"].as_str().unwrap_or("–")
            )
        };
        keys.map(text).collect::<Vec<_>>()
    };
    let (_, office) = command.office(&command.commander).await;
    let by = |name: &str, key: &str| format!("{key}: {name}");
    let keys = ["server-room", "media-cabinet", "encryption"];
    assert_eq!(kept(&office), keys.map(|key| by(COMMANDER, key)));
    let hand_over = |key: KeptKey, to: &str| HandOver {
        body: BodyId::owner(),
        key,
        to: to.to_owned(),
        act: "Verbale di consegna 2/2026".to_owned(),
    };
    command.act(|main, acting| {
        let unnamed = HandOver {
            act: String::new(),
            ..hand_over(KeptKey::ServerRoom, OFFICER)
        };
        let unnamed = custody::hand_over(main, &unnamed, acting);
        assert!(matches!(unnamed, Err(CustodyError::Act)));
        let stranger = hand_over(KeptKey::ServerRoom, "Nessuno");
        let stranger = custody::hand_over(main, &stranger, acting);
        assert!(matches!(stranger, Err(CustodyError::Unknown(_))));
        custody::hand_over(main, &hand_over(KeptKey::Encryption, OFFICER), acting).unwrap();
        let twice = custody::hand_over(main, &hand_over(KeptKey::Encryption, OFFICER), acting);
        assert!(matches!(twice, Err(CustodyError::Same(_))));
    });
    let told = command.last("key-handed-over");
    assert_eq!(
        (&told["key"], &told["for"]),
        (&json!("encryption"), &json!(OFFICER))
    );
    let commander = command.act(|main, _| actors::of_name(main, COMMANDER).unwrap().unwrap());
    assert_eq!(told["before"], commander.id());
    let (_, office) = command.office(&command.commander).await;
    let expected = [
        by(COMMANDER, keys[0]),
        by(COMMANDER, keys[1]),
        by(OFFICER, keys[2]),
    ];
    assert_eq!(kept(&office), expected);
    // Whoever leaves keeps no key.
    command.act(|main, acting| appointing::dismiss(main, OFFICER, "trasferito", acting).unwrap());
    let (_, office) = command.office(&command.commander).await;
    assert_eq!(kept(&office), keys.map(|key| by(COMMANDER, key)));
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn c23_people_of_firms_are_named_in_writing_and_technicians_are_bound_to_secrecy() {
    let command = Command::new().await;
    let now = command.house.clock.now();
    let technician = WantedStaff {
        name: "Luca Rossi".to_owned(),
        firm: "Impianti S.r.l.".to_owned(),
        work: StaffWork::Maintenance,
        body: BodyId::owner(),
        communication: "PEC prot. 771".to_owned(),
        communicated_on: "2026-11-20".to_owned(),
        secrecy: Some("Dichiarazione prot. 7/2026".to_owned()),
        secrecy_on: Some("2026-11-21".to_owned()),
        from: now,
        until: now + DAY * 90,
    };
    let cleaner = WantedStaff {
        name: "Ada Verdi".to_owned(),
        firm: "Pulizie S.n.c.".to_owned(),
        work: StaffWork::Cleaning,
        secrecy: None,
        secrecy_on: None,
        ..technician.clone()
    };
    let is_registered = |name: &str| {
        command.act(|main, acting| {
            let actor = actors::of_name(main, name).unwrap().unwrap();
            external_staff::is_registered(main, actor.id(), acting.now).unwrap()
        })
    };
    let number = command.act(|main, acting| {
        for other in [
            WantedStaff {
                communication: " ".to_owned(),
                ..technician.clone()
            },
            WantedStaff {
                communicated_on: "2026-12-20".to_owned(),
                ..technician.clone()
            },
            WantedStaff {
                until: now,
                ..technician.clone()
            },
        ] {
            assert!(
                external_staff::enter(main, &other, acting).is_err(),
                "{other:?}"
            );
        }
        for unbound in [
            WantedStaff {
                secrecy_on: None,
                ..technician.clone()
            },
            WantedStaff {
                secrecy: None,
                ..technician.clone()
            },
        ] {
            let unbound = external_staff::enter(main, &unbound, acting);
            assert!(matches!(unbound, Err(StaffError::NoSecrecy)));
        }
        external_staff::enter(main, &cleaner, acting).unwrap();
        external_staff::enter(main, &technician, acting).unwrap()
    });
    assert!(is_registered("Luca Rossi"));
    assert!(!is_registered("Ada Verdi"), "who cleans maintains nothing");
    assert!(!is_registered(OFFICER));
    let (_, office) = command.office(&command.commander).await;
    let staff = office["external_staff"].as_array().unwrap();
    assert_eq!(staff.len(), 2, "{office}");
    for (field, expected) in [
        ("person", "Luca Rossi"),
        ("firm", "Impianti S.r.l."),
        ("work", "maintenance"),
        ("communication", "PEC prot. 771"),
        ("communicated_on", "2026-11-20"),
        ("secrecy", "Dichiarazione prot. 7/2026"),
        ("secrecy_on", "2026-11-21"),
    ] {
        assert_eq!(staff[1][field], expected, "{field}");
    }
    command.act(|main, acting| {
        external_staff::end(main, number, "non più in servizio", acting).unwrap();
    });
    assert!(!is_registered("Luca Rossi"));
    assert_eq!(command.last("staff-ended")["entry"], number);
    // And with its time.
    command.act(|main, acting| external_staff::enter(main, &technician, acting).unwrap());
    assert!(is_registered("Luca Rossi"));
    command.house.clock.advance(DAY * 90);
    assert!(!is_registered("Luca Rossi"));
    // Others' offices are nobody's to read.
    assert_eq!(command.office(&command.officer).await.0, 403);
}

#[tokio::test]
async fn c10_c12_c23_part_what_ended_of_an_office_stays_ended_when_an_older_copy_is_put_in_place() {
    let command = Command::new().await;
    let oversight = command.delegation(&[Permission::Oversight]);
    let number =
        command.act(|main, acting| delegations::delegate(main, &oversight, acting).unwrap());
    command.house.clock.advance(SECOND);
    command.act(|main, acting| delegations::end(main, number, "revocata", acting).unwrap());
    let floor = command.act(|main, _| Floor::of(main, &Floor::default()).unwrap());
    let text = serde_json::to_string(&floor).unwrap();
    let floor: Floor = serde_json::from_str(&text).unwrap();
    command.act(|main, _| {
        main.execute("UPDATE delegations SET ended_at_us = NULL", [])
            .unwrap();
    });
    assert_eq!(
        command.office(&command.officer).await.0,
        200,
        "an older copy lies there"
    );
    let raised = command.act(|main, _| floor.raise(main).unwrap());
    assert_eq!(raised.offices.len(), 1, "{raised:?}");
    assert_eq!(command.office(&command.officer).await.0, 403);
}
