//! The routes, and what holds for all of them: limits, headers, errors as JSON.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi as OpenApiDescription, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::errors::ApiError;
use super::state::HubState;
use super::{
    alerts, boxes, cases, counts, edges, enrolments, gates, hotlist_plates, hotlists, live,
    lookups, page, readiness, together,
};

/// Largest request body, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Longest time until an answer begins.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Most bytes of the framework's own word on what is wrong with a request.
const REASON_BYTES_MAX: usize = 1024;

/// Every answer's headers: nothing from outside the hub, nothing kept by a browser.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        header::STRICT_TRANSPORT_SECURITY,
        "max-age=31536000; includeSubDomains",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=()",
    ),
];

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

/// All routes.
pub fn router(state: HubState) -> Router {
    let (api, description) = OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(lookups::look_up))
        .routes(routes!(cases::list_cases, cases::open_case))
        .routes(routes!(cases::show_case))
        .routes(routes!(cases::hold))
        .routes(routes!(cases::close_case))
        .routes(routes!(cases::block))
        .routes(routes!(together::look_up_both))
        .routes(routes!(together::look_up_companions))
        .routes(routes!(counts::count))
        .routes(routes!(live::watch_live))
        .routes(routes!(edges::list_edges))
        .routes(routes!(boxes::show_box))
        .routes(routes!(boxes::list_anomalies))
        .routes(routes!(boxes::watch_anomalies))
        .routes(routes!(gates::list_gates))
        .routes(routes!(edges::health))
        .routes(routes!(readiness::readiness))
        .routes(routes!(alerts::list_alerts))
        .routes(routes!(alerts::watch_alerts))
        .routes(routes!(alerts::acknowledge))
        .routes(routes!(hotlists::list_hotlists, hotlists::make_hotlist))
        .routes(routes!(hotlists::close_hotlist))
        .routes(routes!(hotlist_plates::add_plate))
        .routes(routes!(hotlist_plates::change_plate))
        .routes(routes!(hotlist_plates::remove_plate))
        .merge(
            OpenApiRouter::new()
                .routes(routes!(hotlists::import_entries))
                .layer(DefaultBodyLimit::max(hotlists::FILE_BYTES_MAX)),
        )
        .routes(routes!(enrolments::enrol))
        .routes(routes!(enrolments::renew))
        .split_for_parts();
    // Written once: anybody may ask for it, as often as they like.
    let description = serde_json::to_vec(&with_common_answers(description))
        .expect("a description is maps with text for keys");
    let description = Bytes::from(description);
    api.route(
        "/api/v1/openapi.json",
        get(move || async move { ([(header::CONTENT_TYPE, "application/json")], description) }),
    )
    .merge(page::routes())
    .fallback(|| async { ApiError::NotFound })
    .method_not_allowed_fallback(|| async { ApiError::Method })
    .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
    .layer(from_fn(within_limits))
    .with_state(state)
}

/// Bounds the time until an answer begins, gives errors of the framework our form, and sets the
/// headers.
async fn within_limits(request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(ANSWER_MAX, next.run(request)).await;
    let mut response = match answered {
        Ok(response) => in_our_form(response).await,
        Err(_) => ApiError::Timeout.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Gives an error of the framework, which is text, the form that the description says.
async fn in_our_form(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let ours = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let text = axum::body::to_bytes(response.into_body(), REASON_BYTES_MAX).await;
    let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
    let error = match status {
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::LENGTH_REQUIRED => ApiError::TooLarge,
        StatusCode::NOT_FOUND => ApiError::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => ApiError::Method,
        StatusCode::REQUEST_TIMEOUT => ApiError::Timeout,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::Body(text),
        status if status.is_client_error() => ApiError::Address(text),
        _ => ApiError::Internal,
    };
    error.into_response()
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
