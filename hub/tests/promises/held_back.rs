//! Art. 8 c. 2 A a2: the second level is independent but for the cameras that the first uses, and an alert shows what
//! such a camera saw.

use serde_json::{Value, json};
use varco_hub::agreements::desk::{self as agreements, WantedAgreement};
use varco_hub::audit::purpose::Purpose;
use varco_hub::people::appointments::Role;
use varco_hub::people::tokens::{Permission, Permissions};
use varco_hub::timekeeping::Clock as _;

use crate::levels_support::{Hall, NORD, OFFICER, OPERATOR, SUD, id_of};
use crate::signed::at_console;
use crate::support::{DAY, SECOND};

const PLATE: &str = "ZZ777ZZ";

/// The gates of the alerts that somebody is shown.
async fn alerted(hall: &Hall, token: &str) -> Vec<String> {
    let (status, answer) = hall.get(token, "alerts").await;
    assert_eq!(status, 200, "{answer}");
    let alerts = answer["alerts"].as_array().unwrap().iter();
    let gate = |one: &Value| one["transit"]["gate"].as_str().unwrap().to_owned();
    let mut gates: Vec<_> = alerts.map(gate).collect();
    gates.sort();
    gates
}

#[tokio::test]
async fn c18_part_an_alert_from_a_gate_that_level_1_uses_is_held_back_from_level_2_until_it_is_free()
 {
    let mut hall = Hall::new().await;
    let may = [
        Permission::Lookups,
        Permission::Alerts,
        Permission::Hotlists,
        Permission::Cases,
    ];
    at_console(&hall.house, |main, acting| {
        let wanted = WantedAgreement {
            id: "perugia-questura".parse().unwrap(),
            title: "Accesso di secondo livello".to_owned(),
            legal_basis: "Regolamento C.C. 96/2015, art. 8".to_owned(),
            lead: "Perugia".parse().unwrap(),
            purposes: [Purpose::PublicSafety].into(),
            may: Permissions::of(&[Permission::Lookups, Permission::Alerts]),
            admission: true,
            from: acting.now,
            until: acting.now + DAY * 300,
            givers: ["Perugia".parse().unwrap()].into(),
            receivers: ["questura".parse().unwrap()].into(),
            gates: [].into(),
        };
        agreements::make(main, &wanted, acting).unwrap();
    });
    let questura = hall.hire("Comm. Verdi", "questura", Role::Operator, &may);
    let room = hall.hire("Ag. Gialli", "owner", Role::Operator, &OPERATOR);
    let marshal = hall.hire("Mar. Bianchi", "owner", Role::DutyOfficer, &OFFICER);
    let admission = json!({
        "for": "admission", "agreement": "perugia-questura", "municipality": "Perugia",
    });
    let (_, asked) = hall.ask(&questura, admission, 12 * 60).await;
    assert_eq!(hall.decide(&marshal, &id_of(&asked), true).await.0, 200);
    let list = json!({
        "id": "rubate", "name": "Rubate", "reason": "furto", "owner": "Questura", "priority": 50,
        "valid_from": "2026-11-22T00:00:00Z", "valid_to": "2026-11-29T00:00:00Z",
        "purpose": "public-safety", "case_reference": "PG 9/2026",
    });
    assert_eq!(hall.post(&questura, "hotlists", &list).await.0, 201);
    let plate = json!({ "plate": PLATE });
    let (status, told) = hall.post(&questura, "hotlists/rubate/plates", &plate).await;
    assert!(status < 300, "{told}");
    let at = hall.house.clock.now();
    let messages = [hall.edges[0].seal(PLATE, at), hall.edges[1].seal(PLATE, at)];
    hall.house.writer().take(&messages).unwrap();
    assert_eq!(alerted(&hall, &questura).await, [NORD, SUD]);
    let used = json!({"gates": [NORD], "minutes": 30});
    assert_eq!(hall.post(&room, "gate-claims", &used).await.0, 204);
    assert_eq!(alerted(&hall, &questura).await, [SUD]);
    let nord = json!({"outcome": "confirmed"});
    let (_, all) = hall.get(&questura, "alerts").await;
    let shown = all["alerts"][0]["id"].as_i64().unwrap();
    let other = format!("alerts/{}/acknowledgement", 3 - shown);
    assert_eq!(
        hall.post(&questura, &other, &nord).await.0,
        404,
        "nor acknowledged"
    );
    // It ends with the use, and then nothing was lost.
    hall.house.clock.advance(SECOND * 30 * 60);
    assert_eq!(alerted(&hall, &questura).await, [NORD, SUD]);
}
