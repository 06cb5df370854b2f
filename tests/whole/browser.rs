//! The hub's page in a real browser, used as an officer would.

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use thirtyfour::{
    By, CapabilitiesHelper, ChromiumLikeCapabilities, DesiredCapabilities, WebDriver,
};
use varco_rig::clock;
use varco_rig::house::free_port;
use varco_rig::lookup::install_tls;
use varco_rig::process::Process;
use varco_rig::sender::transit;

use crate::stage::{Stage, until};

/// Headless, and without a word to the outside.
const CHROMIUM_ARGUMENTS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1280,900",
];

/// Starts a driver with a headless Chromium that takes the hub's private certificate.
pub(crate) async fn open_browser(stage: &Stage) -> (Process, WebDriver) {
    install_tls();
    let port = free_port().unwrap();
    let mut command = Command::new("chromedriver");
    command.arg(format!("--port={port}"));
    let driver = Process::start(
        "chromedriver",
        &mut command,
        &stage.folder().join("driver.log"),
    )
    .unwrap();
    let profile = format!(
        "--user-data-dir={}",
        stage.folder().join("profile").display()
    );
    let mut wishes = DesiredCapabilities::chrome();
    wishes.accept_insecure_certs(true).unwrap();
    for argument in CHROMIUM_ARGUMENTS.into_iter().chain([profile.as_str()]) {
        wishes.add_arg(argument).unwrap();
    }
    let browser = until("the browser opens", Duration::from_secs(40), async || {
        WebDriver::new(format!("http://127.0.0.1:{port}"), wishes.clone())
            .await
            .ok()
    })
    .await;
    (driver, browser)
}

pub(crate) async fn type_into(browser: &WebDriver, field: &str, text: &str) {
    let field = browser.find(By::Css(field)).await.unwrap();
    field.clear().await.unwrap();
    field.send_keys(text).await.unwrap();
}

pub(crate) async fn click(browser: &WebDriver, button: &str) {
    browser
        .find(By::Css(button))
        .await
        .unwrap()
        .click()
        .await
        .unwrap();
}

pub(crate) async fn text_of(browser: &WebDriver, of: &str) -> String {
    browser
        .find(By::Css(of))
        .await
        .unwrap()
        .text()
        .await
        .unwrap()
}

/// Keeps what the browser shows, where somebody wants to see it.
pub(crate) async fn save_picture(browser: &WebDriver, name: &str) {
    let picture = browser.screenshot_as_png().await.unwrap();
    if let Some(folder) = std::env::var_os("VARCO_SCREENSHOTS") {
        std::fs::write(std::path::Path::new(&folder).join(name), picture).unwrap();
    }
}

/// Goes on with a token, where the page asks who is there.
pub(crate) async fn use_token(browser: &WebDriver) {
    let ten = Duration::from_secs(10);
    until("the page begins", ten, async || {
        let shown = "return ['signing', 'work'].some((id) => !document.getElementById(id).hidden)";
        let shown = browser.execute(shown, Vec::new()).await.ok()?;
        (shown.json() == &json!(true)).then_some(())
    })
    .await;
    let link = browser.find(By::Css("#with-token")).await.unwrap();
    if link.is_displayed().await.unwrap() {
        link.click().await.unwrap();
    }
}

/// Fills in who asks and why, as the page demands before anything else.
pub(crate) async fn state_grounds(browser: &WebDriver, stage: &Stage) {
    use_token(browser).await;
    let token = std::fs::read_to_string(stage.house.token_file()).unwrap();
    type_into(browser, "#token", token.trim()).await;
    click(browser, "#purpose option[value='urban-security']").await;
    type_into(browser, "#case", "PG 12/2026").await;
}

