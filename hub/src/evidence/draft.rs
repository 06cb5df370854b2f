//! A package from what is stored, step by step: a draft has the records, is stamped where a service is configured, gets
//! the audit line, and only then becomes a file.

use serde::Serialize;
use thiserror::Error;
use varco_proto::cipher::{CipherError, Key};
use varco_proto::envelope::{Verified, pre_authentication_encoding};
use varco_proto::ids::Digest;
use varco_proto::keys::SealingKey;
use varco_proto::record::Record;
use varco_proto::time::UtcTime;
use varco_proto::transit::{Direction, Transit, Travel};

use super::container::{self, ContainerError, PackedFile};
use super::contents::{
    ChainPlace, CorrectedText, ExtractionPermit, FORMAT, ListedFile, PackageContents, PackageKeys,
    PackageManifest, RecordSheet, WantedError, WantedExtraction, paths,
};
use super::mask::{MaskError, Obscured, obscure};
use super::report::{self, ReportError};
use crate::audit::AuditEntry;
use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::export::ExportedLine;
use crate::machine::random::{self, RandomError};
use crate::tlog::proof::LeafProof;

/// What a manifest's signature is bound to.
pub(super) const MANIFEST_TYPE: &str = "application/vnd.varco.evidence-manifest.v1+json";
/// Random bytes of a package's id.
const ID_BYTES: usize = 8;

