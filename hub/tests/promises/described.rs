//! What the API refuses stands in its description, and names the field and what it may be. What cannot be
//! read at all is tried in `answers`.

use std::fs;
use std::path::Path;

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use varco_hub::people::tokens::Permission;

use crate::http::house_with;
use crate::support::{Carrying as _, SECOND, Served, token_of};

fn description() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

pub(crate) fn all_permissions() -> [Permission; 10] {
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

    fn request(&self, hub: &Served, id: &str) -> RequestBuilder {
        let path = self.path.replace("{id}", id);
        let url = format!("{}{path}", hub.url);
        hub.client.request(self.method.clone(), url)
    }

    /// Requests that can be read and are not answered, with what they are.
    fn bad(&self, hub: &Served, description: &Value, may_not: &str) -> Vec<(&str, RequestBuilder)> {
        let mut bad = Vec::new();
        // Whoever tries stays signed in.
        let is_own = self.path.starts_with("/api/v1/session");
        let credential = |own| if is_own { "varco_none" } else { own };
        let asked = |id: &str| self.request(hub, id).carrying(credential(&hub.token));
        if self.is_secured() {
            let other = self.request(hub, "1").carrying(credential(may_not));
            bad.push(("no permission", other.json(&json!({}))));
        }
        if self.has_parameter("path") {
            bad.push(("no name", asked("Not%20A%20Name").json(&json!({}))));
            bad.push(("nothing of that name", asked("9999").json(&json!({}))));
        }
        if self.body(description).is_some() {
            bad.push(("no body", asked("1")));
            bad.push(("another type", asked("1").json(&json!("text"))));
            bad.push(("nothing in it", asked("1").json(&json!({}))));
        }
        bad
    }
}

/// Every operation that asks why, with its method and path.
pub(crate) fn operations_with_grounds() -> Vec<(String, String)> {
    let description = description();
    let is_asked = |operation: &Operation| {
        let parameters = operation.described["parameters"].as_array();
        let mut parameters = parameters.into_iter().flatten();
        let has_it = |schema: &Value| {
            let has = |field: &str| !schema["properties"][field].is_null();
            has("purpose") && has("case_reference")
        };
        let of_body = operation.body(&description).is_some_and(has_it);
        of_body || parameters.any(|parameter| parameter["name"] == "case_reference")
    };
    let all = Operation::all(&description).into_iter().filter(is_asked);
    all.map(|operation| (operation.method.to_string(), operation.path))
        .collect()
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
async fn what_a_route_refuses_once_it_is_read_is_described() {
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
    }
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
        let request = operation.request(&hub, "1").carrying(&hub.token);
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
        let response = request.carrying(&hub.token).json(&body).send();
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
