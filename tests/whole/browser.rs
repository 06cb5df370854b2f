//! The hub's page in a real browser, used as an officer would.

use std::process::Command;
use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use varco_rig::clock;
use varco_rig::house::free_port;
use varco_rig::process::Process;
use varco_rig::sender::transit;

use crate::stage::{Stage, until};

/// Starts a driver with a headless Chromium that takes the hub's private certificate.
async fn open_browser(stage: &Stage) -> (Process, Client) {
    let port = free_port().unwrap();
    let mut command = Command::new("chromedriver");
    command.arg(format!("--port={port}"));
    let driver = Process::start(
        "chromedriver",
        &mut command,
        &stage.folder().join("driver.log"),
    )
    .unwrap();
    let profile = stage.folder().join("profile");
    let options = json!({
        "acceptInsecureCerts": true,
        "goog:chromeOptions": { "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--window-size=1280,900",
            format!("--user-data-dir={}", profile.display()),
        ]}
    });
    let capabilities = options.as_object().unwrap().clone();
    let browser = until("the browser opens", Duration::from_secs(40), async || {
        ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .ok()
    })
    .await;
    (driver, browser)
}
