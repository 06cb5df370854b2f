//! The edge's TLS key and certificate: made here, asked for, put in place. The only door to rcgen
//! and x509-parser.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use thiserror::Error;
use varco_proto::ids::EdgeId;
use varco_proto::time::UtcTime;

use super::files;

/// A certificate is renewed when one part in so many of its life is left.
const RENEWED_AT_PART: u32 = 3;

/// A key or certificate cannot be made or read.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The library refused; with our own inputs, only missing randomness does this.
    #[error("cannot make a key and its certificate request")]
    Make(#[from] rcgen::Error),
    /// Restore the certificate, or enrol the box anew.
    #[error("the certificate cannot be read")]
    Certificate,
}

/// A new P-256 key, PKCS#8 in PEM.
///
/// # Errors
/// [`IdentityError::Make`].
pub fn new_tls_key() -> Result<String, IdentityError> {
    Ok(KeyPair::generate()?.serialize_pem())
}

/// A certificate request for a key, DER, signed with it.
///
/// # Errors
/// [`IdentityError::Make`] when the key is none.
pub fn request_der(key_pem: &str, edge: &EdgeId) -> Result<Vec<u8>, IdentityError> {
    let key = KeyPair::from_pem(key_pem)?;
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, edge.as_str());
    Ok(params.serialize_request(&key)?.der().to_vec())
}

/// From when until when a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Its first second.
    pub begins: UtcTime,
    /// Its last.
    pub ends: UtcTime,
}

impl Life {
    /// Of the first certificate in a PEM text.
    ///
    /// # Errors
    /// [`IdentityError::Certificate`].
    pub fn of(certificate_pem: &[u8]) -> Result<Self, IdentityError> {
        let der = CertificateDer::from_pem_slice(certificate_pem)
            .map_err(|_| IdentityError::Certificate)?;
        let (_, certificate) =
            x509_parser::parse_x509_certificate(&der).map_err(|_| IdentityError::Certificate)?;
        let at = |seconds: i64| UtcTime::from_unix_us(seconds.saturating_mul(1_000_000));
        let validity = certificate.validity();
        Ok(Self {
            begins: at(validity.not_before.timestamp()),
            ends: at(validity.not_after.timestamp()),
        })
    }

    /// Whether a third of it, or less, is left.
    #[must_use]
    pub fn is_to_be_renewed(self, now: UtcTime) -> bool {
        let left = self.ends.since(now);
        now >= self.ends || left <= self.ends.since(self.begins) / RENEWED_AT_PART
    }

    /// What is left of it.
    #[must_use]
    pub fn left(self, now: UtcTime) -> Duration {
        if now >= self.ends {
            Duration::ZERO
        } else {
            self.ends.since(now)
        }
    }
}

/// Where the next one of a file is prepared.
#[must_use]
pub fn next(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".next");
    PathBuf::from(name)
}

/// Puts a prepared pair in place, key first. The prepared certificate says that the pair is whole:
/// a cut before it leaves the old pair, a cut after it is ended at the next start.
///
/// # Errors
/// What the system says; the next start tries again.
pub fn finish_renewal(certificate: &Path, key: &Path) -> std::io::Result<()> {
    let (next_certificate, next_key) = (next(certificate), next(key));
    if next_certificate.exists() {
        if next_key.exists() {
            std::fs::rename(&next_key, key)?;
        }
        std::fs::rename(&next_certificate, certificate)?;
        return files::sync_folder(certificate);
    }
    files::remove(&next_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_in_the_last_third_of_its_life() {
        let at = UtcTime::from_unix_us;
        let life = Life {
            begins: at(0),
            ends: at(90),
        };
        assert!(!life.is_to_be_renewed(at(59)));
        assert!(life.is_to_be_renewed(at(60)));
        assert!(life.is_to_be_renewed(at(91)), "one that has ended too");
        assert_eq!(life.left(at(91)), Duration::ZERO);
    }

    #[test]
    fn the_life_of_a_certificate_is_read_from_it() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 4, 1);
        let pem = params.self_signed(&key).unwrap().pem();
        let life = Life::of(pem.as_bytes()).unwrap();
        assert_eq!(life.begins, "2026-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(life.ends, "2026-04-01T00:00:00Z".parse().unwrap());
        assert!(Life::of(b"no certificate").is_err());
    }

    #[test]
    fn a_renewal_that_was_cut_short_leaves_one_whole_pair() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (
            folder.path().join("edge.crt"),
            folder.path().join("edge.key"),
        );
        let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
        let pair = || {
            let read = |path: &Path| std::fs::read_to_string(path).unwrap();
            (read(&certificate), read(&key))
        };
        write(&certificate, "old");
        write(&key, "old");
        // The key was made, the hub did not answer.
        write(&next(&key), "new");
        finish_renewal(&certificate, &key).unwrap();
        assert_eq!(pair(), ("old".to_owned(), "old".to_owned()));
        assert!(!next(&key).exists());
        // Both were there, and one or none was put in place.
        for key_was_moved in [false, true] {
            write(&certificate, "old");
            write(&next(&certificate), "new");
            write(&key, if key_was_moved { "new" } else { "old" });
            if !key_was_moved {
                write(&next(&key), "new");
            }
            finish_renewal(&certificate, &key).unwrap();
            assert_eq!(pair(), ("new".to_owned(), "new".to_owned()));
        }
    }
}
