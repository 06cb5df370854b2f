//! Data are used to send personnel, and never to impose sanctions (C07, art. 4 c. 7 of Perugia's regulation): by every
//! route, stream, package and hook; and a hook tells of nothing that its gates are not for.

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use varco_hub::alerts::desk as webhooks;
use varco_hub::alerts::webhook::{NewWebhook, WebhookTells};
use varco_hub::audit::purpose::Purpose;
use varco_hub::purposes::PurposeScope;
use varco_hub::purposes::desk::PurposeDeskError;
use varco_hub::timekeeping::Clock as _;
use varco_hub::web::webhooks::deliver_regularly;

use crate::agreements::{Consortium, act, name};
use crate::described::operations_with_grounds;
use crate::purposes::{TASKS, gate};
use crate::signed::lines;
use crate::support::{Carrying as _, SECOND, TestEdge, token_for};

/// What is sent to another system, by lists: the lines of it.
fn told(town: &Consortium) -> usize {
    lines(&town.house, "alerts-sent").len()
}

impl Consortium {
    /// A webhook of whoever runs the hub. Nobody listens there: the line is written before anything is sent.
    fn hook(&self, url: &str) {
        let key = self.house.home.webhook_key().unwrap();
        act(&self.house, |main, acting| {
            let new = NewWebhook {
                id: "centrale",
                url,
                authority: None,
                lists: &[],
                body: &"owner".parse().unwrap(),
            };
            webhooks::make(main, &key, new, &[WebhookTells::Alerts], acting).unwrap();
        });
    }

    async fn lists(&self, token: &str, plate: &str) {
        let stated = json!({"purpose": "public-safety", "case_reference": "PG 9/2026"});
        let list = self.request("/api/v1/hotlists", stated);
        assert_eq!(self.send(token, "/api/v1/hotlists", &list).await.0, 201);
        let import = format!("{}/api/v1/hotlists/rubate/entries", self.hub.url);
        let import = self.hub.client.post(import).carrying(token);
        let import = import
            .body(format!("targa\n{plate}\n"))
            .send()
            .await
            .unwrap();
        assert_eq!(import.status(), 200);
    }

