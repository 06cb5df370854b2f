//! `varco-hub hotlist import` and `varco-hub hotlist plate`.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;

use super::clock::time_of;
use super::output::Output;
use crate::audit::acting::Acting;
use crate::home::Home;
use crate::hotlists::desk::{self, DeskError, HotlistShelf, ListFile};
use crate::hotlists::import::account::{Account, AccountLine};
use crate::hotlists::import::dates::DateOrder;
use crate::hotlists::import::mapping::Mapping;
use crate::hotlists::import::single::Single;
use crate::hotlists::import::{How, ImportError};
use crate::hotlists::list::ListId;
use crate::hotlists::singly::{self, PlateChange};
use crate::machine::files;
use crate::store::sql::Connection;

/// Longest plate taken from standard input, in bytes.
const PLATE_BYTES_MAX: u64 = 256;

/// `hotlist import`.
#[derive(Debug, Args)]
pub struct HotlistImport {
    /// The hotlist.
    pub id: ListId,
    /// The file: CSV or other text in rows.
    pub file: PathBuf,
    /// Leave refused rows out, and tell them, instead of refusing the file.
    #[arg(long)]
    pub skip_faulty: bool,
    /// Which columns mean what, by heading or by number from 1: plate=PlateNumber,note=Reason.
    ///
    /// The words are plate, country, note, from and to; each may be given several times.
    #[arg(long, value_name = "WORD=COLUMN,…")]
    pub map: Vec<Mapping>,
    /// What stands first in dates that do not say it: day-first or month-first.
    #[arg(long, value_name = "ORDER")]
    pub dates: Option<DateOrder>,
    /// Only show the account, and what would change; change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Write what became of every row to this file, as CSV, without plates.
    #[arg(long, value_name = "FILE")]
    pub account: Option<PathBuf>,
}

/// `hotlist plate`.
#[derive(Debug, Subcommand)]
pub enum PlateCommand {
    /// Put a plate on a hotlist, beside what it says of the plate already.
    Add(PlateSaid),
    /// Replace all that a hotlist says of a plate.
    Change(PlateSaid),
    /// Take a plate off a hotlist, with all that it says of it.
    Remove {
        /// The hotlist.
        id: ListId,
        /// The plate; - reads it from standard input, so that no list of processes shows it.
        plate: String,
    },
}

/// A plate and what is said of it.
#[derive(Debug, Args)]
pub struct PlateSaid {
    /// The hotlist.
    pub id: ListId,
    /// The plate; - reads it from standard input, so that no list of processes shows it.
    pub plate: String,
    /// Where it is registered: name, ISO code or oval sign.
    #[arg(long)]
    pub country: Option<String>,
    /// Why it is waited for, what to do.
    #[arg(long)]
    pub note: Option<String>,
    /// First day or moment, as 31/12/2026 or RFC 3339 [default: the hotlist's]
    #[arg(long, value_name = "DATE")]
    pub from: Option<String>,
    /// Last day, or the moment of the end [default: the hotlist's]
    #[arg(long, value_name = "DATE")]
    pub to: Option<String>,
}

/// Imports a file.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn import(
    home: &Home,
    main: &mut Connection,
    acting: &Acting<'_>,
    order: HotlistImport,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let bytes = files::read(&order.file)?;
    let keys = home.list_keys()?;
    let shelf = HotlistShelf {
        keys: &keys,
        active: None,
        turns: None,
    };
    let mut how = How {
        dates: order.dates,
        skip_faulty: order.skip_faulty,
        dry_run: order.dry_run,
        ..How::default()
    };
    order
        .map
        .into_iter()
        .for_each(|map| how.mapping.extend(map));
    let mut written = order
        .account
        .as_deref()
        .map(AccountFile::create)
        .transpose()?;
    let file = ListFile {
        list: &order.id,
        bytes: &bytes,
        how: &how,
    };
    let prepared = desk::prepare(main, &shelf, acting.actor, file, acting.now, &mut |line| {
        written.iter_mut().for_each(|file| file.take(line))
    });
    if let Some(file) = written {
        file.finish()?;
    }
    // Reading took its time: the line bears the moment of the change.
    let now = time_of(home)?.kept();
    let acting = Acting { now, ..*acting };
    let account = prepared.and_then(|prepared| desk::adopt(main, &shelf, prepared, &acting));
    if let Err(DeskError::Import(ImportError::Faulty(account) | ImportError::Empty(account))) =
        &account
        && output.json
    {
        output.done(out, &serde_json::to_value(account)?, "")?;
    }
    let account = account?;
    output.done(out, &serde_json::to_value(&account)?, &said(&account, &how))?;
    Ok(())
}

