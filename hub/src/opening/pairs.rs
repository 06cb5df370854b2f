//! Certificates and their private keys, as two files of the home or of a bundle.

use std::path::Path;

use varco_proto::time::UtcTime;

use crate::boxes::mosquitto::hub_user;
use crate::certificates::authority::{self, IssuedCertificate};
use crate::home::{Home, HomeError};
use crate::machine::files::{self, FileError};

/// Writes both: the key for its owner alone, and first.
///
/// # Errors
/// [`FileError`].
pub(crate) fn write_pair(
    issued: &IssuedCertificate,
    certificate: &Path,
    key: &Path,
) -> Result<(), FileError> {
    files::write_private(key, issued.key_pem.as_bytes())?;
    files::write_public(certificate, issued.certificate_pem.as_bytes())
}

/// Certificate and key of one of the hub's connections to the broker, in PEM.
///
/// They hold ten years and are made anew when less than a third of that is left; those beyond the
/// first are made when they are first wanted.
///
/// # Errors
/// [`HomeError`].
pub fn connection_pair(
    home: &Home,
    number: usize,
    now: UtcTime,
) -> Result<(String, String), HomeError> {
    let (certificate, key) = home.connection_files(number);
    let due = match certificate.is_file() {
        true => authority::describe(&files::read_text(&certificate)?)
            .is_none_or(|described| described.is_due(now)),
        false => true,
    };
    if due {
        let client = home.authority()?.client(&hub_user(number), now)?;
        write_pair(&client, &certificate, &key)?;
    }
    Ok((files::read_text(&certificate)?, files::read_text(&key)?))
}