/// A package is not made.
#[derive(Debug, Error)]
pub enum EvidenceError {
    /// What is asked for.
    #[error(transparent)]
    Wanted(#[from] WantedError),
    /// A record is no transit; a bug.
    #[error("a record of the extraction is no transit")]
    NoTransit,
    /// A picture.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// A sealed original.
    #[error("a sealed original cannot be sealed again")]
    Cipher(#[from] CipherError),
    /// The system gave no random bytes.
    #[error("cannot draw the package's id")]
    Random(#[from] RandomError),
    /// The file.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// A part cannot be put into words; a bug.
    #[error("cannot write a part of the package")]
    Encode(#[from] serde_json::Error),
    /// The report.
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// A record to be extracted.
#[derive(Debug)]
pub struct EvidenceSource {
    /// Opened with its edge's key, with its sealed original.
    pub verified: Verified<Record>,
    /// Corrections of its text, oldest first.
    pub corrections: Vec<CorrectedText>,
}

/// What goes into a package besides the records.
#[derive(Debug, Clone)]
pub struct PackageBasis {
    /// What was asked for.
    pub wanted: WantedExtraction,
    /// Who let it be extracted.
    pub permit: ExtractionPermit,
    /// The public keys.
    pub keys: PackageKeys,
    /// By the hub's clock.
    pub made_at: UtcTime,
}

/// A package that has no audit line yet. It is in no file, and nobody has it.
#[derive(Debug)]
pub struct PackageDraft {
    contents: PackageContents,
    contents_text: Vec<u8>,
    files: Vec<PackedFile>,
    stamp: Option<Vec<u8>>,
    digests: Vec<Digest>,
    sheets: Vec<RecordSheet>,
    pictures: Vec<Obscured>,
    originals_key: Option<Key>,
}

/// A package as it is handed over.
#[derive(Debug)]
pub struct MadePackage {
    /// Its id.
    pub id: String,
    /// The file.
    pub bytes: Vec<u8>,
    /// What opens the sealed originals, hexadecimal; it is in no file and at no other place. None when they are
    /// withheld.
    pub originals_key: Option<String>,
}

fn json(path: &str, value: &impl Serialize) -> Result<PackedFile, serde_json::Error> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(PackedFile::new(path, text))
}

/// The place to which a sealed original is bound.
pub(super) fn original_place(package: &str, path: &str) -> Vec<u8> {
    format!("varco evidence {package} {path}").into_bytes()
}

impl PackageDraft {
    /// Puts records together. Pictures are masked; originals are sealed under a fresh key, if they were authorised.
    ///
    /// # Errors
    /// [`EvidenceError`].
    pub fn make(basis: &PackageBasis, sources: &[EvidenceSource]) -> Result<Self, EvidenceError> {
        basis.wanted.check()?;
        let id = hex::encode(random::bytes::<ID_BYTES>()?);
        let originals_key = basis.wanted.originals.then(Key::random).transpose()?;
        let mut draft = Self {
            contents: PackageContents {
                format: FORMAT.to_owned(),
                package: id,
                made_at: basis.made_at,
                wanted: basis.wanted.clone(),
                permit: basis.permit.clone(),
                files: Vec::new(),
            },
            contents_text: Vec::new(),
            files: Vec::new(),
            stamp: None,
            digests: Vec::new(),
            sheets: Vec::new(),
            pictures: Vec::new(),
            originals_key,
        };
        for source in sources {
            draft.take(source)?;
        }
        draft.files.push(json(paths::KEYS, &basis.keys)?);
        draft.files.sort_by(|one, other| one.path.cmp(&other.path));
        draft.contents.files = draft.files.iter().map(ListedFile::of).collect();
        draft.contents_text = json(paths::CONTENTS, &draft.contents)?.bytes;
        Ok(draft)
    }

    fn take(&mut self, source: &EvidenceSource) -> Result<(), EvidenceError> {
        let number = self.sheets.len() + 1;
        let record = source.verified.value();
        let transit = record.body.transit().ok_or(EvidenceError::NoTransit)?;
        let picture = obscure(transit)?;
        let mut sheet = sheet(number, transit, source);
        if let Some(png) = picture.png() {
            let path = format!("pictures/{number:04}.png");
            self.files.push(PackedFile::new(&path, png));
            sheet.picture = Some(path);
        }
        sheet.masking = picture.masking();
        if let Some(key) = &self.originals_key {
            let path = format!("originals/{number:04}.sealed");
            let place = original_place(&self.contents.package, &path);
            let sealed = key.seal(&place, source.verified.envelope())?;
            self.files.push(PackedFile::new(&path, sealed));
            sheet.original = Some(path);
        }
        self.files
            .push(json(&format!("records/{number:04}.json"), &sheet)?);
        self.digests.push(source.verified.digest());
        self.sheets.push(sheet);
        self.pictures.push(picture);
        Ok(())
    }

    /// What a time stamp is of.
    #[must_use]
    pub fn contents_digest(&self) -> Digest {
        Digest::of(&self.contents_text)
    }

    /// Adds the time stamp of the contents.
    #[must_use]
    pub fn stamped(self, token: Vec<u8>) -> Self {
        Self {
            stamp: Some(token),
            ..self
        }
    }

    /// What the audit line of the extraction says. It has the digest of the contents, so that a line has one package.
    #[must_use]
    pub fn entry(&self, actor: Actor) -> AuditEntry {
        let (wanted, permit) = (&self.contents.wanted, &self.contents.permit);
        let details = serde_json::json!({
            "package": self.contents.package,
            "contents": self.contents_digest().to_string(),
            "case_type": wanted.case_type, "reference": wanted.reference,
            "recipient_kind": wanted.recipient_kind, "held_in": wanted.held_in,
            "originals": wanted.originals, "stamped": self.stamp.is_some(),
            "permit": { "kind": permit.kind, "id": permit.id, "given_by": permit.given_by },
        });
        AuditEntry {
            grounds: wanted.grounds(),
            result_count: u64::try_from(self.digests.len()).ok(),
            result_digests: self.digests.clone(),
            ..AuditEntry::plain(actor, Action::EvidenceExtracted, details)
        }
    }

    /// The file, once its line is committed.
    ///
    /// # Errors
    /// [`EvidenceError`].
    pub fn finish(
        self,
        line: &ExportedLine,
        proof: &LeafProof,
        key: &SealingKey,
    ) -> Result<MadePackage, EvidenceError> {
        let report = report::write(&self.contents, &self.sheets, &self.pictures, line)?;
        let mut files = vec![
            PackedFile::new(paths::CONTENTS, self.contents_text),
            json(paths::LINE, line)?,
            PackedFile::new(paths::PROOF, proof.to_string()),
            PackedFile::new(paths::REPORT, report),
        ];
        files.extend(self.stamp.map(|token| PackedFile::new(paths::STAMP, token)));
        files.extend(self.files);
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let manifest = PackageManifest {
            format: FORMAT.to_owned(),
            package: self.contents.package.clone(),
            hub_key: key.opening_key().to_string(),
            files: files.iter().map(ListedFile::of).collect(),
        };
        let manifest = json(paths::MANIFEST, &manifest)?;
        let signature = key.sign(&pre_authentication_encoding(MANIFEST_TYPE, &manifest.bytes));
        files.insert(0, manifest);
        files.insert(1, PackedFile::new(paths::SIGNATURE, signature));
        Ok(MadePackage {
            id: self.contents.package,
            bytes: container::write(&files)?,
            originals_key: self.originals_key.map(|key| hex::encode(key.bytes())),
        })
    }
}

fn sheet(number: usize, transit: &Transit, source: &EvidenceSource) -> RecordSheet {
    let (record, plate) = (source.verified.value(), &transit.plate);
    let symbols = |all: &Vec<varco_proto::transit::CharacterCandidate>| {
        all.iter().map(|one| one.symbol).collect()
    };
    let doubt = transit.captured_at.uncertainty.as_millis();
    RecordSheet {
        number,
        transit: transit.id.to_string(),
        plate_read: plate.text.to_string(),
        corrections: source.corrections.clone(),
        confidence: plate.confidence.get(),
        country: plate
            .countries
            .first()
            .map_or_else(|| "XX".to_owned(), |one| one.country.clone()),
        characters: plate.characters.iter().map(symbols).collect(),
        agreeing_reads: plate.agreeing_reads,
        reads: plate.reads,
        gate: transit.gate.to_string(),
        camera: transit.camera.to_string(),
        lane: transit.lane.as_ref().map(ToString::to_string),
        direction: transit.direction.map(|way| match way {
            Direction::Towards => "towards".to_owned(),
            Direction::Away => "away".to_owned(),
        }),
        travel: transit.travel.map(|way| match way {
            Travel::In => "in".to_owned(),
            Travel::Out => "out".to_owned(),
        }),
        captured_at: transit.captured_at.at,
        // No doubt is as long as that.
        uncertainty_ms: u64::try_from(doubt).unwrap_or(u64::MAX),
        onboard: transit
            .onboard
            .as_ref()
            .map(|reader| format!("{} {}", reader.maker(), reader.device())),
        model: transit.model_digest.to_string(),
        chain: ChainPlace {
            edge: record.edge.to_string(),
            sequence: record.sequence,
            previous: record.previous.to_string(),
            digest: source.verified.digest().to_string(),
            sealed_at: record.sealed_at,
        },
        picture: None,
        masking: super::mask::Masking::NoPicture,
        original: None,
    }
}

/// The sheet that an opened original gives, for whoever checks a package: everything but what lies beside it.
pub(super) fn sheet_of(number: usize, verified: Verified<Record>) -> Option<RecordSheet> {
    let source = EvidenceSource {
        verified,
        corrections: Vec::new(),
    };
    let transit = source.verified.value().body.transit()?;
    Some(sheet(number, transit, &source))
}
