//! Passwords: what they must be, and how they are kept. The one door to `argon2`.
//!
//! Argon2id with the parameters that OWASP names first: 19 MiB, two passes, one lane. A hash is kept as a
//! PHC string, which says its own parameters.

use std::sync::OnceLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use thiserror::Error;

use super::user_name::UserName;
use crate::machine::random::{self, RandomError};

/// Fewest characters of a password.
pub const CHARACTERS_MIN: usize = 12;
/// Most bytes: more would only be work.
pub const BYTES_MAX: usize = 256;
/// Fewest characters that differ from each other.
const DIFFERENT_MIN: usize = 5;
/// Memory of one hash, in KiB.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over it.
const PASSES: u32 = 2;
/// Bytes of a salt.
const SALT_BYTES: usize = 16;
/// What many choose, longest first; a password that has these and little else is guessed at once.
const GUESSED: [&str; 19] = [
    "amministratore",
    "polizialocale",
    "carabinieri",
    "comandante",
    "qwertyuiop",
    "123456789",
    "benvenuto",
    "12345678",
    "ciaociao",
    "passw0rd",
    "password",
    "questura",
    "letmein",
    "polizia",
    "segreto",
    "123456",
    "italia",
    "qwerty",
    "varco",
];
/// How many characters a password must have besides what many choose.
const BESIDES_MIN: usize = 6;

/// A password cannot be taken: choose another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PasswordFault {
    /// Too short.
    #[error("a password has at least {CHARACTERS_MIN} characters")]
    Short,
    /// Too long.
    #[error("a password has at most {BYTES_MAX} bytes")]
    Long,
    /// It has the user name in it.
    #[error("the password has the user name in it")]
    UserName,
    /// It is one that is guessed first.
    #[error("this password is one of those that are guessed first")]
    Guessed,
}

/// A hash cannot be made.
#[derive(Debug, Error)]
pub enum HashError {
    /// No salt.
    #[error("cannot draw a salt")]
    Random(#[from] RandomError),
    /// The library refused; a bug, or no memory.
    #[error("cannot hash a password")]
    Hash,
}

/// Whether a password may be taken for an account.
///
/// # Errors
/// [`PasswordFault`].
pub fn check(password: &str, user_name: &UserName) -> Result<(), PasswordFault> {
    if password.chars().count() < CHARACTERS_MIN {
        return Err(PasswordFault::Short);
    }
    if password.len() > BYTES_MAX {
        return Err(PasswordFault::Long);
    }
    let lower = password.to_lowercase();
    if lower.contains(user_name.as_str()) {
        return Err(PasswordFault::UserName);
    }
    let different: std::collections::BTreeSet<char> = lower.chars().collect();
    let rest = GUESSED
        .iter()
        .fold(lower, |rest, word| rest.replace(word, ""));
    if different.len() < DIFFERENT_MIN || rest.chars().count() < BESIDES_MIN {
        return Err(PasswordFault::Guessed);
    }
    Ok(())
}

fn argon2() -> Result<Argon2<'static>, HashError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|_| HashError::Hash)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The PHC string of a password. It takes tens of milliseconds and 19 MiB.
///
/// # Errors
/// [`HashError`].
pub fn hash(password: &str) -> Result<String, HashError> {
    let salt = random::bytes::<SALT_BYTES>()?;
    let hashed = argon2()?.hash_password_with_salt(password.as_bytes(), &salt);
    Ok(hashed.map_err(|_| HashError::Hash)?.to_string())
}

/// Whether a password is the one that was hashed. Where there is no hash the work is the same, and the
/// answer no: how long it takes does not tell whether somebody has an account.
///
/// # Errors
/// [`HashError`]: the check cannot be made.
pub fn is_right(password: &str, kept: Option<&str>) -> Result<bool, HashError> {
    static NOBODYS: OnceLock<String> = OnceLock::new();
    let nobodys = match NOBODYS.get() {
        Some(hashed) => hashed,
        None => {
            let hashed = hash(&hex::encode(random::bytes::<16>()?))?;
            NOBODYS.get_or_init(|| hashed)
        }
    };
    let parsed = PasswordHash::new(kept.unwrap_or(nobodys)).map_err(|_| HashError::Hash)?;
    let holds = argon2()?
        .verify_password(password.as_bytes(), &parsed)
        .is_ok();
    Ok(holds && kept.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c26_part_a_password_is_long_and_not_one_that_is_guessed() {
        let name: UserName = "a.rossi".parse().unwrap();
        for (password, fault) in [
            ("corto", PasswordFault::Short),
            ("undici-luci", PasswordFault::Short),
            ("abababababababab", PasswordFault::Guessed),
            ("Password1234", PasswordFault::Guessed),
            ("polizialocale1", PasswordFault::Guessed),
            ("QWERTYUIOP123", PasswordFault::Guessed),
            ("io-sono-A.Rossi-1", PasswordFault::UserName),
            (&"lungo ".repeat(60), PasswordFault::Long),
        ] {
            assert_eq!(check(password, &name), Err(fault), "{password}");
        }
        assert_eq!(check("cavallo graffetta batteria", &name), Ok(()));
    }

    #[test]
    fn a_hash_is_argon2id_as_owasp_has_it_and_opens_for_its_password_alone() {
        let hashed = hash("cavallo graffetta batteria").unwrap();
        assert!(
            hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hashed}"
        );
        assert!(is_right("cavallo graffetta batteria", Some(&hashed)).unwrap());
        assert!(!is_right("cavallo graffetta batteriA", Some(&hashed)).unwrap());
        assert!(!is_right("cavallo graffetta batteria", None).unwrap());
        assert!(is_right("x", Some("$argon2id$damaged")).is_err());
        assert_ne!(hashed, hash("cavallo graffetta batteria").unwrap());
    }
}
