//! The one cookie: `__Host-varco`, which names a session and which no script reads.

use axum::http::{HeaderMap, HeaderValue, header};

/// Its name. The prefix has browsers see to it that it came over HTTPS, from this host, for all of it.
const NAME: &str = "__Host-varco";
/// Digits of its value.
const DIGITS: usize = 64;

/// The session's cookie; none when there is none, or more than one: then somebody planted one.
pub(super) fn of(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(header::COOKIE).into_iter();
    let all = all.filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';'));
    let named = pairs.filter_map(|pair| pair.trim().split_once('='));
    let mut found = named
        .filter(|(name, _)| *name == NAME)
        .map(|(_, value)| value);
    let value = found.next().filter(|_| found.next().is_none())?;
    let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    (value.len() == DIGITS && value.bytes().all(is_digit)).then(|| value.to_owned())
}

const KEPT: &str = "; Path=/; Secure; HttpOnly; SameSite=Strict";

/// The header that gives a browser its session.
pub(super) fn give(value: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{NAME}={value}{KEPT}")).ok()
}

/// The header that takes it away.
pub(super) fn take_away() -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{NAME}={KEPT}; Max-Age=0")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(header::COOKIE, cookie.parse().unwrap());
        }
        headers
    }

    #[test]
    fn one_cookie_of_its_form_counts_and_two_count_for_nothing() {
        let value = "0a".repeat(32);
        let right = format!("other=1; {NAME}={value}");
        assert_eq!(of(&headers(&[&right])), Some(value.clone()));
        assert_eq!(of(&headers(&["a=1", &right])), Some(value));
        for wrong in [
            vec![right.as_str(), right.as_str()],
            vec!["__Host-varco=0a0a"],
            vec!["varco=0a0a"],
            vec![],
        ] {
            assert_eq!(of(&headers(&wrong)), None, "{wrong:?}");
        }
        let shouted = format!("{NAME}={}", "0A".repeat(32));
        assert_eq!(of(&headers(&[&shouted])), None);
    }
}
