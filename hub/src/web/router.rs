//! The routes, and what holds for all of them: limits, headers, errors as JSON.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::attempts::{self, Attempts};
use super::errors::ApiError;
use super::request::{BODY_BYTES_MAX, FILE_BYTES_MAX};
use super::state::HubState;
use super::{
    access, agreements, alerts, approvals, audit, blocks, boxes, cases, corrections, counts,
    description, edges, enrolments, evidence, gate_claims, gates, hotlist_plates, hotlists, live,
    lookups, office, openings, own_people, page, passkeys, purposes, readiness, second_looks,
    sessions, signed_in, together,
};

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

/// The routes that ask for a token.
pub(super) fn asked() -> OpenApiRouter<HubState> {
    OpenApiRouter::new()
        .routes(routes!(lookups::look_up))
        .routes(routes!(cases::list_cases, cases::open_case))
        .routes(routes!(cases::show_case))
        .routes(routes!(cases::hold))
        .routes(routes!(cases::close_case))
        .routes(routes!(blocks::block))
        .routes(routes!(together::look_up_both))
        .routes(routes!(together::look_up_companions))
        .routes(routes!(
            second_looks::ask_second_look,
            second_looks::list_second_looks
        ))
        .routes(routes!(own_people::list_own_plates))
        .routes(routes!(own_people::tell_duty_hours))
        .routes(routes!(corrections::correct_plate))
        .routes(routes!(evidence::extract_evidence))
        .routes(routes!(evidence::list_permits, evidence::record_permit))
        .routes(routes!(evidence::end_permit))
        .routes(routes!(access::show_register, access::enter_register))
        .routes(routes!(access::print_register))
        .routes(routes!(access::leave_register))
        .routes(routes!(counts::count))
        .routes(routes!(live::watch_live))
        .routes(routes!(edges::list_edges))
        .routes(routes!(boxes::show_box))
        .routes(routes!(boxes::list_anomalies))
        .routes(routes!(boxes::watch_anomalies))
        .routes(routes!(gates::list_gates))
        .routes(routes!(purposes::list_purposes))
        .routes(routes!(office::show_office))
        .routes(routes!(signed_in::list_sessions))
        .routes(routes!(signed_in::end_session))
        .routes(routes!(agreements::list_agreements))
        .routes(routes!(alerts::list_alerts))
        .routes(routes!(alerts::watch_alerts))
        .routes(routes!(alerts::acknowledge))
        .routes(routes!(hotlists::list_hotlists, hotlists::make_hotlist))
        .routes(routes!(hotlists::close_hotlist))
        .routes(routes!(hotlist_plates::add_plate))
        .routes(routes!(hotlist_plates::change_plate))
        .routes(routes!(hotlist_plates::remove_plate))
        .routes(routes!(audit::search_audit))
        .routes(routes!(audit::show_audit_line))
        .routes(routes!(audit::prove_audit_line))
        .routes(routes!(audit::prove_audit_consistency))
        .routes(routes!(audit::show_audit_checkpoint))
        .routes(routes!(approvals::list_approvals, approvals::ask_approval))
        .routes(routes!(approvals::decide_approval))
        .routes(routes!(approvals::withdraw_approval))
        .routes(routes!(approvals::end_approval))
        .routes(routes!(approvals::list_notices))
        .routes(routes!(approvals::read_notice))
        .routes(routes!(gate_claims::list_claims, gate_claims::claim_gates))
        .routes(routes!(gate_claims::free_gates))
        .route("/api/v1/audit/tile/{*path}", get(audit::show_audit_tile))
        .merge(
            OpenApiRouter::new()
                .routes(routes!(hotlists::import_entries))
                .layer(DefaultBodyLimit::max(FILE_BYTES_MAX)),
        )
}

/// Those by which persons come in and go out.
pub(super) fn signing() -> OpenApiRouter<HubState> {
    OpenApiRouter::new()
        .routes(routes!(sessions::show_session, sessions::sign_in))
        .routes(routes!(sessions::challenge))
        .routes(routes!(sessions::be_present))
        .routes(routes!(sessions::lock))
        .routes(routes!(sessions::unlock))
        .routes(routes!(sessions::sign_out))
        .routes(routes!(passkeys::ask_passkey, passkeys::sign_in_by_passkey))
        .routes(routes!(passkeys::unlock_by_passkey))
        .routes(routes!(passkeys::list_passkeys, passkeys::make_passkey))
        .routes(routes!(passkeys::begin_passkey))
        .routes(routes!(passkeys::revoke_passkey))
        .routes(routes!(openings::show_invitation))
        .routes(routes!(openings::open_account))
        .routes(routes!(openings::enrol_post))
}

/// Those that ask for none.
pub(super) fn open() -> OpenApiRouter<HubState> {
    OpenApiRouter::new()
        .routes(routes!(edges::health))
        .routes(routes!(readiness::readiness))
        .routes(routes!(enrolments::enrol))
        .routes(routes!(enrolments::renew))
}

/// All routes.
pub(super) fn router(state: HubState, attempts: Attempts) -> Router {
    let asked = asked().merge(signing());
    let asked = asked.route_layer(from_fn_with_state(attempts, attempts::note));
    let (api, _) = OpenApiRouter::new()
        .merge(asked)
        .merge(open())
        .split_for_parts();
    // Written once: anybody may ask for it, as often as they like.
    let description = Bytes::from(description::text());
    api.route(
        "/api/v1/openapi.json",
        get(move || async move { ([(header::CONTENT_TYPE, "application/json")], description) }),
    )
    .merge(page::routes())
    .fallback(|| async { ApiError::NotFound })
    .method_not_allowed_fallback(|| async { ApiError::Method })
    .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
    .layer(CatchPanicLayer::custom(panicked))
    .layer(from_fn(within_limits))
    .with_state(state)
}

/// A fault of ours ends one request, which is told so.
fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("a request is not answered: its handler panicked");
    ApiError::Internal.into_response()
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
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::LENGTH_REQUIRED => {
            ApiError::TooLarge(BODY_BYTES_MAX)
        }
        StatusCode::NOT_FOUND => ApiError::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => ApiError::Method,
        StatusCode::REQUEST_TIMEOUT => ApiError::Timeout,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::Body(text),
        status if status.is_client_error() => ApiError::Address(text),
        _ => ApiError::Internal,
    };
    error.into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_handler_that_panics_is_told_in_the_form_of_every_error() {
        let router = Router::new()
            .route(
                "/",
                get(async || -> StatusCode { panic!("a fault of ours") }),
            )
            .layer(CatchPanicLayer::custom(panicked))
            .layer(from_fn(within_limits));
        let answer = router.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = axum::body::to_bytes(answer.into_body(), 1024)
            .await
            .unwrap();
        let body: super::super::errors::ErrorBody = serde_json::from_slice(&body).unwrap();
        assert_eq!(body.error, "the hub cannot answer now");
    }
}