#[tokio::test]
async fn k05_an_officer_looks_a_plate_up_on_the_page_and_watches_live() {
    let (stage, mut sender) = Stage::with_sender().await;
    let now = clock::now();
    let envelope = sender.seal(transit("AB123CD", now, [1; 10]).unwrap(), now);
    sender.send(envelope).await.unwrap();
    sender.answer().await.unwrap();

    let (driver, browser) = open_browser(&stage).await;
    browser.goto(stage.house.hub_url()).await.unwrap();

    use_token(&browser).await;
    // Without a purpose and a case nothing is asked and nothing is shown.
    type_into(&browser, "#plate", "AB123CD").await;
    click(&browser, "#lookup button[type='submit']").await;
    assert_eq!(text_of(&browser, "#results").await, "");

    state_grounds(&browser, &stage).await;
    click(&browser, "#lookup button[type='submit']").await;
    let ten = Duration::from_secs(10);
    let found = until("the page shows the transit", ten, async || {
        Some(text_of(&browser, "#results").await).filter(|text| text.contains("AB123CD"))
    })
    .await;
    assert!(found.contains("porta-nord"), "{found}");
    // A picture that does not load has no width.
    let width = "return document.querySelector('#results img').naturalWidth";
    let width = browser.execute(width, Vec::new()).await.unwrap();
    assert_eq!(width.json(), &json!(160), "the crop is not shown");

    click(&browser, "#live").await;
    until("the live stream is open", ten, async || {
        let state = text_of(&browser, "#live").await;
        (state != "Avvia").then_some(())
    })
    .await;
    let mut number = 2;
    until("a new transit appears live", ten, async || {
        let at = clock::now();
        let envelope = sender.seal(transit("EF456GH", at, [number; 10]).unwrap(), at);
        number += 1;
        sender.send(envelope).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        text_of(&browser, "#stream")
            .await
            .contains("EF456GH")
            .then_some(())
    })
    .await;

    save_picture(&browser, "lookup.png").await;
    browser.quit().await.unwrap();
    driver.kill().unwrap();
    let audit = stage.hub_says(&["audit", "verify"]).unwrap();
    assert!(!audit.contains("AB123CD"), "{audit}");
}

/// Makes a hotlist and fills it, on the hub's machine.
fn wait_for_plate(stage: &Stage) {
    let plates = stage.folder().join("rubate.csv");
    std::fs::write(
        &plates,
        "Targa;Motivo\nAB 123 CD;Fermare e avvisare la Questura\n",
    )
    .unwrap();
    let to = (clock::now() + Duration::from_secs(86_400)).to_string();
    stage
        .hub_says(&[
            "hotlist",
            "add",
            "rubate",
            "--name",
            "Veicoli rubati",
            "--reason",
            "furto",
            "--owner",
            "Questura di Perugia",
            "--purpose",
            "public-safety",
            "--case",
            "PG 77/2026",
            "--priority",
            "90",
            "--near",
            "--to",
            &to,
        ])
        .unwrap();
    let said = stage.hub_says(&["hotlist", "import", "rubate", plates.to_str().unwrap()]);
    assert!(said.unwrap().contains("1 plates are waited for"));
}

