//! What whoever runs a hub asks it: is it sound, and how does it do.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use varco_rig::clock;
use varco_rig::house::free_port;
use varco_rig::sender::transit;

use crate::stage::{Stage, until};

#[tokio::test]
async fn a_running_hub_is_checked_and_measured() {
    let address = format!("127.0.0.1:{}", free_port().unwrap());
    let (stage, mut sender) =
        Stage::with_sender_and(&format!("\n[metrics]\naddress = \"{address}\"\n")).await;
    let text = until("it is measured", Duration::from_secs(20), async || {
        metrics(&address).await
    })
    .await;
    for line in [
        "varco_hub_transits_stored_total 0",
        "varco_hub_batches_failed_total 0",
        "varco_hub_lookups_total{outcome=\"failed\"} 0",
    ] {
        assert!(
            text.contains(line),
            "a count begins at nothing: {line}\n{text}"
        );
    }
    let now = clock::now();
    let envelope = sender.seal(transit("AB123CD", now, [1; 10]).unwrap(), now);
    sender.send(envelope).await.unwrap();
    sender.answer().await.unwrap();

    let text = until(
        "what came is measured",
        Duration::from_secs(20),
        async || {
            let text = metrics(&address).await?;
            text.contains("varco_hub_transits 1").then_some(text)
        },
    )
    .await;
    for line in [
        "varco_hub_transits_stored_total 1",
        "varco_hub_broker_connected 1",
        "varco_hub_hours_overdue 0",
        "varco_hub_edges{state=\"registered\"} 1",
        "# HELP varco_hub_batch_seconds ",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(
        !text.contains("AB123CD") && !text.contains("porta-nord"),
        "{text}"
    );

    let said = stage.hub_may_say(&["--json", "check"]);
    let checked: Value = serde_json::from_str(&said).unwrap();
    for name in [
        "configuration",
        "permissions",
        "keys",
        "audit",
        "retention",
        "broker",
        "hub",
    ] {
        let checks = checked["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == name).unwrap();
        assert_eq!(check["state"], "ok", "{check}");
    }
}

/// Asks for the metrics over plain HTTP, as Prometheus does.
async fn metrics(address: &str) -> Option<String> {
    let mut socket = TcpStream::connect(address).await.ok()?;
    let request = "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).await.ok()?;
    let mut text = String::new();
    socket.read_to_string(&mut text).await.ok()?;
    Some(text)
}
