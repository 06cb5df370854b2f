//! `[evidence]`: the service that stamps packages with the time.

use std::path::PathBuf;

use reqwest::Url;
use serde::Deserialize;
use varco_proto::config::Faults;

/// A time-stamping service (RFC 3161).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StampingConfig {
    /// Where it answers.
    pub url: Url,
    /// Certificates of the authority that its HTTPS shows.
    pub ca_file: Option<PathBuf>,
}

/// The table as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EvidenceFile {
    timestamp_url: Option<String>,
    timestamp_ca_file: Option<PathBuf>,
}

/// Checks `[evidence]`; none when no service is named.
pub(super) fn check(file: EvidenceFile, faults: &mut Faults) -> Option<StampingConfig> {
    let EvidenceFile {
        timestamp_url,
        timestamp_ca_file: ca_file,
    } = file;
    let url = Url::parse(&timestamp_url?).ok().filter(|url| {
        let is_plain =
            url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain
    });
    let what = "write where the service answers: \"https://host/path\", without user and password";
    let url = faults.take("evidence.timestamp_url", url.ok_or(what))?;
    let has_ca = url.scheme() == "http" || ca_file.is_some();
    let what = "name the certificates of the authority that the service's HTTPS shows";
    faults.check(has_ca, "evidence.timestamp_ca_file", what);
    let absolute = ca_file.as_ref().is_none_or(|path| path.is_absolute());
    faults.check(
        absolute,
        "evidence.timestamp_ca_file",
        "write the file from the root, with /",
    );
    Some(StampingConfig { url, ca_file })
}
