//! What a package says of itself, as JSON that a person can read.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use varco_proto::ids::{Digest, TransitId};
use varco_proto::time::UtcTime;

use super::mask::Masking;
use crate::approvals::subject::{ApprovalSubject, ExtractionCase, RecipientKind};
use crate::audit::purpose::{Grounds, Purpose};

/// What the form of a package is called.
pub const FORMAT: &str = "varco-evidence/1";
/// Most transits of one package.
pub const TRANSITS_MAX: usize = 100;
/// Longest text of a request, in characters.
const TEXT_CHARACTERS_MAX: usize = 120;

/// Paths within a package.
pub mod paths {
    /// Every other file but the signature, with its digest.
    pub const MANIFEST: &str = "manifest.json";
    /// The hub's signature over the manifest: 64 raw bytes.
    pub const SIGNATURE: &str = "manifest.sig";
    /// What was authorised, and the records.
    pub const CONTENTS: &str = "contents.json";
    /// The public keys.
    pub const KEYS: &str = "keys.json";
    /// The audit line of the extraction.
    pub const LINE: &str = "audit/line.json";
    /// That the line is in the log (C2SP tlog-proof), with a checkpoint.
    pub const PROOF: &str = "audit/proof.tlog-proof";
    /// The time stamp over the contents (RFC 3161), as the service gave it.
    pub const STAMP: &str = "timestamp.tst";
    /// For people.
    pub const REPORT: &str = "relazione.pdf";
}

/// What is asked for is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WantedError {
    /// A text.
    #[error("`{0}` is 3 to {TEXT_CHARACTERS_MAX} printable characters")]
    Text(&'static str),
    /// The transits.
    #[error("name 1 to {TRANSITS_MAX} transits, each once")]
    Transits,
    /// Sealed originals.
    #[error("sealed originals show what is masked: they go to a judicial authority alone")]
    Originals,
}

/// What is to be extracted: an authorisation is for exactly this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedExtraction {
    /// Which of the three cases.
    pub case_type: ExtractionCase,
    /// The complaint, the report or the request, with its date.
    pub reference: String,
    /// What the recipient is.
    pub recipient_kind: RecipientKind,
    /// Who it is.
    pub recipient: String,
    /// The transits.
    pub transits: BTreeSet<TransitId>,
    /// The case that holds them; none when they are within their term.
    pub held_in: Option<String>,
    /// Whether the edges' sealed originals go along, under a key that is handed over apart.
    pub originals: bool,
    /// Why.
    pub purpose: String,
    /// The case or request that it serves.
    pub case_reference: String,
}

impl WantedExtraction {
    /// Checks it, and gives the ids of the transits.
    ///
    /// # Errors
    /// [`WantedError`].
    pub fn check(&self) -> Result<Vec<[u8; 16]>, WantedError> {
        for (field, text) in [
            ("reference", &self.reference),
            ("recipient", &self.recipient),
        ] {
            let characters = text.trim().chars().count();
            let fits = (3..=TEXT_CHARACTERS_MAX).contains(&characters);
            if !fits || text.trim() != text || text.chars().any(char::is_control) {
                return Err(WantedError::Text(field));
            }
        }
        if self.originals && self.recipient_kind != RecipientKind::JudicialAuthority {
            return Err(WantedError::Originals);
        }
        match self.transits.len() {
            1..=TRANSITS_MAX => Ok(self.transits.iter().map(|id| *id.as_bytes()).collect()),
            _ => Err(WantedError::Transits),
        }
    }

    /// What an approval of it is about.
    #[must_use]
    pub fn subject(&self) -> ApprovalSubject {
        ApprovalSubject::Extraction {
            case_type: self.case_type,
            reference: self.reference.clone(),
            recipient_kind: self.recipient_kind,
            recipient: self.recipient.clone(),
            transits: self.transits.clone(),
            held_in: self.held_in.clone(),
            originals: self.originals,
            purpose: self.purpose.clone(),
            case_reference: self.case_reference.clone(),
        }
    }

    /// Its grounds; none when they are not those that lookups have.
    #[must_use]
    pub fn grounds(&self) -> Option<Grounds> {
        let purpose: Purpose = self.purpose.parse().ok()?;
        Grounds::stated(Some(purpose.as_str()), Some(&self.case_reference)).ok()
    }
}