#[tokio::test]
async fn d02_an_officer_at_night_sees_an_alert_and_says_what_it_came_to() {
    let (stage, mut sender) = Stage::with_sender().await;
    let (driver, browser) = open_browser(&stage).await;
    browser.set_window_rect(0, 0, 1500, 1100).await.unwrap();
    browser.goto(stage.house.hub_url()).await.unwrap();
    state_grounds(&browser, &stage).await;
    click(&browser, "#watch").await;
    let ten = Duration::from_secs(10);
    until("the page listens", ten, async || {
        text_of(&browser, "#watch-state")
            .await
            .contains("In ascolto")
            .then_some(())
    })
    .await;
    // The list is made while the hub runs and the officer listens already.
    wait_for_plate(&stage);
    let now = clock::now();
    for (number, plate) in [(1, "ZZ999ZZ"), (2, "AB123CD")] {
        let envelope = sender.seal(transit(plate, now, [number; 10]).unwrap(), now);
        sender.send(envelope).await.unwrap();
        sender.answer().await.unwrap();
    }
    let told = until("the alert is told", ten, async || {
        Some(text_of(&browser, "#alerts").await).filter(|text| text.contains("Questura"))
    })
    .await;
    assert!(
        told.contains("Fermare") && !told.contains("ZZ999ZZ"),
        "{told}"
    );
    assert!(told.replace(['\n', ' '], "").contains("AB123CD"), "{told}");
    let width = "return document.querySelector('#alerts img').naturalWidth";
    let width = browser.execute(width, Vec::new()).await.unwrap();
    assert_eq!(width.json(), &json!(160), "the crop is not shown");
    save_picture(&browser, "alert.png").await;
    click(&browser, "#alerts button[value='confirmed']").await;
    until("the outcome is noted", ten, async || {
        text_of(&browser, "#alerts .came")
            .await
            .contains("Confermato")
            .then_some(())
    })
    .await;
    // An officer who begins to listen again sees open and new alerts, no acknowledged ones.
    browser.refresh().await.unwrap();
    state_grounds(&browser, &stage).await;
    click(&browser, "#watch").await;
    until("the page listens again", ten, async || {
        let state = text_of(&browser, "#watch-state").await;
        state.contains("Ogni allarme").then_some(())
    })
    .await;
    let later = clock::now();
    let envelope = sender.seal(transit("AB123CD", later, [3; 10]).unwrap(), later);
    sender.send(envelope).await.unwrap();
    sender.answer().await.unwrap();
    let told = until("the new alert is told", ten, async || {
        Some(text_of(&browser, "#alerts").await).filter(|text| text.contains("Questura"))
    })
    .await;
    let acknowledged = browser.find_all(By::Css("#alerts .done")).await.unwrap();
    assert!(
        acknowledged.is_empty(),
        "an acknowledged alert is shown again: {told}"
    );
    assert_eq!(told.matches("Fermare").count(), 1, "{told}");
    browser.quit().await.unwrap();
    driver.kill().unwrap();
    let audit = stage.hub_says(&["audit", "verify"]).unwrap();
    assert!(!audit.contains("AB123CD"), "{audit}");
}

#[tokio::test]
async fn c42_the_page_says_why_a_lookup_was_refused() {
    let (stage, _sender) = Stage::with_sender().await;
    let (driver, browser) = open_browser(&stage).await;
    browser.goto(stage.house.hub_url()).await.unwrap();
    state_grounds(&browser, &stage).await;
    type_into(&browser, "#token", "no-such-token").await;
    type_into(&browser, "#plate", "AB123CD").await;
    click(&browser, "#lookup button[type='submit']").await;
    until("the refusal is told", Duration::from_secs(10), async || {
        text_of(&browser, "#lookup-state")
            .await
            .contains("Chiave di accesso")
            .then_some(())
    })
    .await;
    browser.quit().await.unwrap();
    driver.kill().unwrap();
}

#[tokio::test]
async fn the_page_searches_both_hours_of_the_night_when_summer_time_ends() {
    let (stage, _sender) = Stage::with_sender().await;
    let (driver, browser) = open_browser(&stage).await;
    browser.goto(stage.house.hub_url()).await.unwrap();
    for (wall_clock, from, to) in [
        (
            "2026-10-25T02:30:00",
            "2026-10-25T00:30",
            "2026-10-25T01:30",
        ),
        (
            "2026-10-25T01:59:59",
            "2026-10-24T23:59",
            "2026-10-24T23:59",
        ),
        (
            "2026-10-25T03:00:00",
            "2026-10-25T02:00",
            "2026-10-25T02:00",
        ),
        // Left out when summer time begins.
        (
            "2026-03-29T02:30:00",
            "2026-03-29T00:30",
            "2026-03-29T01:30",
        ),
        (
            "2026-11-22T12:00:00",
            "2026-11-22T11:00",
            "2026-11-22T11:00",
        ),
    ] {
        let script = "return [toUtc(arguments[0], false), toUtc(arguments[0], true)];";
        let asked = browser.execute(script, vec![json!(wall_clock)]).await;
        let moments: Vec<String> = asked.unwrap().convert().unwrap();
        let minutes: Vec<&str> = moments.iter().map(|moment| &moment[..16]).collect();
        assert_eq!(minutes, [from, to], "{wall_clock}");
    }
    browser.quit().await.unwrap();
    driver.kill().unwrap();
}
