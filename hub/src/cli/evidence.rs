//! `varco-hub evidence`: checks a package on any machine, and shows what is in it. Packages are made through the API
//! alone, by a person, with an authorisation.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use varco_proto::cipher::Key;
use varco_proto::keys::OpeningKey;

use super::output::{Output, json, table};
use crate::certificates::tls;
use crate::evidence::container;
use crate::evidence::contents::{PackageContents, paths};
use crate::evidence::verify::{self, EvidenceStanding, EvidenceTrust};
use crate::machine::files;
use crate::tlog::note::NoteKey;

/// `evidence`.
#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// Check a package, without a home and without a network; exit 1 if anything in it is wrong, 3 if nothing is but
    /// not all can be established.
    Verify(Box<EvidenceVerify>),
    /// Say what is in a package, without checking it.
    Show {
        /// The package.
        file: PathBuf,
    },
}

/// `evidence verify`.
#[derive(Debug, Args)]
pub struct EvidenceVerify {
    /// The package.
    file: PathBuf,
    /// The hub's public key, as `audit key` prints it: got from the office by another way than the package.
    #[arg(long, value_name = "HEX")]
    key: Option<OpeningKey>,
    /// The public key of a witness that must have cosigned; may be given several times.
    #[arg(long, value_name = "NAME+HASH+KEY")]
    witness: Vec<NoteKey>,
    /// What opens the sealed originals, as it was handed over: a file with 64 hexadecimal digits.
    #[arg(long, value_name = "FILE")]
    originals_key: Option<PathBuf>,
    /// The certificate of the time-stamping service, or of the authority that issued it, as PEM; may be given several
    /// times.
    #[arg(long, value_name = "FILE")]
    timestamp_ca: Vec<PathBuf>,
}

/// After a check that found nothing wrong, and could not establish all.
const EXIT_UNESTABLISHED: u8 = 3;

/// Checks or shows a package.
///
/// # Errors
/// When the package or a key cannot be read.
pub(super) fn evidence(
    command: EvidenceCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    match command {
        EvidenceCommand::Verify(verify) => verified(&verify, output, out),
        EvidenceCommand::Show { file } => show(&file, output, out),
    }
}

fn package(file: &Path) -> anyhow::Result<Vec<u8>> {
    let known =
        std::fs::metadata(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let most = u64::try_from(container::PACKAGE_BYTES_MAX)?;
    if known.len() > most {
        bail!("`{}` is larger than any package", file.display());
    }
    Ok(files::read(file)?)
}

fn verified(
    verify: &EvidenceVerify,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let originals = verify.originals_key.as_deref().map(|file| {
        let text = files::read_text(file)?;
        let key = hex::decode(text.trim())
            .ok()
            .and_then(|bytes| Key::from_bytes(&bytes));
        key.with_context(|| format!("`{}` has no 64 hexadecimal digits", file.display()))
    });
    let mut stampers = Vec::new();
    for file in &verify.timestamp_ca {
        stampers.extend(tls::certificates_of(&files::read_text(file)?)?);
    }
    let trust = EvidenceTrust {
        hub: verify.key,
        witnesses: verify.witness.clone(),
        originals: originals.transpose()?,
        stampers,
    };
    let check = verify::verify(&package(&verify.file)?, &trust);
    if output.json {
        json(out, &check)?;
    } else {
        let mut shown = table(&["part", "", "why"]);
        for finding in &check.findings {
            let part = serde_json::to_value(finding.part)?;
            let word = match finding.standing {
                EvidenceStanding::Established => "established",
                EvidenceStanding::NotEstablished => "NOT ESTABLISHED",
                EvidenceStanding::Failed => "WRONG",
            };
            let part = part.as_str().map(str::to_owned);
            shown.add_row([
                part.context("a part has a word")?,
                word.to_owned(),
                finding.why.clone(),
            ]);
        }
        let result = match (check.intact, check.whole) {
            (false, _) => "The package is NOT as it was made: nothing of it may be relied on.",
            (true, false) => {
                "Nothing in the package is wrong; what is not established is said above."
            }
            (true, true) => "All is established.",
        };
        writeln!(out, "{shown}\nSHA-256 {}\n{result}", check.sha256)?;
    }
    Ok(match (check.intact, check.whole) {
        (false, _) => ExitCode::FAILURE,
        (true, false) => ExitCode::from(EXIT_UNESTABLISHED),
        (true, true) => ExitCode::SUCCESS,
    })
}

fn show(file: &Path, output: Output, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let packed = container::read(&package(file)?)?;
    let contents = packed.iter().find(|one| one.path == paths::CONTENTS);
    let contents =
        contents.context("the package has no contents: run `varco-hub evidence verify`")?;
    let contents: PackageContents = serde_json::from_slice(&contents.bytes)?;
    if output.json {
        json(out, &contents)?;
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = &contents.wanted;
    writeln!(
        out,
        "package     {}\nmade        {}\ncase        {}, {}\nfor         {} ({})\npermit      {} of {}, {}\n\
         records     {}\nNot checked: `varco-hub evidence verify` does.",
        contents.package,
        contents.made_at,
        wanted.case_type.as_str(),
        wanted.reference,
        wanted.recipient,
        wanted.recipient_kind.as_str(),
        contents.permit.id,
        contents.permit.given_by,
        contents.permit.given_at,
        wanted.transits.len(),
    )?;
    let mut shown = table(&["file", "bytes", "SHA-256"]);
    for one in &packed {
        let digest = varco_proto::ids::Digest::of(&one.bytes).to_string();
        shown.add_row([one.path.clone(), one.bytes.len().to_string(), digest]);
    }
    writeln!(out, "{shown}")?;
    Ok(ExitCode::SUCCESS)
}
