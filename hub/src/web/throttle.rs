//! Who failed too often lately, by address and by token: for the rest of a minute no more is looked up.
//!
//! An address is often a whole office behind one router. A token that held lately is let through whatever
//! others of its address do.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

/// How long failures are counted together.
const WITHIN: Duration = Duration::from_secs(60);
/// Most requests without a valid token from one address within it.
const OF_ADDRESS_MAX: u32 = 20;
/// Most refused requests with one token within it.
const OF_TOKEN_MAX: u32 = 120;
/// How long a token that held is let through.
const HELD_FOR: Duration = Duration::from_secs(15 * 60);
/// How long wrong passwords of one user name are counted together.
const ACCOUNT_WITHIN: Duration = Duration::from_secs(15 * 60);
/// Most of them within it.
const OF_ACCOUNT_MAX: u32 = 5;
/// Most user names that are remembered. A hub hashes far fewer passwords in a quarter of an hour, so that
/// nobody is forgotten by others being tried.
const ACCOUNTS_MAX: usize = 65_536;
/// Most addresses, and most tokens, that are remembered; beyond them the oldest are forgotten.
const REMEMBERED_MAX: usize = 4096;

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    Address(Option<IpAddr>),
    Token(String),
}

#[derive(Debug, Default)]
struct Known {
    failures: HashMap<Who, (UtcTime, u32)>,
    held: HashMap<Digest, UtcTime>,
    /// By the user name's digest, whether there is such an account or not.
    accounts: HashMap<Digest, (UtcTime, u32)>,
}

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<Known>);

impl Throttle {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a token from an address is looked up at all.
    pub(super) fn may_try(&self, from: Option<IpAddr>, token: &Digest, now: UtcTime) -> bool {
        let mut known = self.known();
        let held = known.held.get(token);
        let held = held.is_some_and(|at| now >= *at && now.since(*at) < HELD_FOR);
        held || known.count(&Who::Address(from), now) < OF_ADDRESS_MAX
    }

    /// A token held.
    pub(super) fn held(&self, token: Digest, now: UtcTime) {
        let mut known = self.known();
        known.held.insert(token, now);
        forget_oldest(&mut known.held, |at| *at);
    }

    /// Somebody showed no valid token.
    pub(super) fn failed(&self, from: Option<IpAddr>, now: UtcTime) {
        self.known().add(Who::Address(from), now);
    }

    /// Whether an address may show anything: it did not fail too often.
    pub(super) fn may_knock(&self, from: Option<IpAddr>, now: UtcTime) -> bool {
        self.known().count(&Who::Address(from), now) < OF_ADDRESS_MAX
    }

    /// Whether somebody may try to sign in under a user name, by its digest. The try counts at once, so
    /// that many at the same moment are no more than many after one another.
    pub(super) fn may_sign_in(&self, name: &Digest, now: UtcTime) -> bool {
        let mut known = self.known();
        let fresh = (now, 0);
        let tries = known.accounts.entry(*name).or_insert(fresh);
        if now < tries.0 || now.since(tries.0) >= ACCOUNT_WITHIN {
            *tries = fresh;
        }
        tries.1 = tries.1.saturating_add(1);
        let may = tries.1 <= OF_ACCOUNT_MAX;
        if known.accounts.len() > ACCOUNTS_MAX {
            let oldest = known.accounts.iter().min_by_key(|(_, (since, _))| *since);
            if let Some(oldest) = oldest.map(|(name, _)| *name) {
                known.accounts.remove(&oldest);
            }
        }
        may
    }

    /// Somebody signed in under a user name.
    pub(super) fn signed_in(&self, name: &Digest) {
        self.known().accounts.remove(name);
    }

    /// Whether a token may ask: it was not refused too often.
    pub(super) fn may_ask(&self, credential: &str, now: UtcTime) -> bool {
        self.known().count(&Who::Token(credential.to_owned()), now) < OF_TOKEN_MAX
    }

    /// What was asked with a token was refused.
    pub(super) fn refused(&self, credential: &str, now: UtcTime) {
        self.known().add(Who::Token(credential.to_owned()), now);
    }
}

