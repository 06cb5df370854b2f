//! Signing in on the hub's page, in a real browser, as an officer would: the workstation is enrolled, the
//! account opened, a plate looked up, the screen locked and unlocked, and the lent workstation called back.

use std::time::Duration;

use serde_json::Value;
use thirtyfour::{By, WebDriver};
use varco_hub::signing::totp::TotpSecret;
use varco_rig::clock;
use varco_rig::sender::transit;

use crate::browser::{click, open_browser, save_picture, text_of, type_into};
use crate::stage::{Stage, until};

const TEN: Duration = Duration::from_secs(10);
const PASSWORD: &str = "cavallo graffetta batteria";

fn code_of(stage: &Stage, words: &[&str]) -> String {
    let words = [words, &["--json"]].concat();
    let said: Value = serde_json::from_str(&stage.hub_says(&words).unwrap()).unwrap();
    said["code"].as_str().unwrap().to_owned()
}

/// Appoints whoever has the account.
fn appoint(stage: &Stage) {
    let words = [
        "person",
        "appoint",
        "Anna Rossi",
        "--body",
        "owner",
        "--role",
        "operator",
        "--act",
        "Determina 7/2026 del Comandante",
        "--judicial-police",
        "--may",
        "lookups",
        "--may",
        "alerts",
    ];
    stage.hub_says(&words).unwrap();
}

async fn until_shown(browser: &WebDriver, what: &str) {
    until(what, TEN, async || {
        let found = browser.find(By::Css(what)).await.ok()?;
        found.is_displayed().await.ok()?.then_some(())
    })
    .await;
}

async fn until_said(browser: &WebDriver, place: &str, word: &str) {
    until(word, TEN, async || {
        text_of(browser, place).await.contains(word).then_some(())
    })
    .await;
}

/// Digits that were not taken yet.
async fn fresh_digits(secret: &TotpSecret) -> String {
    let before = secret.digits_at(clock::now()).unwrap();
    until(
        "the app shows other digits",
        Duration::from_secs(40),
        async || {
            let digits = secret.digits_at(clock::now()).unwrap();
            (digits != before).then_some(digits)
        },
    )
    .await
}

#[tokio::test]
async fn c04_part_c65_part_an_officer_signs_in_from_a_post_and_leaves_no_open_screen() {
    let (stage, mut sender) = Stage::with_sender().await;
    let now = clock::now();
    let envelope = sender.seal(transit("AB123CD", now, [1; 10]).unwrap(), now);
    sender.send(envelope).await.unwrap();
    sender.answer().await.unwrap();
    let post = code_of(
        &stage,
        &["post", "invite", "Sala operativa 1", "--body", "owner"],
    );
    let account = code_of(
        &stage,
        &["account", "invite", "a.rossi", "--person", "Anna Rossi"],
    );
    appoint(&stage);
    let (driver, browser) = open_browser(&stage).await;
    browser.set_window_rect(0, 0, 1280, 1100).await.unwrap();
    browser.goto(stage.house.hub_url()).await.unwrap();

    until_shown(&browser, "#sign-in").await;
    save_picture(&browser, "sign-in.png").await;
    click(&browser, "#tongue").await;
    assert_eq!(text_of(&browser, "#signing-title").await, "Sign in");
    save_picture(&browser, "sign-in-en.png").await;
    click(&browser, "#tongue").await;

    let secret = first_sign_in(&browser, &post, &account).await;
    look_up(&browser).await;
    save_picture(&browser, "signed-in.png").await;
    lock_and_unlock(&browser).await;

    click(&browser, "#sign-out").await;
    until_shown(&browser, "#sign-in").await;
    type_into(&browser, "#user", "A.Rossi").await;
    type_into(&browser, "#password", "another long password").await;
    type_into(&browser, "#digits", "000000").await;
    click(&browser, "#sign-in button").await;
    until_said(&browser, "#signing-state", "non corretti").await;
    let digits = fresh_digits(&secret).await;
    type_into(&browser, "#password", PASSWORD).await;
    type_into(&browser, "#digits", &digits).await;
    click(&browser, "#sign-in button").await;
    until_shown(&browser, "#who").await;
    look_up(&browser).await;

    // The workstation is called back while the officer watches.
    click(&browser, "#live").await;
    until_said(&browser, "#live-state", "In ascolto").await;
    stage
        .hub_says(&["post", "revoke", "Sala operativa 1"])
        .unwrap();
    until_said(&browser, "#live-state", "finita").await;
    click(&browser, "#lookup button[type='submit']").await;
    until_said(&browser, "#signing-state", "La sessione è finita").await;
    save_picture(&browser, "called-back.png").await;
    browser.quit().await.unwrap();
    driver.kill().unwrap();
    let audit = stage.hub_says(&["audit", "verify"]).unwrap();
    assert!(!audit.contains("AB123CD"), "{audit}");
}

async fn look_up(browser: &WebDriver) {
    click(browser, "#purpose option[value='urban-security']").await;
    type_into(browser, "#case", "PG 12/2026").await;
    type_into(browser, "#plate", "AB123CD").await;
    click(browser, "#lookup button[type='submit']").await;
    until_said(browser, "#results", "AB123CD").await;
}

/// Enrols the workstation and opens the account, as it is done once; gives the app's secret.
async fn first_sign_in(browser: &WebDriver, post: &str, account: &str) -> TotpSecret {
    click(browser, "#to-enrolling").await;
    type_into(browser, "#enrolling-code", post).await;
    click(browser, "#enrolling button").await;
    until_said(browser, "#signing-state", "Postazione registrata").await;

    click(browser, "#to-opening").await;
    type_into(browser, "#opening-code", &account.to_lowercase()).await;
    click(browser, "#opening-look").await;
    until_shown(browser, "#opening-secret").await;
    assert_eq!(text_of(browser, "#opening-user").await, "a.rossi");
    save_picture(browser, "opening.png").await;
    let secret = text_of(browser, "#opening-secret").await.replace(' ', "");
    let secret = TotpSecret::from_base32(&secret).unwrap();
    type_into(browser, "#opening-password", PASSWORD).await;
    type_into(browser, "#opening-again", PASSWORD).await;
    let digits = secret.digits_at(clock::now()).unwrap();
    type_into(browser, "#opening-digits", &digits).await;
    click(browser, "#opening-rest button").await;
    until_said(browser, "#who-name", "Anna Rossi · Sala operativa 1").await;
    secret
}

async fn lock_and_unlock(browser: &WebDriver) {
    // The screen is blank while it is locked, also after it is loaded anew.
    click(browser, "#lock-now").await;
    until_shown(browser, "#unlocking").await;
    // In the page's own tree too, not only before the eyes.
    let left = "return document.querySelectorAll('#results *, #stream *, #alerts *').length";
    let left = browser.execute(left, Vec::new()).await.unwrap();
    assert_eq!(left.json(), &serde_json::json!(0));
    let seen = text_of(browser, "body").await;
    assert!(
        !seen.contains("AB123CD") && !seen.contains("porta-nord"),
        "{seen}"
    );
    save_picture(browser, "locked.png").await;
    browser.refresh().await.unwrap();
    until_shown(browser, "#unlocking").await;
    type_into(browser, "#unlocking-password", "another long password").await;
    click(browser, "#unlocking button[type='submit']").await;
    until_said(browser, "#locked-state", "Password non corretta").await;
    type_into(browser, "#unlocking-password", PASSWORD).await;
    click(browser, "#unlocking button[type='submit']").await;
    until_shown(browser, "#who").await;
}
