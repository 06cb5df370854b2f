//! What strangers send to the hub before anybody has let them in, and what people type.
#![no_main]

use std::sync::LazyLock;

use varco_fuzz::{Cut, within};
use varco_hub::agreements::AgreementId;
use varco_hub::audit::purpose::{Grounds, Purpose};
use varco_hub::bodies::BodyId;
use varco_hub::fuzzing::{self, web};
use varco_hub::hotlists::list::ListId;
use varco_hub::map::{area::Area, place::Place};
use varco_hub::municipalities::{IstatCode, Municipality};
use varco_hub::people::tokens::Permissions;
use varco_hub::signing::codes::digest_of;
use varco_hub::signing::totp::TotpSecret;
use varco_hub::signing::user_name::UserName;
use varco_proto::time::UtcTime;

static SECRET: LazyLock<TotpSecret> = LazyLock::new(|| {
    TotpSecret::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").expect("RFC 6238's own secret")
});

libfuzzer_sys::fuzz_target!(init: { LazyLock::force(&SECRET); }, |data: &[u8]| {
    let mut cut = Cut(data);
    let kind = cut.byte();
    let bytes = cut.rest();
    within((4 << 20) + 128 * data.len(), || match kind {
        b'c' => cookies(bytes),
        b'p' => places(bytes),
        b't' => texts(bytes),
        b'u' => drop(String::from_utf8_lossy(bytes).pipe(web::grounds)),
        number => drop(web::request(number.wrapping_sub(b'A'), bytes)),
    });
});

trait Pipe: Sized {
    fn pipe<T>(&self, with: impl FnOnce(&str) -> T) -> T;
}

impl Pipe for std::borrow::Cow<'_, str> {
    fn pipe<T>(&self, with: impl FnOnce(&str) -> T) -> T {
        with(self)
    }
}

fn cookies(bytes: &[u8]) {
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    if let Some(cookie) = web::cookie(&lines) {
        assert!(
            cookie.len() == 64
                && cookie
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        );
        let named = bytes
            .windows(12)
            .filter(|part| part == b"__Host-varco")
            .count();
        assert!(named >= 1);
    }
}

fn places(bytes: &[u8]) {
    let mut cut = Cut(bytes);
    let [a, b, c, d] = [(); 4].map(|()| f64::from_bits(cut.number()));
    if let Ok(place) = Place::new(a, b) {
        let (latitude, longitude) = place.e7();
        assert_eq!(Place::from_e7(latitude, longitude), Ok(place));
        assert!(place.distance_m(place) < 0.01);
        if let Ok(circle) = Area::circle(place, c) {
            assert!(circle.has(place));
        }
        if let Ok(rectangle) = Area::rectangle(a, b, c, d) {
            let other = Place::new(c, d).expect("its corners are places");
            let far = place.distance_m(other);
            assert!(far.is_nan() || far >= 0.0);
            let _ = rectangle.has(other);
        }
    }
}

fn texts(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(name) = text.parse::<UserName>() {
        assert_eq!(name.as_str().parse(), Ok(name.clone()));
        assert!(SECRET.address(&name).is_ascii());
    }
    if let Ok(body) = text.parse::<BodyId>() {
        assert_eq!(body.as_str(), text);
    }
    if let Ok(list) = text.parse::<ListId>() {
        assert_eq!(list.as_str(), text);
    }
    if let Ok(agreement) = text.parse::<AgreementId>() {
        assert_eq!(agreement.as_str(), text);
    }
    if let Ok(name) = text.parse::<Municipality>() {
        assert_eq!(name.as_str(), text);
    }
    if let Ok(code) = text.parse::<IstatCode>() {
        assert_eq!(code.as_str().len(), 6);
    }
    if let Ok(purpose) = text.parse::<Purpose>() {
        assert_eq!(purpose.as_str().parse(), Ok(purpose));
        assert!(!text.to_ascii_lowercase().contains("sanction"));
    }
    if let Ok(grounds) = Grounds::stated(Some("traffic"), Some(text)) {
        assert!(!grounds.case_reference.contains(char::is_control));
    }
    let _ = Permissions::read(text);
    assert_eq!(digest_of(text), digest_of(&text.to_ascii_lowercase()));
    let now = UtcTime::from_unix_us(1_795_000_000_000_000);
    if let Some(step) = SECRET.step(text, now) {
        let at = UtcTime::from_unix_us(i64::try_from(step).expect("a step") * 30_000_000);
        let typed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        assert_eq!(SECRET.digits_at(at), Some(typed));
    }
    if fuzzing::webhook_is_allowed(text) {
        assert!(text.len() <= 500 && (text.starts_with("https://") || text.starts_with("http://")));
    }
    let _ = fuzzing::retry_after_s(text, now);
}