impl Known {
    fn count(&mut self, who: &Who, now: UtcTime) -> u32 {
        match self.failures.get(who) {
            Some((since, count)) if now >= *since && now.since(*since) < WITHIN => *count,
            Some(_) => {
                self.failures.remove(who);
                0
            }
            None => 0,
        }
    }

    fn add(&mut self, who: Who, now: UtcTime) {
        self.count(&who, now);
        self.failures.entry(who).or_insert((now, 0)).1 += 1;
        forget_oldest(&mut self.failures, |(since, _)| *since);
    }
}

fn forget_oldest<K: Clone + Eq + std::hash::Hash, V>(
    of: &mut HashMap<K, V>,
    at: impl Fn(&V) -> UtcTime,
) {
    if of.len() <= REMEMBERED_MAX {
        return;
    }
    let oldest = of.iter().min_by_key(|(_, value)| at(value));
    if let Some(key) = oldest.map(|(key, _)| key.clone()) {
        of.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_fails_too_often_waits_and_a_token_that_held_does_not() {
        let throttle = Throttle::default();
        let now: UtcTime = "2026-11-22T12:00:00Z".parse().unwrap();
        let office = Some(IpAddr::from([192, 0, 2, 1]));
        let (good, guess) = (Digest::of(b"good"), Digest::of(b"guess"));
        throttle.held(good, now);
        for _ in 0..OF_ADDRESS_MAX {
            assert!(throttle.may_try(office, &guess, now));
            throttle.failed(office, now);
        }
        assert!(!throttle.may_try(office, &guess, now));
        assert!(throttle.may_try(office, &good, now));
        assert!(throttle.may_try(None, &guess, now));
        assert!(throttle.may_try(office, &guess, now + WITHIN));
        // A clock that went back shuts nobody out for good.
        throttle.failed(office, now + WITHIN);
        assert!(throttle.may_try(office, &guess, now));
    }

    #[test]
    fn a_token_that_is_refused_too_often_waits_for_its_minute() {
        let throttle = Throttle::default();
        let now: UtcTime = "2026-11-22T12:00:00Z".parse().unwrap();
        for _ in 0..OF_TOKEN_MAX {
            assert!(throttle.may_ask("a1", now));
            throttle.refused("a1", now);
        }
        assert!(!throttle.may_ask("a1", now) && throttle.may_ask("a2", now));
        assert!(throttle.may_ask("a1", now + WITHIN));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let throttle = Throttle::default();
        let now: UtcTime = "2026-11-22T12:00:00Z".parse().unwrap();
        for number in 0..5000_u32 {
            throttle.refused(
                &number.to_string(),
                now + Duration::from_millis(number.into()),
            );
        }
        assert_eq!(throttle.known().failures.len(), REMEMBERED_MAX);
        assert!(
            throttle
                .known()
                .failures
                .contains_key(&Who::Token("4999".into()))
        );
    }

    #[test]
    fn a_user_name_is_tried_five_times_in_a_quarter_of_an_hour_however_many_others_are_tried() {
        let throttle = Throttle::default();
        let now: UtcTime = "2026-11-22T12:00:00Z".parse().unwrap();
        let name = Digest::of(b"a.rossi");
        for _ in 0..OF_ACCOUNT_MAX {
            assert!(throttle.may_sign_in(&name, now));
        }
        assert!(!throttle.may_sign_in(&name, now));
        for other in 0..5000_u32 {
            let other = Digest::of(&other.to_be_bytes());
            assert!(throttle.may_sign_in(&other, now + Duration::from_secs(1)));
        }
        let last = now + ACCOUNT_WITHIN - Duration::from_secs(1);
        assert!(!throttle.may_sign_in(&name, last));
        assert!(throttle.may_sign_in(&name, now + ACCOUNT_WITHIN));
        for _ in 0..OF_ACCOUNT_MAX {
            throttle.signed_in(&name);
            assert!(throttle.may_sign_in(&name, now));
        }
    }
}
