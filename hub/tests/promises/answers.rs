//! Every error of the API has one form, and its status stands in the description.

use reqwest::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use varco_hub::people::tokens::Permission;

use crate::http::house_with;
use crate::support::{Carrying as _, Served, token_of};

/// An operation as the description has it.
struct Operation<'a> {
    method: String,
    path: &'a str,
    described: &'a Value,
}

/// A request that cannot be answered.
struct Faulty {
    what: String,
    method: String,
    address: String,
    token: bool,
    body: Vec<u8>,
    status: u16,
}

impl Operation<'_> {
    /// The path with this for each of its parameters.
    fn address(&self, parameter: &str) -> String {
        let mut parts = self.path.split('/').map(|part| match part {
            part if part.starts_with('{') => parameter,
            part => part,
        });
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |path, part| format!("{path}/{part}"))
    }

    fn parameters(&self, place: &str) -> Vec<&Value> {
        let all = self.described["parameters"].as_array();
        let all = all.into_iter().flatten();
        all.filter(|parameter| parameter["in"] == place).collect()
    }

    fn faulty(&self, what: &str, status: u16) -> Faulty {
        Faulty {
            what: what.to_owned(),
            method: self.method.clone(),
            address: self.address("1"),
            token: true,
            body: Vec::new(),
            status,
        }
    }

    fn all(&self) -> Vec<Faulty> {
        let mut all = vec![Faulty {
            method: "DELETE".to_owned(),
            ..self.faulty("another method", 405)
        }];
        if self.described["security"].is_array() {
            all.push(Faulty {
                token: false,
                ..self.faulty("no token", 401)
            });
        }
        for parameter in self.parameters("query") {
            let schema = &parameter["schema"];
            let text = schema["type"].to_string();
            // A text may be anything, and a wrong word is told with its field.
            if !text.contains("string") && schema["$ref"].is_null() {
                let name = parameter["name"].as_str().unwrap();
                all.push(Faulty {
                    address: format!("{}?{name}=abc", self.address("1")),
                    ..self.faulty(&format!("`{name}` of the query"), 400)
                });
            }
        }
        for parameter in self.parameters("path") {
            all.push(Faulty {
                address: self.address("%ff"),
                ..self.faulty("a path that is no UTF-8", 400)
            });
            if parameter["schema"]["type"] == "integer" {
                all.push(Faulty {
                    address: self.address("abc"),
                    ..self.faulty("a path without its number", 400)
                });
            }
        }
        let body = &self.described["requestBody"]["content"];
        if body["application/json"].is_object() {
            all.push(Faulty {
                body: b"{".to_vec(),
                ..self.faulty("a body that is no JSON", 400)
            });
            all.push(Faulty {
                body: vec![b' '; 16 * 1024 + 1],
                ..self.faulty("too large a body", 413)
            });
        } else if body.is_object() {
            all.push(Faulty {
                body: vec![b'\n'; 128 * 1024 * 1024 + 1],
                ..self.faulty("too large a file", 413)
            });
        }
        all
    }
}

fn operations(description: &Value) -> Vec<Operation<'_>> {
    let mut all = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, described) in methods.as_object().unwrap() {
            all.push(Operation {
                method: method.to_uppercase(),
                path,
                described,
            });
        }
    }
    all
}

/// What is wrong with the answer; none when it is as described.
async fn wrong(hub: &Served, faulty: Faulty, operation: &Operation<'_>) -> Option<String> {
    let url = format!("{}{}", hub.url, faulty.address);
    let request = hub.client.request(faulty.method.parse().unwrap(), url);
    let mut request = request.body(faulty.body);
    if faulty.token {
        // Whoever tries stays signed in.
        let is_own =
            operation.path == "/api/v1/session" || operation.path.starts_with("/api/v1/session/");
        request = request.carrying(if is_own { "varco_none" } else { &hub.token });
    }
    let asked = format!("{} {}: {}", faulty.method, faulty.address, faulty.what);
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Some(format!("{asked}: no answer: {error:?}")),
    };
    let told = response.status().as_u16();
    let kind = response.headers().get(CONTENT_TYPE).cloned();
    let text = response.text().await.unwrap();
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    let says = |field: &str| body[field].as_str().is_some_and(|text| !text.is_empty());
    let only = body.as_object().map_or(0, Map::len) == 2;
    let json = kind.is_some_and(|kind| kind == "application/json");
    if !(json && only && says("error") && says("what_to_do")) {
        return Some(format!("{asked}: {told} in another form: {text}"));
    }
    if told != faulty.status {
        return Some(format!("{asked}: {told}, not {}: {text}", faulty.status));
    }
    let answer = &operation.described["responses"][told.to_string()];
    let schema = &answer["content"]["application/json"]["schema"];
    let described = *schema == json!({"$ref": "#/components/schemas/ErrorBody"});
    (faulty.method == operation.method && !described)
        .then(|| format!("{asked}: {told} is not described"))
}

#[tokio::test]
async fn every_operation_answers_every_fault_in_the_form_that_the_description_says() {
    let (house, mut hub) = house_with(&[]).await;
    hub.token = token_of(
        &house,
        "anna",
        &Permission::ALL.map(|(permission, _)| permission),
    );
    let url = format!("{}/api/v1/openapi.json", hub.url);
    let description = hub.client.get(url).send().await.unwrap();
    let description: Value = description.json().await.unwrap();
    let form = &description["components"]["schemas"]["ErrorBody"];
    assert_eq!(form["required"], json!(["error", "what_to_do"]));
    let operations = operations(&description);
    assert!(operations.len() > 25, "{}", operations.len());
    let mut faults = Vec::new();
    for operation in &operations {
        for faulty in operation.all() {
            faults.extend(wrong(&hub, faulty, operation).await);
        }
    }
    let nowhere = Operation {
        method: "NONE".to_owned(),
        path: "/api/v1/nothing",
        described: &Value::Null,
    };
    for method in ["GET", "POST"] {
        let faulty = Faulty {
            method: method.to_owned(),
            ..nowhere.faulty("an address where nothing is", 404)
        };
        faults.extend(wrong(&hub, faulty, &nowhere).await);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_description_in_the_repository_is_the_one_that_the_hub_gives() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let committed = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        committed == varco_hub::web::description::text(),
        "the API changed: `cargo run --bin varco-hub -- openapi > hub/openapi.json`"
    );
}
