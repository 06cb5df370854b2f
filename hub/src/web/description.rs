//! The description of the API, as `GET /api/v1/openapi.json` and `varco-hub openapi` give it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use utoipa::openapi::schema::{AdditionalProperties, AllOf, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Content, Object, OpenApi as OpenApiDescription, Ref, RefOr, ResponseBuilder, Schema,
};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use super::router::{asked, open};
use super::state::HubState;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Varco hub",
        description = "Lookups over the transits of the last seven days, and alerts on hotlists. \
            Every call names a person (token); every lookup a purpose and a case, every hotlist \
            too. What is shown leaves an audit line. Nothing can be deleted through this API."
    ),
    modifiers(&TokenScheme)
)]
struct Api;

struct TokenScheme;

impl Modify for TokenScheme {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// OpenAPI 3.1 as JSON, on lines.
#[must_use]
pub fn text() -> String {
    let text = serde_json::to_string_pretty(description());
    text.expect("a description is maps with text for keys") + "\n"
}

/// A schema by its name.
pub(super) fn schema(name: &str) -> Option<&'static RefOr<Schema>> {
    description().components.as_ref()?.schemas.get(name)
}

fn description() -> &'static OpenApiDescription {
    static DESCRIPTION: LazyLock<OpenApiDescription> = LazyLock::new(|| {
        let all = OpenApiRouter::<HubState>::with_openapi(Api::openapi());
        let all = all.merge(asked()).merge(open());
        with_common_answers(with_whole_requests(all.into_openapi()))
    });
    &DESCRIPTION
}

/// Shows requests that are put together of parts as the one object that is sent, which may have no
/// other fields.
fn with_whole_requests(mut description: OpenApiDescription) -> OpenApiDescription {
    let Some(components) = &mut description.components else {
        return description;
    };
    let parts = components.schemas.clone();
    let mut within = BTreeSet::new();
    for (name, schema) in &mut components.schemas {
        let RefOr::T(Schema::AllOf(all)) = schema else {
            continue;
        };
        let mut whole = Object::with_type(Type::Object);
        whole.description.clone_from(&all.description);
        gather(all, &parts, &mut whole, &mut within);
        if name.ends_with("Request") {
            let closed = AdditionalProperties::FreeForm(false);
            whole.additional_properties = Some(Box::new(closed));
        }
        *schema = RefOr::T(Schema::Object(whole));
    }
    components.schemas.retain(|name, _| !within.contains(name));
    description
}

/// Puts the fields of all parts into one object, and the parts' names into `within`.
fn gather(
    all: &AllOf,
    parts: &BTreeMap<String, RefOr<Schema>>,
    whole: &mut Object,
    within: &mut BTreeSet<String>,
) {
    for item in &all.items {
        let item = match item {
            RefOr::Ref(reference) => {
                let name = reference
                    .ref_location
                    .rsplit('/')
                    .next()
                    .unwrap_or_default();
                within.insert(name.to_owned());
                parts.get(name).unwrap_or(item)
            }
            RefOr::T(_) => item,
        };
        match item {
            RefOr::T(Schema::AllOf(all)) => gather(all, parts, whole, within),
            RefOr::T(Schema::Object(part)) => {
                whole.properties.extend(part.properties.clone());
                whole.required.extend(part.required.clone());
            }
            _ => {}
        }
    }
}

/// Adds to each operation the errors that every one of them can answer with.
fn with_common_answers(mut description: OpenApiDescription) -> OpenApiDescription {
    for item in description.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            let secured = operation.security.is_some();
            let has_body = operation.request_body.is_some();
            for (status, holds, what) in [
                ("400", true, "The request cannot be read"),
                ("401", secured, "No valid token"),
                ("403", secured, "The token is not for this"),
                ("413", has_body, "The request is too large"),
                ("422", has_body, "A field is missing or wrong"),
                ("429", true, "Too many failures, connections or streams"),
                ("503", true, "The hub cannot answer now; nothing is shown"),
                ("504", true, "The request took too long"),
            ] {
                let answers = &mut operation.responses.responses;
                if holds && !answers.contains_key(status) {
                    answers.insert(status.to_owned(), error_answer(what).into());
                }
            }
        }
    }
    description
}

fn error_answer(what: &str) -> utoipa::openapi::Response {
    let body = Content::new(Some(Ref::from_schema_name("ErrorBody")));
    ResponseBuilder::new()
        .description(what)
        .content("application/json", body)
        .build()
}
