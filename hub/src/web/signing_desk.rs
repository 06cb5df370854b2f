//! What the routes need to let persons in: keys, terms, and how many passwords are hashed at once.

use std::sync::Arc;

use ring::hmac;
use tokio::sync::Semaphore;
use varco_proto::cipher::{CipherError, Key};

use super::errors::ApiError;
use super::state::blocking;
use crate::config::signing::SigningConfig;
use crate::signing::challenges::Challenges;
use crate::signing::sign_in::SessionTerms;
use crate::signing::webauthn::PasskeySite;

/// Passwords that are hashed at once: each takes 19 MiB and a core for tens of milliseconds.
const HASHED_AT_ONCE: usize = 2;
/// Most that wait for their turn.
const WAITING_MAX: usize = 64;

/// What the routes need to let persons in.
#[derive(Clone)]
pub struct SigningDesk {
    /// Seals second factors.
    pub(super) key: Arc<Key>,
    pub(super) challenges: Challenges,
    pub(super) terms: SessionTerms,
    /// The hub's name, as browsers bind passkeys to it; none where passkeys are not set up.
    pub(super) site: Option<PasskeySite>,
    marks: hmac::Key,
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl SigningDesk {
    /// Under the home's key for it.
    ///
    /// # Errors
    /// [`CipherError::Random`] when no key can be derived.
    pub fn new(key: Key, config: &SigningConfig) -> Result<Self, CipherError> {
        let marks = key.derive(b"marks of sessions")?;
        Ok(Self {
            challenges: Challenges::under(&key.derive(b"challenges")?),
            marks: hmac::Key::new(hmac::HMAC_SHA256, marks.bytes()),
            key: Arc::new(key),
            site: config
                .passkeys
                .as_ref()
                .and_then(|name| PasskeySite::of(&name.host, name.port)),
            terms: SessionTerms {
                idle: config.idle,
                longest: config.longest,
                post_required: config.post_required,
            },
            turns: Arc::new(Semaphore::new(HASHED_AT_ONCE)),
            waiting: Arc::new(Semaphore::new(HASHED_AT_ONCE + WAITING_MAX)),
        })
    }

    /// What a page sends beside its cookie when it changes something: nobody makes it who has not the
    /// cookie, and no script of another site reads it. 64 hexadecimal digits.
    #[must_use]
    pub fn mark(&self, cookie: &str) -> String {
        hex::encode(hmac::sign(&self.marks, cookie.as_bytes()))
    }

    /// Whether it is that of a cookie; compared in constant time.
    pub(super) fn is_mark(&self, cookie: &str, mark: &str) -> bool {
        let mark = hex::decode(mark);
        mark.is_ok_and(|mark| hmac::verify(&self.marks, cookie.as_bytes(), &mark).is_ok())
    }

    /// Does something that hashes a password, off the async threads and in its turn.
    ///
    /// # Errors
    /// [`ApiError::Busy`], and those of the work.
    pub(super) async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = Arc::clone(&self.waiting).try_acquire_owned();
        let place = place.map_err(|_| ApiError::Busy("too many sign in at once"))?;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| ApiError::Internal)?;
        blocking(move || {
            let _held = (place, turn);
            work()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_mark_is_that_of_its_cookie_alone() {
        let config = SigningConfig {
            idle: Duration::from_secs(600),
            longest: Duration::from_secs(43_200),
            post_required: true,
            passkeys: None,
        };
        let desk = SigningDesk::new(Key::random().unwrap(), &config).unwrap();
        let mark = desk.mark("one");
        assert!(desk.is_mark("one", &mark));
        for wrong in ["", "zz", &mark[..62], &desk.mark("other")] {
            assert!(!desk.is_mark("one", wrong), "{wrong}");
        }
    }
}
