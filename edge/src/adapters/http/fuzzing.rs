//! For the crate `fuzz`: whoever pushes, and says who he is.

use std::time::Duration;

use super::digest::{Nonces, Request};

/// Whether an `Authorization: Digest` is admitted that knows nothing of the password.
#[must_use]
pub fn admitted(method: &str, uri: &str, authorization: &str, seconds: u64) -> bool {
    let mut nonces = Nonces::new(&[7; 32]);
    let now = Duration::from_secs(seconds);
    let _ = nonces.challenges(now);
    let request = Request {
        method,
        uri,
        authorization,
    };
    nonces.admit(request, "camera", "a password that no input has", now)
}
