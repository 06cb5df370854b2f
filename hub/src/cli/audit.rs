//! `varco-hub audit`: shows, searches, exports and proves lines, and checks them, here or in an exported folder.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde::Serialize;
use varco_proto::keys::OpeningKey;
use varco_proto::time::UtcTime;

use super::clock::time_of;
use super::output::{Output, json, table};
use crate::audit::actor::Actor;
use crate::audit::check::{self, BrokenLine};
use crate::audit::export::{self, ExportedLine};
use crate::audit::exported::{self, FolderCheck, Trusted};
use crate::audit::head::NotedHead;
use crate::audit::log::{self, StoredTree};
use crate::audit::overseen::Overseen;
use crate::audit::reading::{self, LineSearch, StoredLine, WantedLines};
use crate::audit::{self, AuditEntry};
use crate::home::Home;
use crate::machine::files;
use crate::machine::stopwatch::Stopwatch;
use crate::proof::verification;
use crate::store::sql::Connection;
use crate::tlog::checkpoint::Checkpoint;
use crate::tlog::note::{Note, NoteKey};
use crate::tlog::proof::LeafProof;
use crate::tlog::tree::TreeHash;

/// `audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Print the public keys that others check this hub's audit with.
    Key,
    /// Show one line, or the newest. It leaves a line, as every reading of the audit does.
    Show {
        /// Which line.
        line: Option<u64>,
        /// How many of the newest, when none is named.
        #[arg(long, value_name = "LINES", default_value_t = 20,
            value_parser = clap::value_parser!(u32).range(1..=i64::from(reading::LINES_MAX)))]
        last: u32,
    },
    /// Search the lines, newest first.
    Search {
        /// What they say.
        #[command(flatten)]
        wanted: Wanted,
        /// How many at most.
        #[arg(long, value_name = "LINES", default_value_t = 100,
            value_parser = clap::value_parser!(u32).range(1..=i64::from(reading::LINES_MAX)))]
        limit: u32,
    },
    /// Write the lines, the tree's tiles and the checkpoints into a new folder, to be checked elsewhere.
    ///
    /// With what lines must say, only those are written; of all others the tiles have a hash, which tells
    /// nothing of them. `audit verify --folder DIR` checks the folder on any machine.
    Export {
        /// The new folder.
        folder: PathBuf,
        /// What they say.
        #[command(flatten)]
        wanted: Wanted,
    },
    /// Prove that a line is in the log, without showing any other.
    Prove {
        /// Which line.
        line: u64,
        /// Write `line-N.json` and `line-N.tlog-proof` into this folder.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Prove that the log of so many lines begins with that of fewer.
    Consistency {
        /// Lines of the older.
        old: u64,
        /// Lines of the newer; all when left out.
        new: Option<u64>,
    },
    /// Recompute the audit chain and its tree, hold the tables against its lines and open every stored transit
    /// again; exit 1 if anything broke, 3 if nothing did but not all can be established.
    ///
    /// It prints the audit's head: note it in a place of your own, and give it back with --head.
    ///
    /// With --folder it checks an exported folder where there is no hub, by the public keys alone, and with
    /// --checkpoint by what a witness has cosigned. With --proof it checks one line.
    Verify(Box<Verify>),
}

/// What lines must say.
#[derive(Debug, Args)]
pub struct Wanted {
    /// Who acted: a name, an id or a credential.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// What was done, as lines name it: lookup, case-opened.
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Of which body whoever acted was.
    #[arg(long, value_name = "BODY")]
    body: Option<String>,
    /// Written then or later.
    #[arg(long, value_name = "RFC3339")]
    from: Option<UtcTime>,
    /// Written before.
    #[arg(long, value_name = "RFC3339")]
    to: Option<UtcTime>,
    /// The case or request that was stated.
    #[arg(long, value_name = "REFERENCE")]
    case: Option<String>,
    /// The plate that was asked for, or acted on.
    #[arg(long, value_name = "PLATE")]
    plate: Option<String>,
}

