//! Certificates and requests for them, as boxes and files bring them.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use varco_edge::adapters::identity::Life;
use varco_fuzz::{Cut, within};
use varco_hub::certificates::authority::{Authority, describe, ends};
use varco_proto::time::UtcTime;

fn now() -> UtcTime {
    UtcTime::from_unix_us(1_795_000_000_000_000)
}

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let made = Authority::create(now()).expect("an authority");
    Authority::from_pem(&made.certificate_pem, &made.key_pem).expect("an authority")
});

libfuzzer_sys::fuzz_target!(init: { LazyLock::force(&AUTHORITY); }, |data: &[u8]| {
    let mut cut = Cut(data);
    let kind = cut.byte();
    let bytes = cut.rest();
    within((1 << 20) + 128 * data.len(), || match kind % 2 {
        0 => request(bytes),
        _ => certificate(bytes),
    });
});

/// A certificate bears the name that was registered, whatever the request says.
fn request(der: &[u8]) {
    let made = AUTHORITY.client_for("porta-nord-01", der, now(), Duration::from_secs(3600));
    if let Ok(made) = made {
        let described = describe(&made.certificate_pem).expect("what was issued is read");
        assert!(described.life() <= Duration::from_secs(2 * 86_400));
        assert!(Life::of(made.certificate_pem.as_bytes()).is_ok());
    }
}

fn certificate(bytes: &[u8]) {
    if let Ok(life) = Life::of(bytes) {
        let _ = (life.is_to_be_renewed(now()), life.left(now()));
    }
    let pem = String::from_utf8_lossy(bytes);
    let _ = ends(&pem);
    if let Some(described) = describe(&pem) {
        let _ = (described.life(), described.is_due(now()));
    }
}
