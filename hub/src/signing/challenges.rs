//! What a post signs to show that somebody signs in from it now. This module owns the table
//! `used_challenges`.
//!
//! A challenge says when it was made and carries the hub's own mark, so that nothing is stored for whoever
//! asks for one; what was used is remembered until it would have ended. Several hubs of a home take each
//! other's.

use std::time::Duration;

use ring::hmac;
use thiserror::Error;
use varco_proto::cipher::Key;
use varco_proto::time::UtcTime;

use crate::machine::random::{self, RandomError};
use crate::store::sql::{Connection, params};
use crate::store::{Doing as _, StoreError};

/// The table, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE used_challenges (
        nonce BLOB PRIMARY KEY CHECK (length(nonce) = 16),
        ends_at_us INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;";

/// How long a challenge holds.
pub const VALID: Duration = Duration::from_secs(60);

const NONCE_BYTES: usize = 16;
const TIME_BYTES: usize = 8;

/// A challenge is not taken: ask for another.
#[derive(Debug, Error)]
pub enum ChallengeError {
    /// It is not the hub's own, or its minute is over.
    #[error("the challenge does not hold any more")]
    Ended,
    /// It was used before.
    #[error("the challenge was used before")]
    Used,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes challenges and knows them again.
#[derive(Debug, Clone)]
pub struct Challenges(hmac::Key);

impl Challenges {
    /// Under a key that no other use has.
    #[must_use]
    pub fn under(key: &Key) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.bytes()))
    }

    /// A new one, in hexadecimal digits.
    ///
    /// # Errors
    /// [`RandomError`].
    pub fn draw(&self, now: UtcTime) -> Result<String, RandomError> {
        let mut bytes = random::bytes::<NONCE_BYTES>()?.to_vec();
        bytes.extend_from_slice(&now.unix_us().to_be_bytes());
        let mark = hmac::sign(&self.0, &bytes);
        bytes.extend_from_slice(mark.as_ref());
        Ok(hex::encode(bytes))
    }

    /// Takes a challenge, which from then on is used, within the caller's transaction.
    ///
    /// # Errors
    /// [`ChallengeError`].
    pub fn take(&self, main: &Connection, text: &str, now: UtcTime) -> Result<(), ChallengeError> {
        const DOING: &str = "note that a challenge is used";
        let bytes = hex::decode(text).map_err(|_| ChallengeError::Ended)?;
        let Some((told, mark)) = bytes.split_at_checked(NONCE_BYTES + TIME_BYTES) else {
            return Err(ChallengeError::Ended);
        };
        hmac::verify(&self.0, told, mark).map_err(|_| ChallengeError::Ended)?;
        let (nonce, made_us) = told.split_at(NONCE_BYTES);
        let made_us: [u8; TIME_BYTES] = made_us.try_into().map_err(|_| ChallengeError::Ended)?;
        let made_at = UtcTime::from_unix_us(i64::from_be_bytes(made_us));
        if now < made_at || now >= made_at + VALID {
            return Err(ChallengeError::Ended);
        }
        let over = "DELETE FROM used_challenges WHERE ends_at_us <= ?";
        main.execute(over, [now.unix_us()]).doing(DOING)?;
        let sql = "INSERT INTO used_challenges VALUES (?, ?) ON CONFLICT DO NOTHING";
        let ends_us = (made_at + VALID).unix_us();
        let noted = main.execute(sql, params![nonce, ends_us]).doing(DOING)?;
        if noted == 1 {
            Ok(())
        } else {
            Err(ChallengeError::Used)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_taken_once_within_its_minute_by_who_made_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut main = crate::store::open(&folder.path().join("main")).unwrap();
        crate::store::migrate(&mut main, &[SCHEMA]).unwrap();
        let (key, other) = (Key::random().unwrap(), Key::random().unwrap());
        let challenges = Challenges::under(&key);
        let now: UtcTime = "2026-11-22T12:00:00Z".parse().unwrap();
        let second = Duration::from_secs(1);
        let take = |text: &str, at: UtcTime| challenges.take(&main, text, at);
        let one = challenges.draw(now).unwrap();
        assert!(matches!(
            take(&one, now + VALID),
            Err(ChallengeError::Ended)
        ));
        assert!(take(&one, now + VALID - second).is_ok());
        assert!(matches!(
            take(&one, now + second),
            Err(ChallengeError::Used)
        ));
        let foreign = Challenges::under(&other).draw(now).unwrap();
        let mut changed = challenges.draw(now).unwrap();
        changed.replace_range(33..34, if &changed[33..34] == "0" { "1" } else { "0" });
        let later = challenges.draw(now + second).unwrap();
        for wrong in ["", "zz", &foreign, &changed, &later, &one[..40]] {
            assert!(
                matches!(take(wrong, now), Err(ChallengeError::Ended)),
                "{wrong}"
            );
        }
        // What has ended is not remembered.
        take(&challenges.draw(now + VALID).unwrap(), now + VALID).unwrap();
        let count: u32 = main
            .query_row("SELECT count(*) FROM used_challenges", [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, 1);
    }
}
