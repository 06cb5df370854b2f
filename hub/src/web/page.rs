//! The page: a few small files in the binary, nothing from outside.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

use super::state::HubState;

/// The page's scripts, by the path at which each lies.
const SCRIPTS: [(&str, &str); 10] = [
    ("/page.js", include_str!("page/page.js")),
    ("/post.js", include_str!("page/post.js")),
    ("/signing.js", include_str!("page/signing.js")),
    ("/lock.js", include_str!("page/lock.js")),
    ("/agreements.js", include_str!("page/agreements.js")),
    ("/map.js", include_str!("page/map.js")),
    ("/requests.js", include_str!("page/requests.js")),
    ("/passkeys.js", include_str!("page/passkeys.js")),
    ("/sessions.js", include_str!("page/sessions.js")),
    ("/alerts.js", include_str!("page/alerts.js")),
];

/// The page's routes.
pub fn routes() -> Router<HubState> {
    let file = |media_type: &'static str, text: &'static str| {
        get(move || async move { ([(CONTENT_TYPE, media_type)], text).into_response() })
    };
    let page = Router::new()
        .route(
            "/",
            file("text/html; charset=utf-8", include_str!("page/page.html")),
        )
        .route(
            "/page.css",
            file("text/css; charset=utf-8", include_str!("page/page.css")),
        );
    SCRIPTS.into_iter().fold(page, |page, (path, text)| {
        page.route(path, file("text/javascript; charset=utf-8", text))
    })
}
