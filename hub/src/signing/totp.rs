//! The second factor: six digits that an app shows for thirty seconds (RFC 6238). The one door to
//! `totp_rs`.

use totp_rs::{Builder, Secret, Totp};
use varco_proto::cipher::Key;
use varco_proto::time::UtcTime;

use super::user_name::UserName;
use crate::machine::random::{self, RandomError};
use crate::store::StoreError;

/// Bytes of a secret, as RFC 4226 recommends.
const SECRET_BYTES: usize = 20;
/// Who issues the codes, as the app shows it.
const ISSUER: &str = "Varco";

/// What an app makes codes of. It is kept sealed.
pub struct TotpSecret([u8; SECRET_BYTES]);

impl std::fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TotpSecret")
    }
}

fn place(account: &str) -> Vec<u8> {
    format!("second factor {account}").into_bytes()
}

impl TotpSecret {
    /// A new one.
    ///
    /// # Errors
    /// [`RandomError`].
    pub fn random() -> Result<Self, RandomError> {
        Ok(Self(random::bytes()?))
    }

    /// As it is kept, bound to an account.
    ///
    /// # Errors
    /// [`StoreError::Key`].
    pub fn seal(&self, key: &Key, account: &str) -> Result<Vec<u8>, StoreError> {
        key.seal(&place(account), &self.0).map_err(StoreError::Key)
    }

    /// Out of what is kept of an account.
    ///
    /// # Errors
    /// [`StoreError::Damaged`].
    pub fn open(key: &Key, account: &str, sealed: &[u8]) -> Result<Self, StoreError> {
        let opened = key.open(&place(account), sealed).ok();
        let bytes = opened.and_then(|bytes| <[u8; SECRET_BYTES]>::try_from(bytes.as_slice()).ok());
        let damaged = StoreError::Damaged {
            what: "second factor",
        };
        bytes.map(Self).ok_or(damaged)
    }

    fn totp(&self) -> Option<Totp> {
        Builder::new()
            .with_secret(Secret::new_stack(self.0))
            .build()
            .ok()
    }

    /// As a person types it into an app: 32 characters.
    #[must_use]
    pub fn base32(&self) -> String {
        Secret::new_stack(self.0).to_base32()
    }

    /// As an app reads it: an `otpauth` address.
    #[must_use]
    pub fn address(&self, user_name: &UserName) -> String {
        let secret = self.base32();
        format!("otpauth://totp/{ISSUER}:{user_name}?secret={secret}&issuer={ISSUER}")
    }

    /// The step, counted from 1970 in spans of thirty seconds, whose digits somebody typed; none when
    /// they are of no step about now. A step before and after count too. The caller sees to it that a
    /// step is taken once.
    #[must_use]
    pub fn step(&self, typed: &str, now: UtcTime) -> Option<u64> {
        let digits: String = typed
            .chars()
            .filter(|symbol| !symbol.is_whitespace())
            .collect();
        self.totp()?.check(&digits, now.unix_ms() / 1000)
    }

    /// The digits of a moment, as an app shows them.
    #[must_use]
    pub fn digits_at(&self, at: UtcTime) -> Option<String> {
        Some(self.totp()?.generate(at.unix_ms() / 1000).to_string())
    }

    /// Out of what a person typed into an app.
    #[must_use]
    pub fn from_base32(text: &str) -> Option<Self> {
        let secret = Secret::try_from_base32(text).ok()?;
        secret.as_bytes().try_into().ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_digits_are_those_of_rfc_6238() {
        let secret = TotpSecret(*b"12345678901234567890");
        // The appendix has eight digits; six are their end.
        for (seconds, digits) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (2_000_000_000, "279037"),
        ] {
            let at = UtcTime::from_unix_us(0) + Duration::from_secs(seconds);
            assert_eq!(secret.digits_at(at).unwrap(), digits);
            assert_eq!(secret.step(digits, at), Some(seconds / 30));
        }
    }

    #[test]
    fn a_code_counts_a_step_early_and_late_and_no_more() {
        let secret = TotpSecret::random().unwrap();
        let now: UtcTime = "2026-11-22T12:00:00Z".parse().unwrap();
        let digits = secret.digits_at(now).unwrap();
        let spaced = format!("{} {}", &digits[..3], &digits[3..]);
        let step = now.unix_ms() / 30_000;
        let half = Duration::from_secs(30);
        assert_eq!(secret.step(&spaced, now), Some(step));
        assert_eq!(secret.step(&digits, now + half), Some(step));
        assert_eq!(secret.step(&digits, now + 2 * half), None);
        for wrong in ["", "12345", "abcdef", "+12345", "1234567"] {
            assert_eq!(secret.step(wrong, now), None, "{wrong}");
        }
    }

    #[test]
    fn a_secret_opens_for_its_account_alone() {
        let (key, secret) = (Key::random().unwrap(), TotpSecret::random().unwrap());
        let sealed = secret.seal(&key, "u1").unwrap();
        assert_eq!(TotpSecret::open(&key, "u1", &sealed).unwrap().0, secret.0);
        assert!(TotpSecret::open(&key, "u2", &sealed).is_err());
        let again = TotpSecret::from_base32(&secret.base32()).unwrap();
        assert_eq!(again.0, secret.0);
    }
}
