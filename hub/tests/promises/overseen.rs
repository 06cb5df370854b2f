//! Each body's oversight reads what its own body did, and what others were shown of its gates; and no other lines.

use serde_json::{Value, json};
use varco_hub::people::appointments::Role;
use varco_hub::people::tokens::Permission;

use crate::levels_support::{Hall, OFFICER, OPERATOR, admission, id_of};

/// The lookups that whoever oversees finds: by which bodies.
async fn lookups_of(hall: &Hall, overseer: &str, wanted: &Value) -> Vec<String> {
    let (status, answer) = hall.post(overseer, "audit/search", wanted).await;
    assert_eq!(status, 200, "{answer}");
    let lines = answer["lines"].as_array().unwrap().iter();
    let mut bodies: Vec<_> = lines
        .map(|line| serde_json::from_str::<Value>(line["line"].as_str().unwrap()).unwrap())
        .filter(|line| line["action"] == "lookup")
        .map(|line| line["body"].as_str().unwrap().to_owned())
        .collect();
    bodies.sort();
    bodies.dedup();
    bodies
}

#[tokio::test]
async fn d11_the_data_protection_officer_of_each_body_reads_its_own_records_and_changes_nothing() {
    each_reads_its_own().await;
    crate::wholes::each_officer_changes_nothing().await;
}

/// The officer of each body reads its lines, and what others were shown of its gates, and no other.
#[expect(clippy::too_many_lines, reason = "one story")]
async fn each_reads_its_own() {
    let hall = Hall::new().await;
    hall.agree("perugia-questura");
    let corciano = hall.hire("Ag. Neri", "pl-corciano", Role::Operator, &OPERATOR);
    let perugia = hall.hire("Isp. Bianchi", "owner", Role::Operator, &OPERATOR);
    let officer = hall.hire("Isp. Capo", "owner", Role::DutyOfficer, &OFFICER);
    let questura = hall.hire("Comm. Verdi", "questura", Role::Operator, &OPERATOR);
    for token in [&corciano, &perugia] {
        assert_eq!(hall.post(token, "lookups", &hall.lookup()).await.0, 200);
    }
    let (status, asked) = hall.ask(&questura, admission(), 60).await;
    assert_eq!(status, 201, "{asked}");
    let decided = hall.decide(&officer, &id_of(&asked), true).await;
    assert_eq!(decided.0, 200, "{}", decided.1);
    assert_eq!(hall.gates(&questura).await.len(), 2);

    let mut overseers = Vec::new();
    for (body, finds) in [
        ("owner", &["owner", "questura"][..]),
        ("pl-corciano", &["pl-corciano"]),
        ("questura", &["questura"]),
    ] {
        let who = format!("RPD {body}");
        let overseer = hall.hire(&who, body, Role::Oversight, &[Permission::Oversight]);
        assert_eq!(
            lookups_of(&hall, &overseer, &json!({})).await,
            finds,
            "{body}"
        );
        for other in ["owner", "pl-corciano", "questura"] {
            let wanted = json!({ "body": other });
            let found = lookups_of(&hall, &overseer, &wanted).await;
            assert_eq!(
                found.contains(&other.to_owned()),
                finds.contains(&other),
                "{body}: {other}"
            );
        }
        overseers.push(overseer);
    }
    // Each line by itself, and its proof, as the search.
    let mut shown = [0; 3];
    for sequence in 1.. {
        let mut statuses = Vec::new();
        for overseer in &overseers {
            let line = hall.get(overseer, &format!("audit/lines/{sequence}")).await;
            let proof = hall
                .get(overseer, &format!("audit/lines/{sequence}/proof"))
                .await;
            assert_eq!(line.0, proof.0, "{sequence}: {} {}", line.1, proof.1);
            statuses.push(line.0);
        }
        let text = hall.house.audit_line(sequence);
        let line: Value = serde_json::from_str(&text).unwrap();
        let is_of = |body: &str| line["body"] == body;
        let is_hubs = line["body"].is_null();
        let was_shown = is_of("questura") && !line["details"]["communicated"].is_null();
        let expected = [
            is_of("owner") || is_hubs || was_shown,
            is_of("pl-corciano"),
            is_of("questura"),
        ];
        let expected = expected.map(|may| if may { 200 } else { 404 });
        assert_eq!(statuses, expected, "{text}");
        for (count, status) in shown.iter_mut().zip(&statuses) {
            *count += u32::from(*status == 200);
        }
        if line["action"] == "lookup" && is_of("questura") {
            break;
        }
    }
    assert!(shown.iter().all(|count| *count > 0), "{shown:?}");
}
