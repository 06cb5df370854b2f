//! What the API does is what its description says: by a table of bad requests over every route, by a tool
//! that makes requests of the description (Schemathesis), and by a client that is generated from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use varco_hub::people::tokens::Permission;
use varco_hub::timekeeping::Clock as _;

use crate::http::house_with;
use crate::support::{House, SECOND, Served, token_of};

/// Requests that Schemathesis makes of one route, beside those for each edge of its schema.
const EXAMPLES: &str = "15";
/// After so long the hub's clock goes on by a minute, so that a token that is refused on purpose all the
/// time is not shut out for the rest of it.
const MINUTE_EVERY: Duration = Duration::from_millis(100);
/// Streams have no end that a tool could wait for.
const STREAMS: &str = "/live$";
/// What is checked of each answer. Not that whatever fits the schema is answered (what a plate, a term or
/// the order of two moments must be is more than a schema can say), nor what only chains of calls show.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,negative_data_rejection,\
    missing_required_header,unsupported_method,allow_header_conformance,ignored_auth";

fn description() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn all_permissions() -> [Permission; 7] {
    Permission::ALL.map(|(permission, _)| permission)
}

/// One operation of the description.
struct Operation {
    method: Method,
    path: String,
    described: Value,
}

impl Operation {
    fn all(description: &Value) -> Vec<Self> {
        let paths = description["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(|(method, described)| Self {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                described: described.clone(),
            })
        });
        operations.collect()
    }

    fn is_secured(&self) -> bool {
        self.described["security"].is_array()
    }

    /// The schema of its body, when it takes JSON.
    fn body<'a>(&self, description: &'a Value) -> Option<&'a Value> {
        let schema = &self.described["requestBody"]["content"]["application/json"]["schema"];
        let reference = schema["$ref"].as_str()?;
        description.pointer(reference.trim_start_matches('#'))
    }

    fn has_parameter(&self, place: &str) -> bool {
        let parameters = self.described["parameters"].as_array();
        let mut parameters = parameters.into_iter().flatten();
        parameters.any(|parameter| parameter["in"] == place)
    }

    fn request(&self, hub: &Served, id: &str, behind: &str) -> RequestBuilder {
        let path = self.path.replace("{id}", id);
        let url = format!("{}{path}{behind}", hub.url);
        hub.client.request(self.method.clone(), url)
    }

    /// Bad requests, with what they are.
    fn bad(&self, hub: &Served, description: &Value, may_not: &str) -> Vec<(&str, RequestBuilder)> {
        let mut bad = Vec::new();
        let token = &hub.token;
        let asked = |id: &str, behind: &str| self.request(hub, id, behind).bearer_auth(token);
        if self.is_secured() {
            bad.push(("no token", self.request(hub, "1", "").json(&json!({}))));
            let other = self.request(hub, "1", "").bearer_auth(may_not);
            bad.push(("no permission", other.json(&json!({}))));
        }
        if self.has_parameter("path") {
            bad.push((
                "a part of the path is no text",
                asked("%FF", "").json(&json!({})),
            ));
            bad.push(("no such name", asked("Not%20A%20Name", "").json(&json!({}))));
            bad.push(("nothing of that name", asked("9999", "").json(&json!({}))));
        }
        if self.has_parameter("query") {
            for behind in [
                "?limit=x",
                "?limit=-1",
                "?before=x",
                "?after=x",
                "?since=x",
                "?dates=x",
            ] {
                bad.push(("a bad query", asked("1", behind)));
            }
        }
        if self.body(description).is_some() {
            bad.push(("no body", asked("1", "")));
            bad.push(("no JSON", asked("1", "").body("{")));
            bad.push(("another type", asked("1", "").json(&json!("text"))));
            bad.push(("nothing in it", asked("1", "").json(&json!({}))));
            let large = json!({ "purpose": "x".repeat(20_000) });
            bad.push(("too large", asked("1", "").json(&large)));
        }
        bad
    }
}

/// An answer to a bad request: its status and body, which have the form of every error.
async fn refused(what: &str, response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").cloned();
    let text = response.text().await.unwrap();
    assert!(
        kind.is_some_and(|kind| kind == "application/json"),
        "{what}: {status} {text}"
    );
    let body: Value = serde_json::from_str(&text).unwrap();
    let told = |field: &str| body[field].as_str().is_some_and(|text| !text.is_empty());
    assert!(
        told("error") && told("what_to_do"),
        "{what}: {status} {text}"
    );
    (status, body)
}

#[tokio::test]
async fn what_a_route_refuses_is_described_and_has_the_form_of_every_error() {
    let (house, mut hub) = house_with(&["AB123CD"]).await;
    let may_not = token_of(&house, "who-counts", &[Permission::Statistics]);
    hub.token = token_of(&house, "who-may-all", &all_permissions());
    let description = description();
    for operation in Operation::all(&description) {
        // A token that is refused too often waits for a minute.
        house.clock.advance(SECOND * 61);
        let described = operation.described["responses"].as_object().unwrap();
        for (what, request) in operation.bad(&hub, &description, &may_not) {
            let what = format!("{} {}: {what}", operation.method, operation.path);
            let response = request.send().await.unwrap();
            let status = response.status();
            assert!(described.contains_key(status.as_str()), "{what}: {status}");
            if !status.is_success() {
                refused(&what, response).await;
            }
        }
        let url = format!("{}{}", hub.url, operation.path);
        let deleting = hub.client.delete(url).bearer_auth(&hub.token).send();
        assert_eq!(
            refused(&operation.path, deleting.await.unwrap()).await.0,
            405
        );
    }
    let nowhere = hub.client.get(format!("{}/api/v1/nowhere", hub.url)).send();
    assert_eq!(refused("nowhere", nowhere.await.unwrap()).await.0, 404);
}

