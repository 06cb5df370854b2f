//! `hub.toml` as written; what is left out has its default.

use serde::Deserialize;

use super::audit::AuditFile;
use super::backup::BackupFile;
use super::evidence::EvidenceFile;
use super::http_limits::HttpLimitsFile;
use super::signing::SigningFile;
use super::store::StoreFile;
use super::witness::WitnessingFile;

/// The file as written.
#[derive(Debug, Deserialize)]
pub(super) struct ConfigFile {
    pub(super) http: HttpFile,
    pub(super) broker: BrokerFile,
    #[serde(default)]
    pub(super) intake: IntakeFile,
    #[serde(default)]
    pub(super) retention: RetentionFile,
    #[serde(default)]
    pub(super) lookup: LookupFile,
    #[serde(default)]
    pub(super) edges: EdgesFile,
    #[serde(default)]
    pub(super) signing: SigningFile,
    pub(super) metrics: Option<MetricsFile>,
    pub(super) backup: Option<BackupFile>,
    #[serde(default)]
    pub(super) audit: AuditFile,
    pub(super) witness: Option<WitnessingFile>,
    #[serde(default)]
    pub(super) evidence: EvidenceFile,
    #[serde(default)]
    pub(super) store: StoreFile,
}

#[derive(Debug, Deserialize)]
pub(super) struct MetricsFile {
    pub(super) address: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct HttpFile {
    pub(super) listen: String,
    #[serde(default)]
    pub(super) limits: HttpLimitsFile,
}

#[derive(Debug, Deserialize)]
pub(super) struct BrokerFile {
    pub(super) host: String,
    pub(super) port: u16,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct IntakeFile {
    pub(super) batch_records_max: u32,
    pub(super) batch_wait_ms: u32,
    pub(super) clock_ahead_max_s: u32,
    pub(super) verify_threads: u32,
    pub(super) connections: u32,
}

impl Default for IntakeFile {
    fn default() -> Self {
        Self {
            batch_records_max: 2048,
            batch_wait_ms: 20,
            clock_ahead_max_s: 60,
            verify_threads: 0,
            connections: 1,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct RetentionFile {
    pub(super) term_hours: u32,
}

impl Default for RetentionFile {
    fn default() -> Self {
        Self { term_hours: 168 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct LookupFile {
    pub(super) results_max: u32,
    pub(super) at_once_max: u32,
    pub(super) companions: bool,
}

impl Default for LookupFile {
    fn default() -> Self {
        Self {
            results_max: 200,
            at_once_max: 4,
            companions: false,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct EdgesFile {
    pub(super) certificate_valid_h: u32,
}

impl Default for EdgesFile {
    fn default() -> Self {
        Self {
            certificate_valid_h: 2160,
        }
    }
}