/// Whoever is on the machine could read the database: nothing is kept from them.
fn all(wanted: &WantedLines, limit: u32) -> LineSearch<'_> {
    LineSearch {
        wanted,
        of: &Overseen::Everything,
        limit,
    }
}

impl From<Wanted> for WantedLines {
    fn from(wanted: Wanted) -> Self {
        Self {
            actor: wanted.actor,
            action: wanted.action,
            body: wanted.body,
            from: wanted.from,
            to: wanted.to,
            case_reference: wanted.case,
            plate: wanted.plate,
            before: None,
        }
    }
}

/// `audit verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// A head that was noted before: the chain must go through it.
    #[arg(long, value_name = "SEQUENCE:DIGEST")]
    head: Option<NotedHead>,
    /// An exported folder.
    #[arg(long, value_name = "DIR", requires = "log_key")]
    folder: Option<PathBuf>,
    /// A proof, as `audit prove` writes it.
    #[arg(long, value_name = "FILE", requires_all = ["log_key", "line"], conflicts_with = "folder")]
    proof: Option<PathBuf>,
    /// The line that it proves.
    #[arg(long, value_name = "FILE")]
    line: Option<PathBuf>,
    /// The log's public key, as `audit key` prints it.
    #[arg(long, value_name = "NAME+HASH+KEY")]
    log_key: Option<NoteKey>,
    /// The hub's public key, as `audit key` prints it.
    #[arg(long, value_name = "HEX")]
    hub_key: Option<OpeningKey>,
    /// The public key of a witness that must have cosigned; may be given several times.
    #[arg(long, value_name = "NAME+HASH+KEY")]
    witness: Vec<NoteKey>,
    /// A checkpoint from a witness, as `witness checkpoint` prints it; may be given several times.
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// An earlier export: by it a fork is named to the line.
    #[arg(long, value_name = "DIR")]
    earlier: Option<PathBuf>,
    /// The folder is a part: lines may be missing.
    #[arg(long)]
    part: bool,
    /// Check each line's own signature too, also where the log signed its leaf.
    #[arg(long)]
    each_signature: bool,
}

/// After an `audit verify` that found nothing broken, and could not establish all.
const EXIT_UNESTABLISHED: u8 = 3;

/// Does what it says.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn audit(
    home: &Home,
    command: AuditCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Key => key(home, output, out)?,
        AuditCommand::Show { line, last } => show(home, line, last, output, out)?,
        AuditCommand::Search { wanted, limit } => {
            let wanted = WantedLines::from(wanted);
            let main = noted(home, &wanted.entry(Actor::console()))?;
            lines(&reading::search(&main, &all(&wanted, limit))?, output, out)?;
        }
        AuditCommand::Export { folder, wanted } => {
            let folder = std::path::absolute(folder)?;
            export(home, &folder, &wanted.into(), output, out)?;
        }
        AuditCommand::Prove { line, out: into } => {
            prove(home, line, into.as_deref(), output, out)?;
        }
        AuditCommand::Consistency { old, new } => consistency(home, old, new, output, out)?,
        AuditCommand::Verify(verify) => return verified(home, *verify, output, out),
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the line of a reading, and gives the database that is read then.
fn noted(home: &Home, entry: &AuditEntry) -> anyhow::Result<Connection> {
    home.expect()?;
    let now = time_of(home)?.kept();
    let (key, mut main) = (home.sealing_key()?, home.open_main()?);
    audit::append_alone(&mut main, entry, now, &key)?;
    Ok(main)
}

fn key(home: &Home, output: Output, out: &mut impl Write) -> anyhow::Result<()> {
    home.expect()?;
    let key = home.sealing_key()?;
    let (log, hub) = (log::public_key(&key)?, key.opening_key());
    let shown = serde_json::json!({ "log_key": log.to_string(), "hub_key": hub.to_string() });
    if output.json {
        return Ok(json(out, &shown)?);
    }
    Ok(writeln!(out, "log's key  {log}\nhub's key  {hub}")?)
}