fn said(account: &Account, how: &How) -> String {
    let mut said = match (how.dry_run, account.is_faulty() && !how.skip_faulty) {
        (false, _) => format!("{} plates are waited for", account.waited_for),
        (true, false) => format!(
            "nothing was changed; {} plates would be waited for",
            account.waited_for
        ),
        (true, true) => {
            "nothing was changed; the import would be refused, unless with --skip-faulty".to_owned()
        }
    };
    if account.over > 0 {
        said += &format!("; {} are listed whose term is over", account.over);
    }
    let difference = &account.difference;
    format!(
        "{said}\nagainst what the hotlist had: {} added, {} changed, {} gone, {} unchanged\n{account}",
        difference.added, difference.changed, difference.gone, difference.unchanged
    )
}

/// The whole account, row by row.
struct AccountFile {
    path: PathBuf,
    file: BufWriter<File>,
    failed: Option<io::Error>,
}

impl AccountFile {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path)
            .with_context(|| format!("the account cannot be written to `{}`", path.display()))?;
        let mut file = Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
            failed: None,
        };
        file.write("row,outcome,folded_with,why\n");
        Ok(file)
    }

    fn write(&mut self, text: &str) {
        if self.failed.is_none() {
            self.failed = self.file.write_all(text.as_bytes()).err();
        }
    }

    fn take(&mut self, line: &AccountLine) {
        let with = line
            .folded_with
            .map(|row| row.to_string())
            .unwrap_or_default();
        let why = line.why.join("; ").replace('"', "\"\"");
        let outcome = line.outcome.word();
        self.write(&format!("{},{outcome},{with},\"{why}\"\n", line.row));
    }

    fn finish(mut self) -> anyhow::Result<()> {
        let failed = self.failed.take().map_or(Ok(()), Err);
        failed.and_then(|()| self.file.flush()).with_context(|| {
            format!(
                "the account cannot be written to `{}`, and nothing was taken",
                self.path.display()
            )
        })
    }
}

/// Adds, changes or removes one plate.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn change(
    home: &Home,
    main: &mut Connection,
    acting: &Acting<'_>,
    command: PlateCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let (id, change, said) = match command {
        PlateCommand::Add(plate) => {
            let (id, single) = single(plate)?;
            (
                id,
                PlateChange::Add(single),
                "on the hotlist from the next transit on",
            )
        }
        PlateCommand::Change(plate) => {
            let (id, single) = single(plate)?;
            (
                id,
                PlateChange::Change(single),
                "changed from the next transit on",
            )
        }
        PlateCommand::Remove { id, plate } => (
            id,
            PlateChange::Remove(typed(plate)?),
            "off the hotlist from the next transit on",
        ),
    };
    let keys = home.list_keys()?;
    let shelf = HotlistShelf {
        keys: &keys,
        active: None,
        turns: None,
    };
    singly::change(main, &shelf, &id, &change, acting)?;
    output.done(out, &json!({ "list": id }), said)?;
    Ok(())
}

fn single(said: PlateSaid) -> anyhow::Result<(ListId, Single)> {
    let single = Single {
        plate: typed(said.plate)?,
        country: said.country,
        note: said.note,
        from: said.from,
        to: said.to,
    };
    Ok((said.id, single))
}

/// The plate as an argument, or from standard input.
fn typed(plate: String) -> anyhow::Result<String> {
    if plate != "-" {
        return Ok(plate);
    }
    let mut text = String::new();
    io::stdin()
        .take(PLATE_BYTES_MAX)
        .read_to_string(&mut text)
        .context("read the plate from standard input")?;
    Ok(text)
}
