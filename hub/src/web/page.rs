//! The page: a few small files in the binary, nothing from outside.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

use super::state::HubState;

/// The page's routes.
pub fn routes() -> Router<HubState> {
    let file = |media_type: &'static str, text: &'static str| {
        get(move || async move { ([(CONTENT_TYPE, media_type)], text).into_response() })
    };
    Router::new()
        .route(
            "/",
            file("text/html; charset=utf-8", include_str!("page/page.html")),
        )
        .route(
            "/page.css",
            file("text/css; charset=utf-8", include_str!("page/page.css")),
        )
        .route(
            "/page.js",
            file(
                "text/javascript; charset=utf-8",
                include_str!("page/page.js"),
            ),
        )
        .route(
            "/post.js",
            file(
                "text/javascript; charset=utf-8",
                include_str!("page/post.js"),
            ),
        )
        .route(
            "/signing.js",
            file(
                "text/javascript; charset=utf-8",
                include_str!("page/signing.js"),
            ),
        )
        .route(
            "/lock.js",
            file(
                "text/javascript; charset=utf-8",
                include_str!("page/lock.js"),
            ),
        )
        .route(
            "/agreements.js",
            file(
                "text/javascript; charset=utf-8",
                include_str!("page/agreements.js"),
            ),
        )
        .route(
            "/map.js",
            file(
                "text/javascript; charset=utf-8",
                include_str!("page/map.js"),
            ),
        )
        .route(
            "/requests.js",
            file(
                "text/javascript; charset=utf-8",
                include_str!("page/requests.js"),
            ),
        )
        .route(
            "/passkeys.js",
            file(
                "text/javascript; charset=utf-8",
                include_str!("page/passkeys.js"),
            ),
        )
        .route(
            "/sessions.js",
            file(
                "text/javascript; charset=utf-8",
                include_str!("page/sessions.js"),
            ),
        )
        .route(
            "/alerts.js",
            file(
                "text/javascript; charset=utf-8",
                include_str!("page/alerts.js"),
            ),
        )
}
