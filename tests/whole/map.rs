//! The map of the gates in a real browser, used as an officer would.

use std::time::Duration;

use serde_json::{Value, json};
use thirtyfour::WebDriver;
use varco_rig::clock;
use varco_rig::house::GATE;
use varco_rig::sender::transit;

use crate::browser::{
    click, open_browser, save_picture, state_grounds, text_of, type_into, use_token,
};
use crate::stage::{Stage, until};

const TEN: Duration = Duration::from_secs(10);

/// Gates with their places in and around Perugia.
const PLACES: [(&str, &str, &str); 7] = [
    ("porta-sole", "43.1139", "12.3920"),
    ("porta-santa-susanna", "43.1128", "12.3832"),
    ("porta-san-pietro", "43.1019", "12.3958"),
    ("via-settevalli", "43.0930", "12.3720"),
    ("ponte-san-giovanni", "43.0903", "12.4446"),
    ("san-marco", "43.1412", "12.3746"),
    ("fontivegge", "43.1047", "12.3770"),
];

fn lay_gates(stage: &Stage) {
    for (gate, latitude, longitude) in PLACES {
        let edge = format!("{gate}-01");
        let at = ["--latitude", latitude, "--longitude", longitude];
        let mut words = vec!["edge", "invite", &edge, "--gate", gate];
        words.extend(at);
        stage.hub_says(&words).unwrap();
    }
    let place = |gate, latitude| {
        stage.hub_says(&[
            "gate",
            "place",
            gate,
            "--latitude",
            latitude,
            "--longitude",
            "12.3921",
        ])
    };
    let said = place(GATE, "43.1242").unwrap();
    assert_eq!(said.trim(), "porta-nord stands at 43.12420, 12.39210");
    // One that nobody placed, and what the command refuses.
    let out = stage.folder().join("felcino");
    let words = [
        "edge",
        "add",
        "felcino-01",
        "--gate",
        "ponte-felcino",
        "--out",
    ];
    let words = [&words[..], &[out.to_str().unwrap()]].concat();
    stage.hub_says(&words).unwrap();
    let refused = place("porta-nrod", "43.1242").unwrap_err();
    assert!(
        refused.contains("no edge has a gate `porta-nrod`"),
        "{refused}"
    );
    let refused = place(GATE, "431.242").unwrap_err();
    assert!(refused.contains("-85 to 85"), "{refused}");
    let listed = stage.hub_says(&["gate", "list"]).unwrap();
    assert!(listed.contains("san-marco"), "{listed}");
    let listed = stage.hub_says(&["edge", "list"]).unwrap();
    assert!(listed.contains("43.12420, 12.39210"), "{listed}");
}

/// Where a gate's dot is in the window.
async fn dot(browser: &WebDriver, gate: &str) -> (i64, i64) {
    let script = "const dots = [...document.querySelectorAll('#map circle')];
        const box = dots.find((dot) => dot.textContent === arguments[0]).getBoundingClientRect();
        return [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)];";
    let at = browser.execute(script, vec![json!(gate)]).await.unwrap();
    at.convert().unwrap()
}

async fn field(browser: &WebDriver, side: &str) -> f64 {
    let script = "return document.getElementById(arguments[0]).value";
    let value = browser.execute(script, vec![json!(side)]).await.unwrap();
    value.convert::<String>().unwrap().parse().unwrap()
}

/// Searches, and gives what the page says of it.
async fn search(browser: &WebDriver, needle: &str) -> String {
    click(browser, "#lookup button[type='submit']").await;
    until("the page tells what it searched", TEN, async || {
        Some(text_of(browser, "#lookup-state").await).filter(|text| text.contains(needle))
    })
    .await
}

/// The dots stand as the gates do: in metres, these two are twice as far apart north as east.
async fn compare_proportions(browser: &WebDriver) {
    let (sole, marco) = (
        dot(browser, "porta-sole").await,
        dot(browser, "san-marco").await,
    );
    let (aside, up) = (sole.0 - marco.0, sole.1 - marco.1);
    let (north_m, east_m) = (0.0273 * 111_092.0, 0.0174 * 81_350.0);
    let found = f64::from(i32::try_from(up).unwrap()) / f64::from(i32::try_from(aside).unwrap());
    assert!(
        (found / (north_m / east_m) - 1.0).abs() < 0.05,
        "{up} up, {aside} aside"
    );
}

/// Drags a rectangle around a gate, and searches there.
async fn drag_around_gate(browser: &WebDriver) {
    let (x, y) = dot(browser, GATE).await;
    browser
        .action_chain()
        .move_to(x - 40, y - 30)
        .click_and_hold()
        .move_to(x + 10, y + 5)
        .move_to(x + 40, y + 18)
        .release()
        .perform()
        .await
        .unwrap();
    let told = text_of(browser, "#area-state").await;
    assert!(told.contains("Nell'area: porta-nord."), "{told}");
    assert!(told.contains("1 varco è senza posizione"), "{told}");
    assert!(field(browser, "south").await < 43.1242 && field(browser, "north").await > 43.1242);
    assert!(field(browser, "west").await < 12.3921 && field(browser, "east").await > 12.3921);
    let told = search(browser, "Cercati i varchi porta-nord.").await;
    assert!(told.starts_with("1 di 1 transiti."), "{told}");
    assert!(text_of(browser, "#results").await.contains("AB123CD"));
    save_picture(browser, "map.png").await;
}

/// The four sides, written.
async fn write_sides(browser: &WebDriver, degrees: [&str; 4]) {
    for (side, degrees) in ["south", "west", "north", "east"].iter().zip(degrees) {
        type_into(browser, &format!("#{side}"), degrees).await;
    }
}

