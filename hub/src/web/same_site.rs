//! Whether a request comes from the hub's own page, as browsers say it. A program says nothing of it.

use axum::http::{HeaderMap, header};

/// Whether what a browser says of where a request comes from allows it: `Sec-Fetch-Site` is the same
/// origin, or a person's own doing; `Origin` is this host.
pub(super) fn is_ours(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return false;
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.strip_prefix("https://"));
    host.is_some() && origin == host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_says_of_another_site_is_refused() {
        let is_ours = |named: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in named {
                headers.append(*name, value.parse().unwrap());
            }
            super::is_ours(&headers)
        };
        let host = ("host", "hub:8443");
        assert!(is_ours(&[host]));
        assert!(is_ours(&[
            host,
            ("origin", "https://hub:8443"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(is_ours(&[host, ("sec-fetch-site", "none")]));
        for wrong in [
            ("origin", "https://evil.example"),
            ("origin", "http://hub:8443"),
            ("origin", "https://hub"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert!(!is_ours(&[host, wrong]), "{wrong:?}");
        }
        assert!(!is_ours(&[("origin", "https://hub:8443")]), "no host");
    }
}
