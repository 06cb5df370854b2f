//! Checking a package where there is no hub: what is established, what is not, and what is wrong.

mod log;
mod records;

use serde::Serialize;
use varco_proto::cipher::Key;
use varco_proto::envelope::pre_authentication_encoding;
use varco_proto::ids::Digest;
use varco_proto::keys::OpeningKey;

use super::container::{self, PackedFile};
use super::contents::{FORMAT, PackageContents, PackageKeys, PackageManifest, paths};
use super::draft::MANIFEST_TYPE;
use super::stamp;
use crate::tlog::note::NoteKey;

/// What the checker knows by itself, and believes.
#[derive(Debug, Default)]
pub struct EvidenceTrust {
    /// The hub's public key; without it the package's own is taken, and whose it is stays open.
    pub hub: Option<OpeningKey>,
    /// Witnesses that must have cosigned the checkpoint.
    pub witnesses: Vec<NoteKey>,
    /// What opens the sealed originals.
    pub originals: Option<Key>,
    /// Certificates (DER) of time-stamping services, or of the authorities that issued theirs.
    pub stampers: Vec<Vec<u8>>,
}

/// A part of the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidencePart {
    /// The file is written in the one way in which packages are.
    Form,
    /// The hub signed the manifest.
    HubSignature,
    /// Each file has the digest of the manifest, and none is missing or added.
    Digests,
    /// The contents say what the manifest says, and name each record.
    Contents,
    /// The edges' own signatures over the records.
    Envelopes,
    /// The records' places in the edges' chains.
    Chains,
    /// The audit line of the extraction, which has the contents' digest.
    AuditLine,
    /// The line is in the log.
    Inclusion,
    /// The log signed the checkpoint.
    Checkpoint,
    /// Witnesses cosigned it.
    Witnesses,
    /// The time stamp.
    TimeStamp,
}

/// What came of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceStanding {
    /// It is wrong.
    Failed,
    /// It could not be established.
    NotEstablished,
    /// It holds.
    Established,
}

/// A part with what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EvidenceFinding {
    /// Which.
    pub part: EvidencePart,
    /// What came of it.
    pub standing: EvidenceStanding,
    /// In words.
    pub why: String,
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EvidenceCheck {
    /// Whether nothing is wrong.
    pub intact: bool,
    /// Whether, besides, nothing stayed open.
    pub whole: bool,
    /// The package's id, if it can be read.
    pub package: Option<String>,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Part by part.
    pub findings: Vec<EvidenceFinding>,
}

/// The findings so far.
#[derive(Debug, Default)]
struct Findings(Vec<EvidenceFinding>);

impl Findings {
    fn add(&mut self, part: EvidencePart, standing: EvidenceStanding, why: impl Into<String>) {
        let why = why.into();
        self.0.push(EvidenceFinding {
            part,
            standing,
            why,
        });
    }

    fn holds(&mut self, part: EvidencePart, why: impl Into<String>) {
        self.add(part, EvidenceStanding::Established, why);
    }

    fn open(&mut self, part: EvidencePart, why: impl Into<String>) {
        self.add(part, EvidenceStanding::NotEstablished, why);
    }

    fn wrong(&mut self, part: EvidencePart, why: impl Into<String>) {
        self.add(part, EvidenceStanding::Failed, why);
    }
}

/// A package whose files are those of its manifest.
struct Package<'a> {
    files: &'a [PackedFile],
    contents: PackageContents,
    keys: PackageKeys,
    hub: OpeningKey,
}

impl Package<'_> {
    fn file(&self, path: &str) -> Option<&[u8]> {
        file(self.files, path)
    }
}

fn file<'a>(files: &'a [PackedFile], path: &str) -> Option<&'a [u8]> {
    let found = files.iter().find(|file| file.path == path);
    found.map(|file| &file.bytes[..])
}

/// Checks a package. Nothing but its bytes and what is believed is looked at.
#[must_use]
pub fn verify(bytes: &[u8], trust: &EvidenceTrust) -> EvidenceCheck {
    let mut findings = Findings::default();
    let package = checked(bytes, trust, &mut findings);
    let findings = findings.0;
    let all = |least| findings.iter().all(|finding| finding.standing >= least);
    EvidenceCheck {
        intact: all(EvidenceStanding::NotEstablished),
        whole: all(EvidenceStanding::Established),
        package,
        sha256: Digest::of(bytes).to_string(),
        findings,
    }
}

fn checked(bytes: &[u8], trust: &EvidenceTrust, findings: &mut Findings) -> Option<String> {
    let files = match container::read(bytes) {
        Ok(files) => files,
        Err(error) => {
            findings.wrong(EvidencePart::Form, error.to_string());
            return None;
        }
    };
    findings.holds(
        EvidencePart::Form,
        "the file is written as packages are, byte by byte",
    );
    let (manifest, hub) = manifest(&files, trust, findings)?;
    let id = Some(manifest.package.clone());
    if !digests(&files, &manifest, findings) {
        return id;
    }
    let Some(package) = contents(&files, &manifest, hub, findings) else {
        return id;
    };
    records::check(&package, trust, findings);
    log::check(&package, trust, findings);
    time_stamp(&package, trust, findings);
    id
}