/// Who let it be extracted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtractionPermit {
    /// `case-by-case` or `standing`.
    pub kind: PermitKind,
    /// Its number or id at the hub.
    pub id: String,
    /// Who gave it.
    pub given_by: String,
    /// The body for which they gave it.
    pub body: String,
    /// When.
    pub given_at: UtcTime,
    /// The act that it rests on; none where none was named.
    pub act: Option<String>,
    /// Who asked for the extraction.
    pub asked_by: String,
}

/// How an extraction is authorised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PermitKind {
    /// For this extraction alone (art. 17 c. 5).
    CaseByCase,
    /// Recorded before, for the requests of judicial authority and Judicial Police (art. 17 c. 2; All. 1 c. 7).
    Standing,
}

/// A correction of a text that was misread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorrectedText {
    /// The text from then on.
    pub plate: String,
    /// Who corrected it.
    pub by: String,
    /// When.
    pub at: UtcTime,
    /// Why.
    pub reason: String,
}

/// Where a record stands in its edge's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainPlace {
    /// The edge that sealed it.
    pub edge: String,
    /// Its number, from 1.
    pub sequence: u64,
    /// Digest of the record before, hexadecimal.
    pub previous: String,
    /// Its own digest, hexadecimal: its name in the audit.
    pub digest: String,
    /// When it was sealed.
    pub sealed_at: UtcTime,
}

/// A record for people. The picture and the sealed original lie beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordSheet {
    /// From 1.
    pub number: usize,
    /// UUID.
    pub transit: String,
    /// As the edge read it.
    pub plate_read: String,
    /// Corrections, oldest first; the last holds.
    pub corrections: Vec<CorrectedText>,
    /// Of the whole text, 0 to 1.
    pub confidence: f32,
    /// The likeliest country, ISO 3166-1; XX when none of the known.
    pub country: String,
    /// The candidates for each character, most probable first.
    pub characters: Vec<String>,
    /// Frames whose own read gave this text.
    pub agreeing_reads: u32,
    /// Frames that gave a read.
    pub reads: u32,
    /// The gate.
    pub gate: String,
    /// The camera.
    pub camera: String,
    /// The lane.
    pub lane: Option<String>,
    /// `towards` or `away`.
    pub direction: Option<String>,
    /// `in` or `out`.
    pub travel: Option<String>,
    /// When it was captured.
    pub captured_at: UtcTime,
    /// The true moment lies within plus or minus so many milliseconds.
    pub uncertainty_ms: u64,
    /// Who read the plate, where a camera did that itself.
    pub onboard: Option<String>,
    /// SHA-256 of the models that read it, hexadecimal.
    pub model: String,
    /// Where it stands in its chain.
    pub chain: ChainPlace,
    /// Where the masked picture lies; none when there is none.
    pub picture: Option<String>,
    /// What was masked.
    pub masking: Masking,
    /// Where the sealed original lies; none when it is withheld.
    pub original: Option<String>,
}

impl RecordSheet {
    /// The text that holds: the last correction's, or what was read.
    #[must_use]
    pub fn plate(&self) -> &str {
        self.corrections
            .last()
            .map_or(&self.plate_read, |last| &last.plate)
    }
}

/// A file with its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedFile {
    /// Its path.
    pub path: String,
    /// Bytes.
    pub size: usize,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

impl ListedFile {
    pub(super) fn of(file: &super::container::PackedFile) -> Self {
        Self {
            path: file.path.clone(),
            size: file.bytes.len(),
            sha256: Digest::of(&file.bytes).to_string(),
        }
    }
}

/// What is in a package. The audit line has this file's digest, and the time stamp is of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageContents {
    /// [`FORMAT`].
    pub format: String,
    /// The package's id.
    pub package: String,
    /// When it was made, by the hub's clock.
    pub made_at: UtcTime,
    /// What was asked for.
    pub wanted: WantedExtraction,
    /// Who let it be extracted.
    pub permit: ExtractionPermit,
    /// Records, pictures, originals and keys.
    pub files: Vec<ListedFile>,
}

/// Every file but the manifest and its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageManifest {
    /// [`FORMAT`].
    pub format: String,
    /// The package's id.
    pub package: String,
    /// The hub's public key, hexadecimal.
    pub hub_key: String,
    /// In the order of the package.
    pub files: Vec<ListedFile>,
}

/// Public keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageKeys {
    /// The hub's, hexadecimal.
    pub hub: String,
    /// That of its log, as `varco-hub audit key` prints it.
    pub log: String,
    /// Those of the edges, hexadecimal.
    pub edges: BTreeMap<String, String>,
    /// Those of the witnesses that the hub names.
    pub witnesses: Vec<String>,
}