fn show(
    home: &Home,
    line: Option<u64>,
    last: u32,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let Some(sequence) = line else {
        let which = serde_json::json!({ "last": last });
        let main = noted(home, &reading::noted(Actor::console(), "newest", which))?;
        let found = reading::search(&main, &all(&WantedLines::default(), last))?;
        return lines(&found, output, out);
    };
    let which = serde_json::json!({ "line": sequence });
    let main = noted(home, &reading::noted(Actor::console(), "line", which))?;
    let found = reading::line(&main, sequence)?;
    let found = found.with_context(|| format!("there is no line {sequence}"))?;
    let view = ExportedLine::of(found.clone());
    if output.json {
        return Ok(json(out, &view)?);
    }
    let text = match found.line()? {
        Some(line) => serde_json::to_string_pretty(&line)?,
        None => "its term was over, and its text has ended".to_owned(),
    };
    let (at, digest, signature) = (view.at, view.digest, view.signature);
    writeln!(
        out,
        "line {sequence} of {at}\n{text}\ndigest     {digest}\nsignature  {signature}"
    )?;
    Ok(())
}

fn lines(found: &[StoredLine], output: Output, out: &mut impl Write) -> anyhow::Result<()> {
    if output.json {
        let found: Vec<_> = found.iter().cloned().map(ExportedLine::of).collect();
        return Ok(json(out, &serde_json::json!({ "lines": found }))?);
    }
    let mut shown = table(&[
        "line", "at (UTC)", "who", "what", "purpose", "case", "asked", "results",
    ]);
    for stored in found {
        let (number, at) = (
            stored.remains.sequence.to_string(),
            stored.remains.at.to_string(),
        );
        let Some(line) = stored.line()? else {
            shown.add_row([number, at, "(term over)".to_owned()]);
            continue;
        };
        let what = serde_json::to_value(&line.action)?;
        let text = |text: Option<String>| text.unwrap_or_default();
        shown.add_row([
            number,
            at,
            line.actor,
            text(what.as_str().map(str::to_owned)),
            text(line.purpose),
            text(line.case_reference),
            text(line.query),
            text(line.result_count.map(|count| count.to_string())),
        ]);
    }
    writeln!(out, "{shown}\n{} lines.", found.len())?;
    Ok(())
}

fn export(
    home: &Home,
    folder: &Path,
    wanted: &WantedLines,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let which = serde_json::json!({ "wanted": wanted.entry(Actor::console()).details });
    let entry = AuditEntry {
        query: wanted.plate.clone(),
        ..reading::noted(Actor::console(), "export", which)
    };
    let mut main = noted(home, &entry)?;
    // One view: what the hub writes meanwhile is in the next export.
    let view = main.transaction()?;
    let key = home.sealing_key()?;
    let exported = export::export(&view, &key, folder, |line| wanted.takes(line))?;
    if output.json {
        return Ok(json(out, &exported)?);
    }
    writeln!(
        out,
        "{} of {} lines, {} tiles and {} cosigned checkpoints in {}.\nCheck it elsewhere:\n  varco-hub audit \
         verify --folder DIR --log-key {} --hub-key {}{}",
        exported.lines,
        exported.size,
        exported.tiles,
        exported.cosigned,
        exported.folder.display(),
        exported.log_key,
        exported.hub_key,
        if exported.lines < exported.size {
            " --part"
        } else {
            ""
        }
    )?;
    Ok(())
}

#[derive(Debug, Serialize)]
struct Proved {
    line: ExportedLine,
    leaf: String,
    proof: String,
}

