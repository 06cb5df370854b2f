//! `[audit]`: how long lines are kept, and who witnesses the log over them.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use varco_proto::config::Faults;

use crate::tlog::note::{NoteKey, NoteKind};

/// Least days that lines are kept: more than the year of Perugia's regulation (art. 9 c. 2 C c4).
pub const TERM_DAYS_MIN: u32 = 366;
/// Most days.
const TERM_DAYS_MAX: u32 = 3660;
/// Most witnesses.
const WITNESSES_MAX: usize = 16;

/// Somebody who cosigns the log's checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessAddress {
    /// Where it listens, without a slash at the end.
    pub address: String,
    /// What checks its cosignatures.
    pub key: NoteKey,
    /// Certificates of the authority that its HTTPS shows; the hub's own authority when left out.
    pub ca_file: Option<PathBuf>,
}

/// The table as checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditConfig {
    /// How long lines are kept.
    pub term: Duration,
    /// Who cosigns.
    pub witnesses: Vec<WitnessAddress>,
}

/// The table as written.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct AuditFile {
    term_days: u32,
    witnesses: Vec<WitnessFile>,
}

impl Default for AuditFile {
    fn default() -> Self {
        Self {
            term_days: 730,
            witnesses: Vec::new(),
        }
    }
}

#[derive(Debug, Deserialize)]
struct WitnessFile {
    address: String,
    key: String,
    ca_file: Option<PathBuf>,
}

/// Checks `[audit]`.
pub(super) fn check(file: AuditFile, faults: &mut Faults) -> AuditConfig {
    let days = file.term_days;
    let holds = (TERM_DAYS_MIN..=TERM_DAYS_MAX).contains(&days);
    let what = format!("{days} is not within {TERM_DAYS_MIN} to {TERM_DAYS_MAX}");
    faults.check(holds, "audit.term_days", what);
    let few = file.witnesses.len() <= WITNESSES_MAX;
    let what = format!("at most {WITNESSES_MAX}");
    faults.check(few, "audit.witnesses", what);
    let mut witnesses: Vec<WitnessAddress> = Vec::new();
    for written in file.witnesses {
        let Some(witness) = of(written, faults) else {
            continue;
        };
        let is_new = witnesses.iter().all(|other| {
            other.key.name() != witness.key.name() && other.address != witness.address
        });
        let what = "each witness is named once, and each has an address and a name of its own";
        faults.check(is_new, "audit.witnesses", what);
        witnesses.push(witness);
    }
    AuditConfig {
        term: Duration::from_secs(u64::from(days) * 86_400),
        witnesses,
    }
}

fn of(written: WitnessFile, faults: &mut Faults) -> Option<WitnessAddress> {
    let key = written.key.parse::<NoteKey>().ok();
    let key = key.filter(|key| key.kind() == NoteKind::Witness);
    let what = "write the key as `varco-hub witness init` prints it: NAME+HASH+KEY";
    let key = faults.take("audit.witnesses.key", key.ok_or(what));
    let address = Url::parse(&written.address).ok().filter(|url| {
        let is_plain = url.username().is_empty() && url.password().is_none();
        let is_whole = url.query().is_none() && url.fragment().is_none();
        matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain && is_whole
    });
    let what =
        "write where the witness listens: \"https://host:port\", without user, password or ?";
    let address = faults.take("audit.witnesses.address", address.ok_or(what));
    let ca_file = written.ca_file;
    let absolute = ca_file.as_ref().is_none_or(|path| path.is_absolute());
    let what = "write the file from the root, with /";
    faults.check(absolute, "audit.witnesses.ca_file", what);
    Some(WitnessAddress {
        address: address?.as_str().trim_end_matches('/').to_owned(),
        key: key?,
        ca_file,
    })
}

#[cfg(test)]
mod tests {
    use varco_proto::keys::SealingKey;

    use crate::config::Config;
    use crate::tlog::note::{NoteKey, NoteKind};

    const BASE: &str =
        "[http]\nlisten = \"127.0.0.1:1\"\n[broker]\nhost = \"a\"\nport = 1\n[audit]\n";

    fn key(name: &str, kind: NoteKind) -> String {
        let key = SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap();
        let key = NoteKey::new(name, kind, key.opening_key()).unwrap();
        key.to_string()
    }

    fn faults(text: &str) -> Vec<String> {
        match Config::from_toml(&format!("{BASE}{text}")) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.all().iter().map(|fault| fault.key.clone()).collect(),
        }
    }

    #[test]
    fn witnesses_are_named_by_address_and_key_and_all_faults_are_told() {
        let (one, two) = (key("dpo", NoteKind::Witness), key("log", NoteKind::Log));
        let witness = |address: &str, key: &str| {
            format!("[[audit.witnesses]]\naddress = \"{address}\"\nkey = \"{key}\"\n")
        };
        assert!(faults(&witness("http://127.0.0.1:9470/", &one)).is_empty());
        let text = format!("{BASE}{}", witness("http://127.0.0.1:9470/", &one));
        let config = Config::from_toml(&text).unwrap().audit;
        assert_eq!(config.witnesses[0].address, "http://127.0.0.1:9470");
        for (address, key, fault) in [
            ("ftp://a", one.as_str(), "audit.witnesses.address"),
            ("http://me:pass@a", &one, "audit.witnesses.address"),
            ("http://a", &two, "audit.witnesses.key"),
            ("http://a", "x", "audit.witnesses.key"),
        ] {
            assert_eq!(faults(&witness(address, key)), [fault], "{address}");
        }
        let twice = witness("http://a", &one) + &witness("http://b", &one);
        assert_eq!(faults(&twice), ["audit.witnesses"]);
        let other = format!("{}port = 3\n", witness("http://a", &one));
        assert_eq!(faults(&other), ["audit.witnesses.0.port"]);
    }

    #[test]
    fn c27_c28_part_lines_cannot_be_kept_for_less_than_a_year() {
        assert!(faults("term_days = 366\n").is_empty());
        for days in ["0", "180", "365", "3661"] {
            assert_eq!(
                faults(&format!("term_days = {days}\n")),
                ["audit.term_days"]
            );
        }
    }
}
