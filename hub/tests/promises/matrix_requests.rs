//! What the matrix sends to each route: requests that can be read, and that are about nothing that is there.

use serde_json::{Value, json};

/// Routes that anybody may ask.
pub(crate) const OPEN: [&str; 7] = [
    "GET /healthz",
    "GET /readyz",
    "POST /api/v1/enrolments",
    "POST /api/v1/renewals",
    "POST /api/v1/openings",
    "POST /api/v1/openings/invitation",
    "POST /api/v1/posts",
];

/// Routes of one's own session, in the order in which they are asked.
pub(crate) const SESSION: [&str; 14] = [
    "GET /api/v1/session",
    "GET /api/v1/session/challenge",
    "GET /api/v1/session/passkey",
    "POST /api/v1/session/passkey",
    "GET /api/v1/passkeys",
    "POST /api/v1/passkeys",
    "POST /api/v1/passkeys/challenge",
    "POST /api/v1/passkeys/{id}/revocation",
    "POST /api/v1/session/presence",
    "POST /api/v1/session/locking",
    "POST /api/v1/session/passkey/unlocking",
    "POST /api/v1/session/unlocking",
    "POST /api/v1/session",
    "POST /api/v1/session/ending",
];

/// One request.
pub(crate) struct Request {
    id: &'static str,
    query: &'static str,
    pub(crate) body: Option<Value>,
}

impl Request {
    /// Where it goes to.
    pub(crate) fn at(&self, path: &str) -> String {
        let path = path.replace("{id}", self.id).replace("{path}", "0/000.p/1");
        format!("{path}{}", self.query)
    }
}

fn with_grounds(more: Value) -> Value {
    let mut body = json!({"purpose": "public-safety", "case_reference": "PG 9/2026"});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

/// What somebody sends to a route.
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
pub(crate) fn sent(asked: &str, who: &str) -> Request {
    let window = json!({"from": "2026-11-22T00:00:00Z", "to": "2026-11-22T13:00:00Z"});
    let stretch = |gate: &str| json!({"from": window["from"], "to": window["to"], "gates": [gate]});
    let lookup = |plate: &str| {
        with_grounds(json!({"plate": plate, "from": window["from"], "to": window["to"]}))
    };
    let id = match asked {
        _ if asked.contains("/approvals/") || asked.contains("/notices/") => "r0000000000000001",
        _ if asked.contains("/edges/") => "porta-nord-01",
        _ => "1",
    };
    let id = match asked {
        _ if asked.contains("/transits/") => "0192f3a0-0000-7000-8000-000000000001",
        _ => id,
    };
    let query = match asked {
        "GET /api/v1/transits/live" => "?purpose=public-safety&case_reference=PG+9%2F2026",
        "GET /api/v1/audit/consistency" => "?old=1",
        "GET /api/v1/access-register" | "GET /api/v1/access-register/sheet" => {
            "?from=2026-11-22T00:00:00Z&to=2026-11-23T00:00:00Z"
        }
        "POST /api/v1/hotlists/{id}/entries" => "?purpose=public-safety&case_reference=PG+9%2F2026",
        _ => "",
    };
    let body = match asked {
        "POST /api/v1/alerts/{id}/acknowledgement" => json!({"outcome": "misread"}),
        "POST /api/v1/approvals" => json!({
            "subject": {"for": "admission", "agreement": "nessuno", "municipality": "Perugia"},
            "reason": "rapina", "minutes": 30,
        }),
        "POST /api/v1/approvals/{id}/decision" => json!({"approve": true}),
        "POST /api/v1/audit/search" => json!({"limit": 1}),
        "POST /api/v1/blocks" => with_grounds(json!({
            "transits": ["0192f3a0-0000-7000-8000-000000000001"], "order": "istanza 1/2026",
        })),
        "POST /api/v1/cases" => with_grounds(json!({
            "id": who.replace("Agente ", "").replace('.', "-").to_lowercase(),
            "authority": "Procura", "order": "decreto 5/2026", "until": "2027-03-01T00:00:00Z",
        })),
        "POST /api/v1/cases/{id}/holdings" => lookup("AB002CD"),
        "POST /api/v1/counts" => window,
        "POST /api/v1/duty-hours" => json!({"person": "Nessuno", "shifts": []}),
        "POST /api/v1/transits/{id}/corrections" => {
            with_grounds(json!({"plate": "AB007CD", "reason": "la targa è sporca"}))
        }
        "POST /api/v1/evidence" => json!({
            "case_type": "complaint", "reference": "Querela 12/2026",
            "recipient_kind": "judicial-authority", "recipient": "Procura di Perugia",
            "transits": [],
        }),
        "POST /api/v1/extraction-permits" => json!({
            "recipient_kind": "judicial-authority", "act": "Autorizzazione 3/2026",
            "until": "2027-03-01T00:00:00Z",
        }),
        "POST /api/v1/access-register" => json!({
            "name": "Mario Rossi", "kind": "subject", "document": "CI AX1234567",
            "authorisation": "prot. 12/2026", "signed": "paper",
            "signature_sha256": "00".repeat(32),
        }),
        "POST /api/v1/gate-claims" => json!({"gates": ["porta-nord"], "minutes": 5}),
        "POST /api/v1/gate-claims/ending" => json!({"gates": ["porta-nord"]}),
        "POST /api/v1/hotlists" => with_grounds(json!({
            "id": who.replace("Agente ", "").replace('.', "-").to_lowercase(),
            "name": "Rubate", "reason": "furto", "owner": "Questura",
            "valid_to": "2026-11-29T00:00:00Z",
        })),
        "POST /api/v1/hotlists/{id}/plates" | "POST /api/v1/hotlists/{id}/plates/change" => {
            json!({"plate": "AB003CD"})
        }
        "POST /api/v1/hotlists/{id}/plates/removal" => json!({"plate": "AB003CD"}),
        "POST /api/v1/lookups" => lookup("AB004CD"),
        "POST /api/v1/lookups/both" => with_grounds(json!({
            "here": stretch("porta-nord"), "there": stretch("porta-sud"),
        })),
        "POST /api/v1/lookups/companions" => lookup("AB005CD"),
        "POST /api/v1/own-plates" => json!({"plates": ["ZZ999ZZ"]}),
        "POST /api/v1/second-looks" => with_grounds(json!({"plate": "AB006CD"})),
        "POST /api/v1/openings/invitation" => json!({"code": "nessuno"}),
        "POST /api/v1/openings" => json!({
            "code": "nessuno", "password": crate::signed::PASSWORD, "digits": "000000",
        }),
        "POST /api/v1/session" => json!({
            "user_name": "nessuno", "password": crate::signed::PASSWORD, "code": "000000",
        }),
        "POST /api/v1/session/unlocking" => json!({"password": crate::signed::PASSWORD}),
        _ if asked.starts_with("GET ") => Value::Null,
        _ => json!({}),
    };
    Request {
        id,
        query,
        body: (!body.is_null()).then_some(body),
    }
}
