//! hub.toml, and what stands in it: what is accepted lies within its bounds.
#![no_main]

use varco_fuzz::within;
use varco_hub::config::postgres_address::Address;
use varco_hub::config::{Config, RETENTION_MAX};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    within((8 << 20) + 1024 * data.len(), || {
        match Config::from_toml(text) {
            Ok(config) => checked(&config),
            Err(faults) => assert!(!faults.all().is_empty(), "a refusal says why"),
        }
        address(text);
    });
});

fn checked(config: &Config) {
    assert!(config.retention <= RETENTION_MAX && !config.retention.is_zero());
    assert!((1..=1000).contains(&config.results_max));
    assert!(
        config
            .metrics
            .is_none_or(|address| address.ip().is_loopback())
    );
    assert!(config.hubs >= 1);
    assert!(config.audit.term.as_secs() >= 366 * 86_400);
    let numbered = config.clone().numbered(u32::MAX);
    assert!(numbered.is_none());
}

fn address(text: &str) {
    let Ok(address) = Address::parse(text, None) else {
        return;
    };
    // What it says of itself is TOML, and says the same.
    let written = address.configuration();
    let (_, value) = written.split_once("postgres = ").expect("it names itself");
    assert!(!value.is_empty() && !text.contains("password="));
}
