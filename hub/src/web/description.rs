//! The description of the API, as `GET /api/v1/openapi.json` and `varco-hub openapi` give it.

use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Content, OpenApi as OpenApiDescription, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use super::form;
use super::router::{asked, open, signing};
use super::state::HubState;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Varco hub",
        description = "Lookups over the transits of the last seven days, and alerts on hotlists. \
            Every call names a person (session) or a program (token); every lookup a purpose and a case, every hotlist \
            too. What is shown leaves an audit line. Nothing can be deleted through this API."
    ),
    modifiers(&TokenScheme)
)]
struct Api;

struct TokenScheme;

impl Modify for TokenScheme {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
        let cookie = ApiKey::Cookie(ApiKeyValue::with_description(
            "__Host-varco",
            "A person's session, from POST /api/v1/session; what changes something needs its mark in \
             X-Varco-Session too.",
        ));
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    }
}

/// OpenAPI 3.1 as JSON, on lines.
#[must_use]
pub fn text() -> String {
    let all = OpenApiRouter::<HubState>::with_openapi(Api::openapi());
    let all = all.merge(asked()).merge(signing()).merge(open());
    let mut description = with_common_answers(all.into_openapi());
    if let Some(components) = &mut description.components {
        form::put_together(&mut components.schemas);
        form::let_several_fit(&mut components.schemas);
    }
    let text = serde_json::to_string_pretty(&description);
    text.expect("a description is maps with text for keys") + "\n"
}

/// Adds to each operation the errors that every one of them can answer with.
fn with_common_answers(mut description: OpenApiDescription) -> OpenApiDescription {
    for item in description.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            let secured = operation.security.is_some();
            if let Some(security) = &mut operation.security {
                let by_session: [&str; 0] = [];
                security.push(SecurityRequirement::new("session", by_session));
            }
            let has_body = operation.request_body.is_some();
            let parameters = operation.parameters.iter().flatten();
            let in_path = |parameter: &Parameter| parameter.parameter_in == ParameterIn::Path;
            let has_field = has_body || parameters.into_iter().any(in_path);
            for (status, holds, what) in [
                ("400", true, "The request cannot be read"),
                ("401", secured, "No valid token"),
                ("403", secured, "The token is not for this"),
                ("423", secured, "The session is locked"),
                ("413", has_body, "The request is too large"),
                ("422", has_field, "A field is missing or wrong"),
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