/// The manifest, once its signature holds.
fn manifest(
    files: &[PackedFile],
    trust: &EvidenceTrust,
    findings: &mut Findings,
) -> Option<(PackageManifest, OpeningKey)> {
    let part = EvidencePart::HubSignature;
    let [first, second, ..] = files else {
        findings.wrong(part, "there is no manifest");
        return None;
    };
    let read = (first.path == paths::MANIFEST && second.path == paths::SIGNATURE)
        .then(|| serde_json::from_slice::<PackageManifest>(&first.bytes).ok())
        .flatten();
    let Some(manifest) = read.filter(|manifest| manifest.format == FORMAT) else {
        findings.wrong(part, "the manifest cannot be read");
        return None;
    };
    let Ok(named) = manifest.hub_key.parse::<OpeningKey>() else {
        findings.wrong(part, "the manifest names no hub's key");
        return None;
    };
    let key = trust.hub.unwrap_or(named);
    if key != named {
        findings.wrong(
            part,
            format!("another hub made the package: its key is {named}"),
        );
        return None;
    }
    if !key.verifies(
        &pre_authentication_encoding(MANIFEST_TYPE, &first.bytes),
        &second.bytes,
    ) {
        findings.wrong(part, "the hub's signature over the manifest does not hold");
        return None;
    }
    match trust.hub {
        Some(_) => findings.holds(part, "the hub whose key was given signed the manifest"),
        None => findings.open(
            part,
            format!("the signature holds, by the key that the package names: whose it is, is not established ({named})"),
        ),
    }
    Some((manifest, key))
}

fn digests(files: &[PackedFile], manifest: &PackageManifest, findings: &mut Findings) -> bool {
    let part = EvidencePart::Digests;
    let others = files.get(2..).unwrap_or_default();
    if others.len() != manifest.files.len() {
        findings.wrong(part, "files are missing, or were added");
        return false;
    }
    for (file, listed) in others.iter().zip(&manifest.files) {
        let same_name = file.path == listed.path && file.bytes.len() == listed.size;
        if !same_name || Digest::of(&file.bytes).to_string() != listed.sha256 {
            findings.wrong(
                part,
                format!("`{}` is not the file that the manifest lists", listed.path),
            );
            return false;
        }
    }
    findings.holds(
        part,
        format!(
            "{} files have the digests that the manifest lists",
            others.len()
        ),
    );
    true
}

fn contents<'a>(
    files: &'a [PackedFile],
    manifest: &PackageManifest,
    hub: OpeningKey,
    findings: &mut Findings,
) -> Option<Package<'a>> {
    let part = EvidencePart::Contents;
    let contents = file(files, paths::CONTENTS)
        .and_then(|text| serde_json::from_slice::<PackageContents>(text).ok());
    let keys =
        file(files, paths::KEYS).and_then(|text| serde_json::from_slice::<PackageKeys>(text).ok());
    let (Some(contents), Some(keys)) = (contents, keys) else {
        findings.wrong(part, "contents or keys cannot be read");
        return None;
    };
    let is_same = contents.format == FORMAT
        && contents.package == manifest.package
        && keys.hub == hub.to_string();
    let listed = contents
        .files
        .iter()
        .all(|file| manifest.files.contains(file));
    if !is_same || !listed || contents.wanted.check().is_err() {
        findings.wrong(part, "the contents are not those of this manifest");
        return None;
    }
    let added = manifest
        .files
        .iter()
        .filter(|file| !contents.files.contains(file));
    let known = [
        paths::CONTENTS,
        paths::LINE,
        paths::PROOF,
        paths::STAMP,
        paths::REPORT,
    ];
    if let Some(stranger) = added
        .map(|file| file.path.as_str())
        .find(|path| !known.contains(path))
    {
        findings.wrong(
            part,
            format!("`{stranger}` is not a part of what was extracted"),
        );
        return None;
    }
    Some(Package {
        files,
        contents,
        keys,
        hub,
    })
}

fn time_stamp(package: &Package<'_>, trust: &EvidenceTrust, findings: &mut Findings) {
    let part = EvidencePart::TimeStamp;
    let Some(token) = package.file(paths::STAMP) else {
        findings.open(
            part,
            "there is none: the time is the hub's own word, and that of the log's witnesses",
        );
        return;
    };
    let Some(text) = package.file(paths::CONTENTS) else {
        return findings.wrong(part, "there are no contents to stamp");
    };
    match stamp::check(token, Digest::of(text)) {
        Err(error) => findings.wrong(part, error.to_string()),
        Ok(stamped) => match stamped.is_by_one_of(&trust.stampers) {
            true => findings.holds(part, format!("stamped at {} by {}", stamped.at, stamped.by)),
            false => findings.open(
                part,
                format!(
                    "stamped at {} by {}: the stamp's signature holds, by the certificate within it; whose it is, is \
                     not established",
                    stamped.at, stamped.by
                ),
            ),
        },
    }
}
