//! The description of the API is enough to try it and to use it: for Schemathesis, which makes requests of
//! the schemas, and for a client that is generated from it. Both are outside programs, pinned in
//! `hub/tests/api/requirements.lock`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use varco_hub::people::tokens::Permission;
use varco_hub::timekeeping::Clock as _;

use crate::described::all_permissions;
use crate::support::{Carrying as _, House, SECOND, Served, system_token, token_of};

/// After so long the hub's clock goes on by a minute, so that a session that is refused on purpose all the
/// time is not shut out for the rest of it.
const MINUTE_EVERY: Duration = Duration::from_millis(100);

/// A file of this package.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The Python with what `hub/tests/api/requirements.lock` names.
pub(crate) fn python() -> PathBuf {
    let beside = || file("../target/python/bin/python");
    let python = std::env::var_os("VARCO_PYTHON").map_or_else(beside, PathBuf::from);
    assert!(
        python.exists() && python.with_file_name("schemathesis").exists(),
        "{} has no Schemathesis: run `source deploy/setup/prepare test`, as deploy/test does, or let \
         VARCO_PYTHON name a Python with what hub/tests/api/requirements.lock names",
        python.display()
    );
    python
}

/// Runs a program while the hub answers.
async fn run(mut command: Command, input: String) -> Output {
    let running = move || {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    tokio::task::spawn_blocking(running).await.unwrap()
}

fn text_of(output: &Output) -> String {
    let (out, complaints) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(out).into_owned() + &String::from_utf8_lossy(complaints)
}

/// A hub with something to find and something to fill, switched on in all its parts, and a session of somebody who may
/// do everything.
async fn whole_house() -> (House, Served) {
    let mut house = House::new();
    house.companions = true;
    let mut edge = house.edge("porta-nord-01");
    let message = edge.seal("AB123CD", house.clock.now());
    house.writer().take(&[message]).unwrap();
    let mut hub = house.serve().await;
    hub.token = token_of(&house, "who-tries", &all_permissions());
    for id in ["wanted", "over"] {
        let list = json!({"id": id, "name": "Wanted", "reason": "Theft", "owner": "Police",
            "valid_to": "2027-06-01T00:00:00Z"});
        make(&hub, "hotlists", list).await;
    }
    let case = json!({"id": "case-1", "authority": "Court", "order": "1/2026",
        "until": "2027-06-01T00:00:00Z"});
    make(&hub, "cases", case).await;
    (house, hub)
}

async fn make(hub: &Served, what: &str, mut body: Value) {
    body["purpose"] = "urban-security".into();
    body["case_reference"] = "PG 1/2026".into();
    let request = hub.client.post(format!("{}/api/v1/{what}", hub.url));
    let made = request.carrying(&hub.token).json(&body).send().await;
    assert_eq!(made.unwrap().status(), 201, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing_that_the_description_does_not_say() {
    let (house, hub) = whole_house().await;
    let clock = house.clock.clone();
    let minutes = tokio::spawn(async move {
        loop {
            tokio::time::sleep(MINUTE_EVERY).await;
            clock.advance(SECOND * 61);
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let (cookie, mark) = hub.token.split_once(':').unwrap();
    let mut command = Command::new(python().with_file_name("schemathesis"));
    command
        .current_dir(folder.path())
        .arg("--config-file")
        .arg(file("tests/api/schemathesis.toml"))
        .arg("run")
        .arg(file("openapi.json"))
        .args(["--url", &hub.url])
        .arg("--tls-verify")
        .arg(house.home.authority_certificate())
        .env("VARCO_SESSION", cookie)
        .args(["--header", &format!("X-Varco-Session: {mark}")])
        .arg("--no-color");
    let output = run(command, String::new()).await;
    minutes.abort();
    let told = text_of(&output);
    assert!(output.status.success(), "{told}");
    // What is answered with 429 alone is not tried.
    assert!(!told.contains("Rate limited"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_generated_from_the_description_looks_a_plate_up() {
    let (house, hub) = whole_house().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("client.yml");
    // It would format what it makes, for people.
    fs::write(&settings, "post_hooks: []\n").unwrap();
    let mut generating = Command::new(python());
    generating
        .current_dir(folder.path())
        .args(["-m", "openapi_python_client", "generate", "--meta", "none"])
        .args(["--output-path", "varco_client", "--config"])
        .arg(&settings)
        .arg("--path")
        .arg(file("openapi.json"));
    let generated = run(generating, String::new()).await;
    assert!(generated.status.success(), "{}", text_of(&generated));

    let mut asking = Command::new(python());
    asking
        .arg(file("tests/api/look_up.py"))
        .arg(folder.path())
        .arg(&hub.url)
        .arg(house.home.authority_certificate());
    let token = system_token(&house, "Client", &[Permission::Lookups]);
    let asked = run(asking, token).await;
    let told = text_of(&asked);
    assert!(asked.status.success(), "{told}");
    let lines: Vec<_> = told.lines().collect();
    assert!(lines[0].starts_with("AB123CD "), "{told}");
    assert_eq!(
        lines[1..],
        ["0", "True the lookup has no grounds"],
        "{told}"
    );
}