    fn passes_at(&self, edge: &mut TestEdge, plate: &str) {
        let message = edge.seal(plate, self.house.clock.now());
        for transit in self.house.writer().take(&[message]).unwrap().stored {
            let _ = self.hub.live.send(transit);
        }
        self.hub.alerts.send_modify(|count| *count += 1);
    }
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test(flavor = "multi_thread")]
async fn c07_no_route_stream_package_or_hook_serves_sanctions_where_the_regulation_forbids_them() {
    let town = Consortium::new().await;
    let operator = token_for(&town.house, "Ag. Rossi", Some("owner"), &TASKS);
    let trying = town.trying(&operator).await;
    // No list of purposes has them without a regulation that allows them, and a gate's has no more than its town's.
    let perugia = || PurposeScope::Municipality(name("Perugia"));
    let with_it = [Purpose::PublicSafety, Purpose::Sanction];
    let no_basis = town.list(perugia(), &with_it, None);
    assert!(matches!(no_basis, Err(PurposeDeskError::NoBasis)));
    let of_gate = town.list(gate("porta-nord"), &with_it, None);
    assert!(matches!(
        of_gate,
        Err(PurposeDeskError::NotOfMunicipality(Purpose::Sanction))
    ));
    // Every route and stream that takes grounds refuses them, and leaves a line; the package of evidence is one.
    let routes = operations_with_grounds();
    for route in [
        "/api/v1/evidence",
        "/api/v1/transits/live",
        "/api/v1/hotlists",
        "/api/v1/lookups",
    ] {
        assert!(routes.iter().any(|(_, path)| path == route), "{route}");
    }
    let stated = || json!({"purpose": "sanction", "case_reference": "PG 9/2026"});
    for (method, path) in &routes {
        let before = lines(&town.house, "attempt-refused").len();
        let (status, told) = town.try_route(&trying, method, path, stated()).await;
        assert_eq!(status, 422, "{path}: {told}");
        assert!(
            told["what_to_do"].as_str().unwrap().contains("art. 4 c. 7"),
            "{path}: {told}"
        );
        assert_eq!(
            lines(&town.house, "attempt-refused").len(),
            before + 1,
            "{path}"
        );
    }
    // A list that stands there all the same, from a time when they were allowed, tells nobody of anything: neither
    // who looks at alerts, nor who watches them, nor another system.
    town.lists(&operator, "ZZ001ZZ").await;
    town.hook("http://127.0.0.1:9/nessuno");
    let main = town.house.home.open_main().unwrap();
    main.execute("UPDATE hotlists SET purpose = 'sanction'", [])
        .unwrap();
    drop(main);
    let mut edge = town.house.edge_at("porta-nord-02", "porta-nord");
    let watched = town
        .hub
        .client
        .get(format!("{}/api/v1/alerts/live", town.hub.url));
    let watched = watched.carrying(&operator).send().await.unwrap();
    assert_eq!(watched.status(), 200);
    let telling = tokio::spawn(deliver_regularly(town.hub.state.clone()));
    town.passes_at(&mut edge, "ZZ001ZZ");
    let raised = "SELECT count(*) FROM alerts";
    assert_eq!(town.house.count(raised), 1, "it was raised");
    let mut stream = watched.bytes_stream();
    let shown = tokio::time::timeout(SECOND * 3, stream.next()).await;
    let shown = shown
        .ok()
        .flatten()
        .map(|part| String::from_utf8_lossy(&part.unwrap()).into_owned());
    assert!(!shown.is_some_and(|text| text.contains("ZZ001ZZ")));
    assert_eq!(town.alerts(&operator).await, 0);
    assert_eq!(told(&town), 0, "no hook tells for sanctions");
    // The same list for a purpose that the gates are for is told to all of them.
    let main = town.house.home.open_main().unwrap();
    main.execute("UPDATE hotlists SET purpose = 'public-safety'", [])
        .unwrap();
    drop(main);
    town.passes_at(&mut edge, "ZZ001ZZ");
    for _ in 0..200 {
        if told(&town) > 0 {
            break;
        }
        tokio::time::sleep(SECOND / 20).await;
    }
    assert!(told(&town) > 0 && town.alerts(&operator).await > 0);
    telling.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn c05_part_a_hook_tells_of_no_gate_that_is_not_for_its_lists_purpose() {
    let town = Consortium::new().await;
    let operator = token_for(&town.house, "Ag. Rossi", Some("owner"), &TASKS);
    town.list(gate("porta-nord"), &[Purpose::Events], None)
        .unwrap();
    town.house.clock.advance(SECOND);
    town.lists(&operator, "ZZ001ZZ").await;
    town.hook("http://127.0.0.1:9/nessuno");
    let telling = tokio::spawn(deliver_regularly(town.hub.state.clone()));
    let mut north = town.house.edge_at("porta-nord-02", "porta-nord");
    let mut east = town.house.edge_at("porta-levante-02", "porta-est");
    town.passes_at(&mut north, "ZZ001ZZ");
    tokio::time::sleep(SECOND * 2).await;
    assert_eq!(told(&town), 0);
    town.passes_at(&mut east, "ZZ001ZZ");
    for _ in 0..200 {
        if told(&town) > 0 {
            break;
        }
        tokio::time::sleep(SECOND / 20).await;
    }
    let sent = lines(&town.house, "alerts-sent");
    assert!(!sent.is_empty());
    let alerts: Vec<&Value> = sent
        .iter()
        .flat_map(|line| line["details"]["alerts"].as_array().unwrap())
        .collect();
    assert!(
        alerts
            .iter()
            .all(|alert| alert["purpose"] == "public-safety"),
        "{sent:?}"
    );
    assert_eq!(sent[0]["result_count"], 1);
    telling.abort();
}
