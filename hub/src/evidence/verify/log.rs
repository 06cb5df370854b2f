//! The audit line of the extraction, and the log that it is in.

use varco_proto::envelope::pre_authentication_encoding;

use super::{EvidencePart, EvidenceTrust, Findings, Package, records};
use crate::audit::action::{Action, ActionRead};
use crate::audit::export::ExportedLine;
use crate::audit::log::origin;
use crate::audit::{AuditLine, LINE_TYPE, digest_of};
use crate::evidence::contents::paths;
use crate::tlog::checkpoint::Checkpoint;
use crate::tlog::note::{NoteKey, NoteKind};
use crate::tlog::proof::LeafProof;
use varco_proto::ids::Digest;

/// Checks the line, its proof, the checkpoint and who cosigned it.
pub(super) fn check(package: &Package<'_>, trust: &EvidenceTrust, findings: &mut Findings) {
    let line = package
        .file(paths::LINE)
        .and_then(|text| serde_json::from_slice::<ExportedLine>(text).ok());
    let Some(line) = line else {
        return findings.wrong(EvidencePart::AuditLine, "the audit line cannot be read");
    };
    match said(package, &line) {
        Err(why) => return findings.wrong(EvidencePart::AuditLine, why),
        Ok(told) => findings.holds(
            EvidencePart::AuditLine,
            format!(
                "line {} of {}, signed by the hub, has this package's contents and records",
                line.sequence, told.at
            ),
        ),
    }
    let proof = package.file(paths::PROOF).map(String::from_utf8_lossy);
    let read = proof.as_deref().and_then(|text| {
        text.parse::<LeafProof>()
            .ok()
            .filter(|read| read.to_string() == text)
    });
    let Some(read) = read else {
        return findings.wrong(EvidencePart::Inclusion, "the proof cannot be read");
    };
    let of_line = read.index.checked_add(1) == Some(line.sequence);
    let checkpoint = line
        .remains()
        .filter(|_| of_line)
        .and_then(|line| read.check(line.leaf()).ok());
    let Some(checkpoint) = checkpoint else {
        return findings.wrong(
            EvidencePart::Inclusion,
            "the proof does not prove that the line is in the log",
        );
    };
    let size = checkpoint.head.size;
    findings.holds(
        EvidencePart::Inclusion,
        format!("the line is among the first {size} of the log"),
    );
    if signed(package, &read, &checkpoint, findings) {
        witnesses(package, &read, trust, findings);
    }
}

/// The line, once its signature holds and it has this package.
fn said(package: &Package<'_>, line: &ExportedLine) -> Result<AuditLine, &'static str> {
    let text = line
        .line
        .as_deref()
        .ok_or("the text of the audit line is not there")?;
    let remains = line.remains().ok_or("the audit line cannot be read")?;
    let signed = pre_authentication_encoding(LINE_TYPE, text.as_bytes());
    if digest_of(text) != remains.digest || !package.hub.verifies(&signed, &remains.signature) {
        return Err("the hub's signature over the audit line does not hold");
    }
    let told: AuditLine =
        serde_json::from_str(text).map_err(|_| "the audit line cannot be read")?;
    if told.sequence != line.sequence || told.at != line.at {
        return Err("the audit line says another number or time");
    }
    if told.action != ActionRead::Known(Action::EvidenceExtracted) {
        return Err("the audit line is of no extraction");
    }
    let contents = package
        .file(paths::CONTENTS)
        .map(|text| Digest::of(text).to_string());
    let has =
        |field: &str, value: Option<&str>| value.is_some() && told.details[field].as_str() == value;
    if !has("contents", contents.as_deref()) || !has("package", Some(&package.contents.package)) {
        return Err("the audit line is of another package");
    }
    if records::digests(package) != Some(told.result_digests.clone()) {
        return Err("the audit line names other records");
    }
    Ok(told)
}

fn signed(
    package: &Package<'_>,
    proof: &LeafProof,
    checkpoint: &Checkpoint,
    findings: &mut Findings,
) -> bool {
    let part = EvidencePart::Checkpoint;
    let key = package.keys.log.parse::<NoteKey>().ok();
    let key = key.filter(|key| key.kind() == NoteKind::Log && key.name() == origin(&package.hub));
    let Some(key) = key.filter(|key| key.name() == checkpoint.origin) else {
        findings.wrong(part, "the package names no key of this hub's log");
        return false;
    };
    match proof.checkpoint.signed_by(&key) {
        Ok(Some(_)) => {
            let why = "the log signed the checkpoint, by the key that the hub's signed keys name";
            findings.holds(part, why);
            true
        }
        Ok(None) | Err(_) => {
            findings.wrong(
                part,
                "the log's signature over the checkpoint does not hold",
            );
            false
        }
    }
}

fn witnesses(
    package: &Package<'_>,
    proof: &LeafProof,
    trust: &EvidenceTrust,
    findings: &mut Findings,
) {
    let part = EvidencePart::Witnesses;
    for key in &trust.witnesses {
        match proof.checkpoint.signed_by(key) {
            Ok(Some(signed)) => findings.holds(
                part,
                format!(
                    "{} cosigned the checkpoint at {} s after 1970",
                    key.name(),
                    signed.at_s.unwrap_or_default()
                ),
            ),
            Ok(None) => findings.wrong(
                part,
                format!("{} has not cosigned the checkpoint", key.name()),
            ),
            Err(error) => findings.wrong(part, error.to_string()),
        }
    }
    let named = package
        .keys
        .witnesses
        .iter()
        .filter_map(|key| key.parse::<NoteKey>().ok());
    let mut cosigned = 0;
    for key in named.filter(|key| !trust.witnesses.contains(key)) {
        match proof.checkpoint.signed_by(&key) {
            Ok(Some(_)) => {
                cosigned += 1;
                let name = key.name();
                let why = format!(
                    "{name} cosigned the checkpoint, by the key that the package names: whose it is, is not established"
                );
                findings.open(part, why);
            }
            Ok(None) => {}
            Err(error) => findings.wrong(part, error.to_string()),
        }
    }
    if cosigned == 0 && trust.witnesses.is_empty() {
        findings.open(part, "nobody outside the hub has cosigned the checkpoint: that the log was not rewritten is the hub's word");
    }
}
