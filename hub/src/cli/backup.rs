//! `varco-hub backup`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::clock::time_of;
use super::output::Output;
use crate::backup::BackupError;
use crate::backup::create::create;
use crate::backup::restore::{RestoreReport, recovery_key, restore, try_out};
use crate::config::backup::BackupPlace;
use crate::home::Home;
use crate::machine::files;
use varco_proto::cipher::Key;

/// `backup`.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Bring a backup up to date; the hub may run. The first run prints the recovery key.
    Create {
        /// The data folder.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// The keys folder, on another medium.
        #[arg(long, value_name = "DIR")]
        keys_to: PathBuf,
    },
    /// Try whether a backup could be restored: all of it is opened and checked, then removed.
    Try(BackupFrom),
    /// Restore a backup into the new home that --home names.
    ///
    /// What had ended when the keys folder was last written is ended again: revoked edges, ended
    /// tokens, closed cases and hotlists, removed webhooks, shortened terms. What ended after that is
    /// not known there: end it again by hand.
    Restore(BackupFrom),
}

/// `backup try` and `backup restore`.
#[derive(Debug, Args)]
pub struct BackupFrom {
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    /// The keys folder.
    #[arg(long, value_name = "DIR")]
    pub keys_from: PathBuf,
    /// File with the recovery key as it was printed [default: this hub's own]
    #[arg(long, value_name = "FILE")]
    pub recovery_key: Option<PathBuf>,
}

/// Makes, tries or restores a backup.
///
/// # Errors
/// What is wrong, and what to do.
pub fn backup(
    home: &Home,
    command: BackupCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let now = time_of(home)?.kept();
    match command {
        BackupCommand::Create { to, keys_to } => {
            let place = BackupPlace {
                data: std::path::absolute(to)?,
                keys: std::path::absolute(keys_to)?,
            };
            let report = create(home, &place, now)?;
            let mut said = format!(
                "{} transits of {} hours; {} hours copied now, {} dead ones removed",
                report.transits, report.hours, report.copied, report.removed
            );
            if let Some(key) = &report.recovery_key {
                said += &format!(
                    "\nThe recovery key, shown once: write it down and keep it apart. Without it, \
                     or private/recovery.key of this home, nothing can be restored.\n{key}"
                );
            }
            output.done(out, &serde_json::to_value(&report)?, &said)?;
            Ok(ExitCode::SUCCESS)
        }
        BackupCommand::Try(from) => {
            let (place, key) = opened(home, from)?;
            let report = try_out(&place, &key, &std::env::temp_dir(), now)?;
            tell(output, out, &report, "could be restored")
        }
        BackupCommand::Restore(from) => {
            let (place, key) = opened(home, from)?;
            let report = restore(&place, &key, home, now)?;
            tell(output, out, &report, "restored")
        }
    }
}

fn opened(home: &Home, from: BackupFrom) -> Result<(BackupPlace, Key), BackupError> {
    let key = match from.recovery_key {
        Some(file) => recovery_key(&files::read_text(&file)?)?,
        None => {
            let bytes = files::read(&home.recovery_key_file())?;
            Key::from_bytes(&bytes).ok_or(BackupError::RecoveryKey)?
        }
    };
    let place = BackupPlace {
        data: from.from,
        keys: from.keys_from,
    };
    Ok((place, key))
}

fn tell(
    output: Output,
    out: &mut impl Write,
    report: &RestoreReport,
    done: &str,
) -> anyhow::Result<ExitCode> {
    let found = if report.intact {
        "all of it whole"
    } else {
        "NOT WHOLE: see `varco-hub audit verify`"
    };
    let said = format!(
        "The backup of {}: {} transits of {} hours {done}, {found}; {} hours stay dead{}",
        report.made_at,
        report.transits,
        report.hours,
        report.dead,
        ended(report)
    );
    output.done(out, &serde_json::to_value(report)?, &said)?;
    Ok(if report.intact {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What was ended again, and what cannot be known.
fn ended(report: &RestoreReport) -> String {
    let raised = &report.ended_again;
    let mut said = String::new();
    for (what, names) in [
        ("Edges revoked again", &raised.edges),
        ("Cases closed again", &raised.cases),
        ("Hotlists closed again", &raised.hotlists),
        ("Webhooks removed again", &raised.webhooks),
        ("Bodies ended again", &raised.bodies),
        (
            "Agreements ended again, whole or for a member",
            &raised.agreements,
        ),
        ("Invitations ended again, for", &raised.invitations),
        ("Terms shortened again, of the gates", &raised.gates),
    ] {
        if !names.is_empty() {
            said += &format!("\n{what}: {}", names.join(", "));
        }
    }
    for (what, count) in [
        ("Tokens ended again", raised.tokens),
        ("Appointments ended again", raised.appointments.len()),
        ("Transits blocked again", raised.blocks.len()),
    ] {
        if count > 0 {
            said += &format!("\n{what}: {count}");
        }
    }
    let since = match report.keys_made_at.as_str() {
        "" => "The keys folder was written by a version that did not note what had ended",
        at => &format!("The keys folder was last written {at}"),
    };
    said + &format!(
        "\n{since}. What was revoked, closed or ended after that lives again: end it again. What was \
         added after the data folder's backup is not there: edges are enrolled and tokens issued anew."
    )
}
