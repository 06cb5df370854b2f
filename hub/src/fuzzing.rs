//! The door to what decodes bytes from outside and is nobody else's business: for the crate `fuzz` alone, and only
//! with the feature `fuzzing`, which no installed build has.

use varco_proto::time::UtcTime;

pub use crate::audit::exported::fuzzing as exported;
pub use crate::backup::bundle_survives;
pub use crate::transits::rows::head_survives;
pub use crate::web::fuzzing as web;
pub use crate::witnessing::witness::request_of as witness_request;

/// How long another system asks for patience, in seconds, as its `Retry-After` says.
#[must_use]
pub fn retry_after_s(text: &str, now: UtcTime) -> Option<u64> {
    crate::alerts::patience::retry_after(text, now).map(|asked| asked.as_secs())
}

/// Whether a webhook may be at an address.
#[must_use]
pub fn webhook_is_allowed(url: &str) -> bool {
    crate::alerts::webhook::is_allowed(url)
}
