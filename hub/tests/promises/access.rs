//! The register of who was let in to see recordings (C70).

use serde_json::{Value, json};
use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::Actor;
use varco_hub::evidence::register::{self, DECLARATION};
use varco_hub::people::tokens::Permission;
use varco_hub::timekeeping::Clock as _;

use crate::http::house_with;
use crate::support::{Carrying as _, DAY, House, SECOND, Served, token_of};

const REGISTER: &str = "/api/v1/access-register";

async fn ask(hub: &Served, token: &str, method: &str, path: &str, body: &Value) -> (u16, Vec<u8>) {
    let url = format!("{}{path}", hub.url);
    let mut request = hub
        .client
        .request(method.parse().unwrap(), url)
        .carrying(token);
    if !body.is_null() {
        request = request.json(body);
    }
    let answer = request.send().await.unwrap();
    (
        answer.status().as_u16(),
        answer.bytes().await.unwrap().to_vec(),
    )
}

fn visitor() -> Value {
    json!({
        "name": "Maria Verdi", "kind": "subject", "document": "carta d'identità CA12345AB",
        "authorisation": "prot. 77/2026 del 22.11.2026", "signed": "paper",
        "signature_sha256": "ab".repeat(32),
    })
}

fn span(house: &House) -> String {
    let now = house.clock.now();
    format!("{REGISTER}?from={}&to={}", now - DAY, now + DAY)
}

fn read(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[tokio::test]
async fn c70_the_register_has_who_document_authorisation_entry_exit_declaration_and_signature() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let keeper = token_of(&house, "Isp. Bianchi", &[Permission::Cases]);
    let (status, answer) = ask(&hub, &keeper, "POST", REGISTER, &visitor()).await;
    assert_eq!(status, 201);
    let number = read(&answer)["number"].as_i64().unwrap();
    let entered = house.clock.now().to_string();
    house.clock.advance(SECOND * 1800);
    let (status, answer) = ask(&hub, &keeper, "GET", &span(&house), &Value::Null).await;
    assert_eq!(status, 200);
    let entry = &read(&answer)["entries"][0];
    for (field, value) in visitor().as_object().unwrap() {
        assert_eq!(&entry[field], value, "{field}");
    }
    assert_eq!(
        (&entry["entered_at"], &entry["left_at"]),
        (&json!(entered), &Value::Null)
    );
    assert_eq!(entry["let_in_by"], "Isp. Bianchi");
    assert_eq!(entry["declaration"], DECLARATION);

    // They leave, once; nothing else of the entry ever changes.
    let exit = format!("{REGISTER}/{number}/exit");
    assert_eq!(ask(&hub, &keeper, "POST", &exit, &Value::Null).await.0, 204);
    assert_eq!(ask(&hub, &keeper, "POST", &exit, &Value::Null).await.0, 409);
    let left = house.clock.now().to_string();
    let (_, answer) = ask(&hub, &keeper, "GET", &span(&house), &Value::Null).await;
    assert_eq!(read(&answer)["entries"][0]["left_at"], left);
    let main = house.home.open_main().unwrap();
    for change in [
        "UPDATE access_entries SET left_at_us = left_at_us + 1",
        "UPDATE access_entries SET left_at_us = NULL",
        "UPDATE access_entries SET let_in_by = 'x'",
        "UPDATE access_entries SET sealed = zeroblob(40)",
    ] {
        assert!(main.execute(change, []).is_err(), "{change}");
    }

    // Coming in, leaving and each showing are lines, without who it was; on the disk that is sealed.
    for (action, lines) in [
        ("access-entered", 1),
        ("access-left", 1),
        ("access-register-shown", 2),
    ] {
        let count = house.count(&format!(
            "SELECT count(*) FROM audit WHERE action = '{action}'"
        ));
        assert_eq!(count, lines, "{action}");
    }
    let named =
        "SELECT (SELECT count(*) FROM audit WHERE line LIKE '%Verdi%' OR line LIKE '%CA12345AB%')
        + (SELECT count(*) FROM access_entries WHERE instr(sealed, CAST('Verdi' AS BLOB)) > 0)";
    assert_eq!(house.count(named), 0);

    // It is printed as the form has it.
    let sheet = span(&house).replace("access-register?", "access-register/sheet?");
    let (status, pdf) = ask(&hub, &keeper, "GET", &sheet, &Value::Null).await;
    assert_eq!(status, 200);
    assert!(pdf.starts_with(b"%PDF-1.7"));

    // It ends by its term, with a line that says how many.
    let (key, mut main) = (
        house.home.sealing_key().unwrap(),
        house.home.open_main().unwrap(),
    );
    let mut end = |days| {
        let acting = Acting {
            actor: &Actor::hub(),
            now: house.clock.now() + DAY * days,
            key: &key,
        };
        register::end_past(&mut main, &acting).unwrap()
    };
    assert_eq!((end(729), end(731), end(731)), (0, 1, 0));
    assert_eq!(house.count("SELECT count(*) FROM access_entries"), 0);
    assert_eq!(
        house.count("SELECT count(*) FROM audit WHERE action = 'access-entries-ended'"),
        1
    );
}

#[tokio::test]
async fn c70_part_nobody_is_let_in_without_all_of_it_and_another_office_sees_none() {
    let (house, hub) = house_with(&["AB123CD"]).await;
    let keeper = token_of(&house, "Isp. Bianchi", &[Permission::Cases]);
    let other = token_of(&house, "who-looks", &[Permission::Lookups]);
    assert_eq!(ask(&hub, &other, "POST", REGISTER, &visitor()).await.0, 403);
    for (field, wrong) in [
        ("name", json!(" ")),
        ("document", json!("x")),
        ("authorisation", json!("")),
        ("signature_sha256", json!("ab")),
        ("kind", json!("friend")),
        ("signed", json!("no")),
        ("name", Value::Null),
    ] {
        let mut visitor = visitor();
        visitor[field] = wrong;
        let (status, answer) = ask(&hub, &keeper, "POST", REGISTER, &visitor).await;
        assert!(
            status == 422 || status == 400,
            "{field}: {status} {answer:?}"
        );
    }
    assert_eq!(house.count("SELECT count(*) FROM access_entries"), 0);
    assert_eq!(
        ask(&hub, &other, "GET", &span(&house), &Value::Null)
            .await
            .0,
        403
    );
}