fn prove(
    home: &Home,
    sequence: u64,
    into: Option<&Path>,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let which = serde_json::json!({ "line": sequence });
    let main = noted(home, &reading::noted(Actor::console(), "inclusion", which))?;
    let found = reading::line(&main, sequence)?;
    let found = found.with_context(|| format!("there is no line {sequence}"))?;
    let leaf = found.remains.leaf();
    let checkpoint = log::checkpoint_with(&main, &*home.sealing_key()?, sequence)?;
    let size = Checkpoint::of(&checkpoint)?.head.size;
    let proof = LeafProof {
        index: sequence - 1,
        hashes: StoredTree::of(&main).inclusion(sequence, size)?,
        checkpoint,
    };
    proof
        .check(leaf)
        .context("the hub's own proof does not hold; run audit verify")?;
    let line = ExportedLine::of(found);
    if let Some(folder) = into {
        files::make_private_folder(folder)?;
        let file = |ending: &str| folder.join(format!("line-{sequence}.{ending}"));
        files::write_private(&file("json"), &serde_json::to_vec_pretty(&line)?)?;
        files::write_private(&file("tlog-proof"), proof.to_string().as_bytes())?;
    }
    if output.json {
        let proved = Proved {
            line,
            leaf: leaf.to_string(),
            proof: proof.to_string(),
        };
        return Ok(json(out, &proved)?);
    }
    Ok(write!(out, "{proof}")?)
}

#[derive(Debug, Serialize)]
struct Consistent {
    old: u64,
    old_root: String,
    new: u64,
    new_root: String,
    hashes: Vec<String>,
}

fn consistency(
    home: &Home,
    old: u64,
    new: Option<u64>,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let which = serde_json::json!({ "old": old, "new": new });
    let main = noted(
        home,
        &reading::noted(Actor::console(), "consistency", which),
    )?;
    let new = match new {
        Some(new) => new,
        None => log::size(&main)?,
    };
    let tree = StoredTree::of(&main);
    let hashes = tree.consistency(old, new)?;
    let told = Consistent {
        old,
        old_root: tree.root(old)?.to_string(),
        new,
        new_root: tree.root(new)?.to_string(),
        hashes: hashes.iter().map(TreeHash::to_string).collect(),
    };
    if output.json {
        return Ok(json(out, &told)?);
    }
    writeln!(
        out,
        "old {old} {}\nnew {new} {}",
        told.old_root, told.new_root
    )?;
    told.hashes
        .iter()
        .try_for_each(|hash| writeln!(out, "{hash}"))?;
    Ok(())
}

