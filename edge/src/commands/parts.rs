//! Parts of the daemon made from its configuration, for `run` and `check` alike.

use std::path::Path;

use anyhow::Context as _;
use varco_proto::keys::SealingKey;

use crate::adapters::capture::{CameraSource, Password};
use crate::config::{Camera, Config};

/// Longest password file that is read, in bytes.
const PASSWORD_BYTES_MAX: usize = 1024;

/// Reads the key that seals.
pub(super) fn signing_key(config: &Config) -> anyhow::Result<SealingKey> {
    let path = &config.signing_key_file;
    let bytes = std::fs::read(path)
        .with_context(|| format!("`edge.signing_key_file`: cannot read `{}`", path.display()))?;
    SealingKey::from_pkcs8(&bytes).with_context(|| {
        let path = path.display();
        format!("`edge.signing_key_file`: cannot take `{path}`; restore it, or enrol the edge anew")
    })
}

/// A camera as capture takes it, with its password.
pub(super) fn camera_source(camera: &Camera) -> anyhow::Result<CameraSource> {
    let login = match &camera.login {
        None => None,
        Some(login) => {
            let password = secret("password_file", &login.password_file)?;
            Some((login.user.clone(), Password::new(&password)))
        }
    };
    Ok(CameraSource {
        url: camera.url.clone(),
        login,
        transport: camera.transport,
        ca_file: camera.ca_file.clone(),
        frames_per_second_max: camera.frames_per_second_max,
        stalled_after: camera.stalled_after,
        decoding: camera.decoding,
    })
}

/// The secret in the first line of a file; `key` names it in the configuration.
pub(super) fn secret(key: &str, path: &Path) -> anyhow::Result<String> {
    let place = || format!("`{key}`: cannot take `{}`", path.display());
    let text = std::fs::read_to_string(path).with_context(place)?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() || text.len() > PASSWORD_BYTES_MAX {
        let why = format!("its first line must be the secret, at most {PASSWORD_BYTES_MAX} bytes");
        return Err(anyhow::anyhow!(why)).with_context(place);
    }
    Ok(line.to_owned())
}