#[tokio::test]
async fn a_field_that_a_request_does_not_have_is_refused_by_its_name() {
    let (house, mut hub) = house_with(&[]).await;
    hub.token = token_of(&house, "who-may-all", &all_permissions());
    let description = description();
    let mut refusing = Vec::new();
    for operation in Operation::all(&description) {
        house.clock.advance(SECOND * 61);
        let Some(schema) = operation.body(&description) else {
            continue;
        };
        if !operation.is_secured() {
            continue; // Boxes of later versions may say more than this hub knows.
        }
        assert_eq!(schema["additionalProperties"], false, "{}", operation.path);
        // Grounds are stated, so that it is not their lack that is refused.
        let mut body = json!({"purpose": "events", "case_reference": "PG 1/2026", "colour": "red"});
        if schema["properties"]["purpose"].is_null() {
            body = json!({"colour": "red"});
        }
        let request = operation.request(&hub, "1", "").bearer_auth(&hub.token);
        let response = request.json(&body).send().await.unwrap();
        let (status, told) = refused(&operation.path, response).await;
        assert_eq!(status, 400, "{}: {told}", operation.path);
        assert!(
            told["error"].as_str().unwrap().contains("`colour`"),
            "{}: {told}",
            operation.path
        );
        refusing.push(operation.path);
    }
    assert!(refusing.len() >= 12, "{refusing:?}");
}

#[tokio::test]
async fn a_wrong_word_is_refused_with_its_field_and_the_words_that_there_are() {
    let (_house, hub) = house_with(&[]).await;
    let stretch = |way: &str| json!({"from": "2026-11-22T00:00:00Z", "to": "2026-11-22T01:00:00Z", "direction": way});
    let both = json!({"here": stretch("up"), "there": stretch("away"), "purpose": "events",
        "case_reference": "PG 1/2026"});
    let mut lookup = crate::http::grounds();
    lookup["travel"] = "through".into();
    for (path, body, field, words) in [
        ("lookups", lookup, "travel", "`in` or `out`"),
        ("lookups/both", both, "direction", "`towards` or `away`"),
        (
            "counts",
            json!({"by": "day"}),
            "by",
            "`all`, `camera`, `gate`, `country` or `way`",
        ),
        (
            "alerts/1/acknowledgement",
            json!({"outcome": "seen"}),
            "outcome",
            "`confirmed`, `misread`, `other-vehicle` or `no-longer-wanted`",
        ),
    ] {
        let request = hub.client.post(format!("{}/api/v1/{path}", hub.url));
        let response = request.bearer_auth(&hub.token).json(&body).send();
        let (status, told) = refused(path, response.await.unwrap()).await;
        assert_eq!(status, 422, "{path}: {told}");
        assert_eq!(
            told["error"],
            format!("`{field}` is missing or wrong"),
            "{path}"
        );
        assert_eq!(told["what_to_do"], words, "{path}");
    }
}

/// The Python with what `hub/tests/api/requirements.lock` names.
fn python() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/python");
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

/// A hub with something to find, switched on in all its parts.
async fn whole_house() -> (House, Served) {
    let mut house = House::new();
    house.companions = true;
    let mut edge = house.edge("porta-nord-01");
    let message = edge.seal("AB123CD", house.clock.now());
    house.writer().take(&[message]).unwrap();
    let served = house.serve().await;
    (house, served)
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing_that_the_description_does_not_say() {
    let (house, hub) = whole_house().await;
    let token = token_of(&house, "schemathesis", &all_permissions());
    let clock = house.clock.clone();
    let minutes = tokio::spawn(async move {
        loop {
            tokio::time::sleep(MINUTE_EVERY).await;
            clock.advance(SECOND * 61);
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(python().with_file_name("schemathesis"));
    command
        .current_dir(folder.path())
        .arg("run")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json"))
        .args(["--url", &hub.url])
        .arg("--tls-verify")
        .arg(house.home.authority_certificate())
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--exclude-path-regex", STREAMS])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--checks", CHECKS])
        .args(["--max-examples", EXAMPLES, "--seed", "1"])
        .args(["--continue-on-failure", "--no-color"]);
    let output = run(command, String::new()).await;
    minutes.abort();
    let told = text_of(&output);
    assert!(output.status.success(), "{told}");
    assert!(!told.contains("Rate limited"), "it was shut out: {told}");
    println!("{told}");
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
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json"));
    let generated = run(generating, String::new()).await;
    assert!(generated.status.success(), "{}", text_of(&generated));

    let mut asking = Command::new(python());
    asking
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/look_up.py"))
        .arg(folder.path())
        .arg(&hub.url)
        .arg(house.home.authority_certificate());
    let asked = run(asking, hub.token.clone()).await;
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
