//! `varco-hub access`: the register of who was let in to see recordings.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

use super::console::Console;
use super::output::{Output, json, table};
use crate::bodies::{self, BodyId};
use crate::evidence::register::{self, AccessEntry, DECLARATION, SignedHow, Visitor, VisitorKind};
use crate::evidence::report::sheet;
use crate::home::Home;
use crate::machine::files;

/// `access`.
#[derive(Debug, Subcommand)]
pub enum AccessCommand {
    /// Note that somebody comes in, who has signed the declaration of confidentiality. It prints their number.
    Enter(Box<AccessEnter>),
    /// Note that somebody leaves: their entry is closed, and never changes again.
    Leave {
        /// Their number.
        number: i64,
        /// Whose register.
        #[arg(long, value_name = "BODY")]
        body: Option<BodyId>,
    },
    /// List entries. It leaves an audit line.
    List(AccessSpan),
    /// Write entries as a sheet to be printed (PDF/A). It leaves an audit line.
    Print {
        /// Which.
        #[command(flatten)]
        span: AccessSpan,
        /// The new file.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Print the declaration that whoever comes in signs.
    Declaration,
}

/// `access enter`.
#[derive(Debug, Args)]
pub struct AccessEnter {
    /// Name and surname.
    #[arg(long)]
    name: String,
    /// As what they are let in.
    #[arg(long)]
    kind: AccessKind,
    /// Kind and number of the identity document.
    #[arg(long)]
    document: String,
    /// The authorisation.
    #[arg(long)]
    authorisation: String,
    /// A file that bears their signature under the declaration: its digest is noted.
    #[arg(long, value_name = "FILE")]
    signature: PathBuf,
    /// The signature was drawn on a screen [default: on paper, and scanned]
    #[arg(long)]
    drawn: bool,
    /// Whose register.
    #[arg(long, value_name = "BODY")]
    body: Option<BodyId>,
}

/// As what somebody is let in.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum AccessKind {
    /// The person whom recordings show.
    Subject,
    /// An authority.
    Authority,
    /// Another who is authorised in writing.
    Authorised,
}

/// Which entries.
#[derive(Debug, Args)]
pub struct AccessSpan {
    /// From when.
    #[arg(long, value_name = "RFC3339")]
    from: UtcTime,
    /// Until when.
    #[arg(long, value_name = "RFC3339")]
    to: UtcTime,
    /// Whose register.
    #[arg(long, value_name = "BODY")]
    body: Option<BodyId>,
}

/// Keeps the register.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn access(
    home: &Home,
    command: AccessCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    if matches!(command, AccessCommand::Declaration) {
        return Ok(writeln!(out, "{DECLARATION}")?);
    }
    let (mut main, console) = Console::open(home)?;
    let (key, acting) = (home.access_key()?, console.acting());
    let body = |of: Option<BodyId>| of.unwrap_or_else(BodyId::owner);
    match command {
        AccessCommand::Enter(enter) => {
            let of = body(enter.body.clone());
            let number = register::enter(&mut main, &key, &of, &enter.visitor()?, &acting)?;
            match output.json {
                true => json(out, &json!({ "number": number }))?,
                false => writeln!(out, "In, under number {number}.")?,
            }
        }
        AccessCommand::Leave { number, body: of } => {
            register::leave(&mut main, number, &body(of), &acting)?;
            writeln!(out, "Number {number} has left.")?;
        }
        AccessCommand::List(span) => {
            let of = body(span.body);
            let entries = register::show(&mut main, &key, &of, span.from..span.to, &acting)?;
            list(entries, output, out)?;
        }
        AccessCommand::Print { span, out: file } => {
            let of = body(span.body);
            let name = bodies::find(&main, &of)?.map(|body| body.name);
            let name = name.with_context(|| format!("there is no body `{of}`"))?;
            let entries = register::show(&mut main, &key, &of, span.from..span.to, &acting)?;
            let written = sheet::write(&name, span.from..span.to, &entries, acting.now)?;
            files::write_private(&file, &written)?;
            writeln!(out, "{} entries in {}.", entries.len(), file.display())?;
        }
        AccessCommand::Declaration => {}
    }
    Ok(())
}

impl AccessEnter {
    /// Whoever comes in, with the digest of what bears their signature.
    fn visitor(self) -> anyhow::Result<Visitor> {
        let signature = std::fs::read(&self.signature)
            .with_context(|| format!("cannot read `{}`", self.signature.display()))?;
        Ok(Visitor {
            name: self.name,
            kind: match self.kind {
                AccessKind::Subject => VisitorKind::Subject,
                AccessKind::Authority => VisitorKind::Authority,
                AccessKind::Authorised => VisitorKind::Authorised,
            },
            document: self.document,
            authorisation: self.authorisation,
            signed: match self.drawn {
                true => SignedHow::Drawn,
                false => SignedHow::Paper,
            },
            signature_sha256: Digest::of(&signature).to_string(),
        })
    }
}

fn list(entries: Vec<AccessEntry>, output: Output, out: &mut impl Write) -> anyhow::Result<()> {
    let mut shown = table(&[
        "number",
        "in (UTC)",
        "out (UTC)",
        "name",
        "document",
        "authorisation",
        "let in by",
    ]);
    let mut all = Vec::new();
    for entry in entries {
        let left = entry.left_at.map(|at| at.to_string());
        all.push(json!({
            "number": entry.number, "entered_at": entry.entered_at, "left_at": entry.left_at,
            "let_in_by": entry.let_in_by, "visitor": entry.visitor,
        }));
        shown.add_row([
            entry.number.to_string(),
            entry.entered_at.to_string(),
            left.unwrap_or_else(|| "in".to_owned()),
            entry.visitor.name,
            entry.visitor.document,
            entry.visitor.authorisation,
            entry.let_in_by,
        ]);
    }
    match output.json {
        true => json(out, &json!({ "entries": all }))?,
        false => writeln!(out, "{shown}")?,
    }
    Ok(())
}