/// A half that was left behind stops the search, and is shown though it was folded away.
async fn leave_a_half(browser: &WebDriver) {
    type_into(browser, "#south", "43").await;
    let summary = text_of(browser, "#area-summary").await;
    assert!(summary.contains("limita la ricerca"), "{summary}");
    click(browser, "#area-summary").await;
    click(browser, "#lookup button[type='submit']").await;
    let open = "return document.getElementById('area').open";
    let open = browser.execute(open, Vec::<Value>::new()).await.unwrap();
    assert_eq!(open.json(), &json!(true));
}

/// Municipalities as the console names them, and what is refused.
fn name_municipalities(stage: &Stage) {
    let says = |words: &str| stage.hub_says(&words.split(' ').collect::<Vec<_>>());
    let said = says("municipality set Perugia --term-hours 72").unwrap();
    assert!(said.starts_with("Perugia: 72 hours"), "{said}");
    says("municipality set Corciano --hub-term").unwrap();
    says("gate municipality san-marco --of Corciano").unwrap();
    let said = says("gate municipality porta-nord --of Perugia").unwrap();
    assert_eq!(said.trim(), "porta-nord is of Perugia");
    says("body set owner --name PL-Perugia --municipality Perugia").unwrap();
    for (words, needle) in [
        (
            "gate municipality porta-nord --of Perugja",
            "municipality list",
        ),
        (
            "gate municipality porta-nrod --of Perugia",
            "no edge has a gate",
        ),
        ("gate municipality porta-nord", "--of"),
        ("municipality set Perugia", "--hub-term"),
        ("municipality set Perugia --term-hours 169", "1..=168"),
        ("municipality remove Perugia", "has 1 gates"),
    ] {
        let refused = says(words).unwrap_err();
        assert!(refused.contains(needle), "{words}: {refused}");
    }
    let listed = says("municipality list").unwrap();
    assert!(
        listed.contains("72 hours") && listed.contains("porta-nord"),
        "{listed}"
    );
}

/// The names are offered, and limit the search.
async fn choose_a_municipality(browser: &WebDriver, stage: &Stage) {
    name_municipalities(stage);
    browser.refresh().await.unwrap();
    state_grounds(browser, stage).await;
    type_into(browser, "#plate", "AB1*").await;
    click(browser, "#municipality").await;
    let offered = "return [...document.querySelectorAll('#municipalities option')]
        .map((option) => option.value).join()";
    until("the municipalities are offered", TEN, async || {
        let names = browser.execute(offered, Vec::<Value>::new()).await.unwrap();
        (names.json() == &json!("Corciano,Perugia")).then_some(())
    })
    .await;
    let a_week = "const from = document.getElementById('from');
        from.value = new Date(new Date(from.value) - 6 * 86400000).toISOString().slice(0, 19)";
    browser.execute(a_week, Vec::<Value>::new()).await.unwrap();
    type_into(browser, "#municipality", "Perugia").await;
    let told = search(browser, "1 di 1 transiti.").await;
    assert!(
        told.contains("Perugia conserva i transiti per 72 ore: cercati dal "),
        "{told}"
    );
    save_picture(browser, "municipality.png").await;
    type_into(browser, "#municipality", "Corciano").await;
    search(browser, "0 di 0 transiti.").await;
    type_into(browser, "#municipality", "Gubbio").await;
    search(browser, "controllare targa, intervallo, comune").await;
    type_into(browser, "#municipality", "").await;
}

#[tokio::test]
async fn k05_an_officer_draws_an_area_on_the_map_and_finds_what_passed_there() {
    let (stage, mut sender) = Stage::with_sender().await;
    lay_gates(&stage);
    let now = clock::now();
    let envelope = sender.seal(transit("AB123CD", now, [1; 10]).unwrap(), now);
    sender.send(envelope).await.unwrap();
    sender.answer().await.unwrap();

    let (driver, browser) = open_browser(&stage).await;
    browser.set_window_rect(0, 0, 1500, 1300).await.unwrap();
    browser.goto(stage.house.hub_url()).await.unwrap();
    use_token(&browser).await;
    // Without who asks there is no map.
    click(&browser, "#area summary").await;
    until("the page asks for the token", TEN, async || {
        let state = text_of(&browser, "#area-state").await;
        state.contains("chiave di accesso").then_some(())
    })
    .await;
    state_grounds(&browser, &stage).await;
    type_into(&browser, "#plate", "*").await;
    until("the map is drawn", TEN, async || {
        let state = text_of(&browser, "#area-state").await;
        state.contains("Trascinare").then_some(())
    })
    .await;
    let scroll = "document.getElementById('map').scrollIntoView({ block: 'center' })";
    browser.execute(scroll, Vec::<Value>::new()).await.unwrap();

    compare_proportions(&browser).await;
    drag_around_gate(&browser).await;

    // The same by keyboard, where nothing stands, and around another gate.
    write_sides(&browser, ["44", "12", "45", "13"]).await;
    let told = search(&browser, "nessun varco").await;
    assert!(told.starts_with("0 di 0 transiti."), "{told}");
    write_sides(&browser, ["43.14", "12.37", "43.15", "12.38"]).await;
    let told = search(&browser, "Cercati i varchi san-marco.").await;
    assert!(told.starts_with("0 di 0 transiti."), "{told}");
    // Without the area it is as before.
    click(&browser, "#area-clear").await;
    let told = search(&browser, "1 di 1 transiti.").await;
    assert!(!told.contains("varchi"), "{told}");
    leave_a_half(&browser).await;
    choose_a_municipality(&browser, &stage).await;
    browser.quit().await.unwrap();
    driver.kill().unwrap();
    stage.hub_says(&["audit", "verify"]).unwrap();
}