fn verified(
    home: &Home,
    verify: Verify,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    if let (Some(proof), Some(line), Some(log_key)) = (&verify.proof, &verify.line, &verify.log_key)
    {
        return verified_line(&[proof, line], log_key, &verify.witness, output, out);
    }
    let (Some(folder), Some(log_key)) = (&verify.folder, &verify.log_key) else {
        let now = time_of(home)?.kept();
        let mut checked = verification::verify_from(home, verify.head.as_ref(), now)?;
        let brought = brought(&verify.checkpoint)?;
        if !brought.is_empty() {
            let (main, key) = (home.open_main()?, home.sealing_key()?);
            let more = check::verify_tree_with(&main, &key, &brought)?;
            let is_new = |one: &BrokenLine| !checked.broken_audit_lines.contains(one);
            let more: Vec<_> = more.into_iter().filter(is_new).collect();
            checked.intact &= more.is_empty();
            checked.broken_audit_lines.extend(more);
        }
        output.verification(out, &checked)?;
        return Ok(match (checked.is_broken(), checked.intact) {
            (true, _) => ExitCode::FAILURE,
            (false, false) => ExitCode::from(EXIT_UNESTABLISHED),
            (false, true) => ExitCode::SUCCESS,
        });
    };
    let Some(hub) = verify.hub_key else {
        bail!("give --hub-key too, as `varco-hub audit key` prints it");
    };
    let checkpoints = brought(&verify.checkpoint)?;
    let trusted = Trusted {
        log: log_key.clone(),
        hub,
        witnesses: verify.witness,
        checkpoints,
        earlier: verify.earlier,
        is_part: verify.part,
        each_signature: verify.each_signature,
    };
    let watch = Stopwatch::start();
    let checked = exported::check(folder, &trusted)?;
    let took = watch.elapsed().as_secs_f64();
    told(&checked, took, output, out)?;
    Ok(if checked.intact {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The checkpoints of these files.
fn brought(paths: &[PathBuf]) -> anyhow::Result<Vec<Note>> {
    let mut all = Vec::new();
    for path in paths {
        let notes = notes(&files::read_text(path)?);
        all.extend(notes.with_context(|| format!("read `{}`", path.display()))?);
    }
    Ok(all)
}

/// One note, or an array of them.
fn notes(text: &str) -> anyhow::Result<Vec<Note>> {
    let all: Vec<String> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text)?
    } else {
        vec![text.to_owned()]
    };
    let notes: Result<Vec<_>, _> = all.iter().map(|note| Note::parse(note)).collect();
    Ok(notes?)
}

fn told(
    checked: &FolderCheck,
    took: f64,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    if output.json {
        let mut shown = serde_json::to_value(checked)?;
        shown["seconds"] = took.into();
        return Ok(json(out, &shown)?);
    }
    for finding in &checked.findings {
        let wrong = serde_json::to_value(finding.wrong)?;
        let wrong = wrong.as_str().unwrap_or("wrong");
        writeln!(out, "{wrong}: {}", finding.what)?;
    }
    let verdict = if checked.intact { "intact" } else { "BROKEN" };
    writeln!(
        out,
        "{verdict}: {} of {} lines of {} checked in {took:.2} s, {} of them past their term; {} checkpoints hold; \
         every witness has cosigned the first {}.",
        checked.lines,
        checked.size,
        checked.origin,
        checked.ended,
        checked.checkpoints,
        checked.witnessed
    )?;
    Ok(())
}

/// Checks one line by its proof: `files` are the proof's and the line's.
fn verified_line(
    files: &[&PathBuf; 2],
    log_key: &NoteKey,
    witnesses: &[NoteKey],
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let [proof, line] = *files;
    let proof: LeafProof = files::read_text(proof)?.parse()?;
    let line: ExportedLine = serde_json::from_slice(&files::read(line)?)?;
    let faults = faults_of(&proof, &line, log_key, witnesses);
    let intact = faults.is_empty();
    if output.json {
        let sequence = line.sequence;
        let shown = serde_json::json!({ "intact": intact, "line": sequence, "faults": faults });
        json(out, &shown)?;
    } else {
        faults
            .iter()
            .try_for_each(|fault| writeln!(out, "{fault}"))?;
        let verdict = if intact { "proved" } else { "NOT PROVED" };
        writeln!(
            out,
            "{verdict}: line {} of {}",
            line.sequence,
            log_key.name()
        )?;
    }
    Ok(if intact {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn faults_of(
    proof: &LeafProof,
    line: &ExportedLine,
    log_key: &NoteKey,
    witnesses: &[NoteKey],
) -> Vec<String> {
    let mut faults = Vec::new();
    let Some(remains) = line.remains() else {
        return vec!["the line cannot be read".to_owned()];
    };
    if proof.index.checked_add(1) != Some(line.sequence) {
        faults.push("the proof is of another line".to_owned());
    }
    let text = line.line.as_deref();
    if text.is_some_and(|text| audit::digest_of(text) != remains.digest) {
        faults.push("the line's digest is not that of its text".to_owned());
    }
    match proof.check(remains.leaf()) {
        Ok(checkpoint) if checkpoint.origin == log_key.name() => {}
        Ok(_) => faults.push("the checkpoint is of another log".to_owned()),
        Err(error) => faults.push(error.to_string()),
    }
    for key in std::iter::once(log_key).chain(witnesses) {
        match proof.checkpoint.signed_by(key) {
            Ok(Some(_)) => {}
            Ok(None) => faults.push(format!("{} did not sign the checkpoint", key.name())),
            Err(error) => faults.push(error.to_string()),
        }
    }
    faults
}
