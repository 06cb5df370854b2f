//! Parts of the daemon made from its configuration, for `run` and `check` alike.

use std::path::Path;

use anyhow::Context as _;
use varco_proto::keys::SealingKey;

use crate::adapters::capture::source::{CameraSource, Password, StreamLogin};
use crate::adapters::identity;
use crate::adapters::vault::key_file::{KeyFile, KeyRole};
use crate::adapters::vault::{BoxKey, BoxKeySource, Cipher, Purpose, VaultError};
use crate::config::{Camera, Config};

/// Longest password file that is read, in bytes.
const PASSWORD_BYTES_MAX: usize = 1024;

/// Where systemd lays the daemon's credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The box's key, and what it opened.
pub(super) struct Keys {
    /// Encrypts the spool.
    pub(super) spool: Cipher,
    /// Seals records.
    pub(super) sealing: SealingKey,
    /// Shows this edge to the broker, in PEM.
    pub(super) tls_pem: Vec<u8>,
    /// Opens and seals key files.
    pub(super) files: Cipher,
    /// Encrypts what is kept of scenes.
    pub(super) scenes: Cipher,
}

/// Finds the box's key; none when there is none yet.
pub(super) fn box_key(file: &Path) -> Result<Option<(BoxKey, BoxKeySource)>, VaultError> {
    let credentials = std::env::var_os(CREDENTIALS);
    BoxKey::find(credentials.as_deref().map(Path::new), file)
}

/// Finds the box's key, or makes it in `file` when nothing was sealed yet.
pub(super) fn box_key_or_new(file: &Path, sealed: Option<&Path>) -> anyhow::Result<BoxKey> {
    if let Some((key, _)) = box_key(file)? {
        return Ok(key);
    }
    if let Some(sealed) = sealed {
        return Err(VaultError::Missing {
            file: file.to_owned(),
            sealed: sealed.to_owned(),
        }
        .into());
    }
    let key = BoxKey::make(file)?;
    tracing::warn!(
        path = %file.display(),
        "made a box key: it protects a disk that is taken out only when it lies on another medium; \
         see `varco-edge check`"
    );
    Ok(key)
}

fn key_files(config: &Config) -> [(&'static str, KeyFile<'_>, &Path); 2] {
    let (sealing, tls) = (&config.signing_key_file, &config.hub.key_file);
    [
        (
            "edge.signing_key_file",
            KeyFile::new(sealing, KeyRole::Sealing, &config.edge),
            sealing.as_path(),
        ),
        (
            "hub.key_file",
            KeyFile::new(tls, KeyRole::Tls, &config.edge),
            tls.as_path(),
        ),
    ]
}

/// Ends a renewal that the power cut short, then opens the keys; those that lie in the clear are encrypted first, with a box key made for it
/// when there is none yet.
pub(super) fn keys(config: &Config) -> anyhow::Result<Keys> {
    identity::finish_renewal(&config.hub.certificate_file, &config.hub.key_file)
        .context("`hub.certificate_file`: cannot end a renewal")?;
    let mut sealed = None;
    for (name, file, path) in key_files(config) {
        if file.is_sealed().context(name)? {
            sealed = Some(path);
        }
    }
    let key = box_key_or_new(&config.box_key_file, sealed)?;
    let files = key.cipher(Purpose::KeyFile);
    let mut opened = Vec::new();
    for (name, file, path) in key_files(config) {
        let (bytes, was_clear) = file.bring_forward(&files).context(name)?;
        if was_clear {
            tracing::info!(path = %path.display(), "a private key that lay clear is encrypted");
        }
        opened.push(bytes);
    }
    taken(config, &key, files, opened)
}

/// Opens the keys and changes nothing. Gives those that lie in the clear.
pub(super) fn keys_unchanged(config: &Config) -> anyhow::Result<(Keys, Vec<&'static str>)> {
    let found = box_key(&config.box_key_file)?;
    // Clear keys need none, and the spool is not opened here.
    let key = found.map_or_else(|| BoxKey::from_bytes([0; 32]), |(key, _)| key);
    let files = key.cipher(Purpose::KeyFile);
    let (mut opened, mut clear) = (Vec::new(), Vec::new());
    for (name, file, _) in key_files(config) {
        if !file.is_sealed().context(name)? {
            clear.push(name);
        }
        opened.push(file.read(&files).context(name)?);
    }
    Ok((taken(config, &key, files, opened)?, clear))
}

fn taken(
    config: &Config,
    key: &BoxKey,
    files: Cipher,
    mut opened: Vec<Vec<u8>>,
) -> anyhow::Result<Keys> {
    let tls_pem = opened.pop().unwrap_or_default();
    let sealing = opened.pop().unwrap_or_default();
    let sealing = SealingKey::from_pkcs8(&sealing).with_context(|| {
        let path = config.signing_key_file.display();
        format!("`edge.signing_key_file`: cannot take `{path}`; restore it, or enrol the edge anew")
    })?;
    Ok(Keys {
        spool: key.cipher(Purpose::Spool),
        sealing,
        tls_pem,
        files,
        scenes: key.cipher(Purpose::Scene),
    })
}

/// A camera as capture takes it, with its password.
pub(super) fn camera_source(camera: &Camera) -> anyhow::Result<CameraSource> {
    let login = match &camera.login {
        None => None,
        Some(login) => {
            let password = secret("password_file", &login.password_file)?;
            Some(StreamLogin {
                user: login.user.clone(),
                password: Password::new(&password),
            })
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
