//! What whoever measures this edge is given.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

/// Writes the metrics of a moment; it may ask the disk.
pub type Source = Arc<dyn Fn() -> String + Send + Sync>;

/// Answers `GET /metrics` in Prometheus' text format.
pub fn metrics(source: Source) -> Router {
    Router::new()
        .route("/metrics", get(answer))
        .with_state(source)
}

async fn answer(State(source): State<Source>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    match tokio::task::spawn_blocking(move || source()).await {
        Ok(text) => ([(CONTENT_TYPE, kind)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
