//! `varco-hub agreement`: who lets whom see what, for what, and until when.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use varco_proto::ids::GateId;
use varco_proto::keys::OpeningKey;
use varco_proto::time::UtcTime;

use super::console::Console;
use super::output::{Output, json, table};
use crate::agreements::desk::{self, Party, WantedAgreement};
use crate::agreements::{self, Agreement, AgreementId, Member};
use crate::audit::purpose::Purpose;
use crate::bodies::BodyId;
use crate::departures::certificate::SignedDestruction;
use crate::departures::desk::{self as departures, DepartureKeys};
use crate::home::Home;
use crate::hours::keys::HourKeys;
use crate::machine::files;
use crate::municipalities::Municipality;
use crate::people::tokens::{Permission, Permissions};
use crate::store::sql::Connection;

/// `agreement`.
#[derive(Debug, Subcommand)]
pub enum AgreementCommand {
    /// Write an agreement down. It is never widened: who wants more makes another.
    Make(Box<AgreementMake>),
    /// Let a member join; what the others have goes on.
    Join {
        /// Which.
        id: AgreementId,
        #[command(flatten)]
        party: PartyChoice,
    },
    /// Let a member leave: from now on it gives or sees nothing under the agreement.
    Leave {
        /// Which.
        id: AgreementId,
        #[command(flatten)]
        party: PartyChoice,
    },
    /// Let another of the giving municipalities lead.
    Lead {
        /// Which.
        id: AgreementId,
        /// Who leads from now on.
        lead: Municipality,
    },
    /// End an agreement before its end.
    End {
        /// Which.
        id: AgreementId,
    },
    /// Make the certificate of a member that left, or whose agreement has ended: what others still had of what it
    /// shared is destroyed, and what cases keep for proceedings is named (art. 14).
    ///
    /// It is made once; afterwards the same is printed again.
    Certificate {
        /// Of which agreement.
        id: AgreementId,
        #[command(flatten)]
        party: PartyChoice,
        /// Write it into this file [default: to standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Check a certificate, on any machine and without a hub; exit 1 if it does not hold.
    Verify {
        /// The certificate.
        file: PathBuf,
        /// The key of the hub that must have signed it, as `varco-hub audit key` prints it.
        #[arg(long, value_name = "KEY")]
        hub_key: Option<OpeningKey>,
    },
    /// List the agreements.
    List,
}

/// `agreement make`.
#[derive(Debug, Args)]
pub struct AgreementMake {
    /// Its id, for good: 1 to 64 of a-z, 0-9 and '-'.
    pub id: AgreementId,
    /// As people call it.
    #[arg(long)]
    pub title: String,
    /// The law, regulation or deed that allows it.
    #[arg(long, value_name = "TEXT")]
    pub legal_basis: String,
    /// A municipality whose gates' transits may be seen; may be given several times.
    #[arg(long, value_name = "NAME", required = true)]
    pub giver: Vec<Municipality>,
    /// A body that may see them; may be given several times.
    #[arg(long, value_name = "BODY", required = true)]
    pub receiver: Vec<BodyId>,
    /// Which of the givers leads [default: the first]
    #[arg(long, value_name = "NAME")]
    pub lead: Option<Municipality>,
    /// A purpose that it allows; may be given several times.
    #[arg(long, value_name = "PURPOSE", required = true)]
    pub purpose: Vec<Purpose>,
    /// What it lets be done; may be given several times [default: lookups and alerts]
    #[arg(long, value_name = "TASK")]
    pub may: Vec<Permission>,
    /// Only these of the givers' gates; may be given several times [default: all]
    #[arg(long, value_name = "GATE")]
    pub gate: Vec<GateId>,
    /// An officer on duty of the giver's own police lets each body in (art. 8 c. 2 A a3).
    #[arg(long)]
    pub admission: bool,
    /// From when, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    pub from: Option<UtcTime>,
    /// Until when, RFC 3339; two years at most.
    #[arg(long, value_name = "TIME")]
    pub until: UtcTime,
}

/// Who joins or leaves.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct PartyChoice {
    /// A municipality whose transits are seen.
    #[arg(long, value_name = "NAME")]
    pub giver: Option<Municipality>,
    /// A body that sees them.
    #[arg(long, value_name = "BODY")]
    pub receiver: Option<BodyId>,
}

impl PartyChoice {
    fn party(self) -> anyhow::Result<Party> {
        match (self.giver, self.receiver) {
            (Some(giver), None) => Ok(Party::Giver(giver)),
            (None, Some(receiver)) => Ok(Party::Receiver(receiver)),
            _ => anyhow::bail!("say either `--giver` or `--receiver`"),
        }
    }
}

/// Makes, changes, ends or lists agreements.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn agreement(
    home: &Home,
    command: AgreementCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let command = match command {
        AgreementCommand::Verify { file, hub_key } => {
            return verify(&file, hub_key.as_ref(), output, out);
        }
        command => command,
    };
    let (mut main, console) = Console::open(home)?;
    let acting = console.acting();
    let (id, said) = match command {
        AgreementCommand::Verify { .. } => return Ok(()), // Above.
        AgreementCommand::List => return list(&main, acting.now, output, out),
        AgreementCommand::Certificate {
            id,
            party,
            out: file,
        } => {
            let keys = DepartureKeys {
                hours: HourKeys::open(&home.hour_keys(), &home.store_key_file())?,
                cases: home.case_keys()?,
            };
            let text = departures::certify(&mut main, &keys, &id, &party.party()?, &acting)?;
            let Some(file) = file else {
                return Ok(out.write_all(text.as_bytes())?);
            };
            files::write_private(&file, text.as_bytes())?;
            let what = json!({ "agreement": id, "certificate": file });
            return Ok(output.done(out, &what, &format!("written to {}", file.display()))?);
        }
        AgreementCommand::Make(asked) => {
            let wanted = wanted(*asked, acting.now)?;
            let made = desk::make(&mut main, &wanted, &acting)?;
            (made.id, format!("it holds until {}", made.until))
        }
        AgreementCommand::Join { id, party } => {
            desk::join(&mut main, &id, &party.party()?, &acting)?;
            (id, "it is a member from now on".to_owned())
        }
        AgreementCommand::Leave { id, party } => {
            desk::leave(&mut main, &id, &party.party()?, &acting)?;
            (id, "it is a member no more".to_owned())
        }
        AgreementCommand::Lead { id, lead } => {
            let before = desk::let_lead(&mut main, &id, &lead, &acting)?;
            (id, format!("{lead} leads it; before, {before}"))
        }
        AgreementCommand::End { id } => {
            desk::end(&mut main, &id, &acting)?;
            (id, "it has ended: nobody sees anything under it".to_owned())
        }
    };
    let found = agreements::find(&main, &id)?;
    let what = found.map_or_else(|| json!({}), |found| shown(&found, acting.now));
    output.done(out, &what, &format!("{id}: {said}"))?;
    Ok(())
}

/// Checks a certificate with nothing but the hub's key.
fn verify(
    file: &Path,
    key: Option<&OpeningKey>,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let text = files::read_text(file)?;
    let held = SignedDestruction::verified(&text, key)?;
    let certificate = held.certificate;
    let whose = match key {
        Some(_) => "the hub's key is the one that you gave".to_owned(),
        None => format!(
            "the hub's key is taken from the certificate: whose it is is not established ({})",
            certificate.hub_key
        ),
    };
    let what = json!({ "holds": true, "key_is_given": key.is_some(), "certificate": certificate });
    output.done(
        out,
        &what,
        &format!("It holds; {whose}.\n{}", certificate.says),
    )?;
    Ok(())
}

fn wanted(asked: AgreementMake, now: UtcTime) -> anyhow::Result<WantedAgreement> {
    let first = asked.giver.first().cloned();
    let Some(lead) = asked.lead.or(first) else {
        anyhow::bail!("say at least one `--giver`");
    };
    let may = match asked.may.as_slice() {
        [] => Permissions::of(&[Permission::Lookups, Permission::Alerts]),
        some => Permissions::of(some),
    };
    Ok(WantedAgreement {
        id: asked.id,
        title: asked.title,
        legal_basis: asked.legal_basis,
        lead,
        purposes: asked.purpose.into_iter().collect(),
        may,
        admission: asked.admission,
        from: asked.from.unwrap_or(now),
        until: asked.until,
        givers: asked.giver.into_iter().collect(),
        receivers: asked.receiver.into_iter().collect(),
        gates: asked.gate.into_iter().collect(),
    })
}

fn now_of<T: Clone + ToString>(members: &[Member<T>], now: UtcTime) -> Vec<String> {
    let now = members.iter().filter(|member| member.holds_at(now));
    now.map(|member| member.who.to_string()).collect()
}

fn shown(agreement: &Agreement, now: UtcTime) -> serde_json::Value {
    let purposes: Vec<_> = agreement.purposes.iter().map(|p| p.as_str()).collect();
    json!({
        "agreement": agreement.id, "title": agreement.title,
        "legal_basis": agreement.legal_basis, "lead": agreement.lead, "purposes": purposes,
        "may": agreement.may.to_text(), "admission": agreement.admission,
        "from": agreement.from, "until": agreement.until, "ended_at": agreement.ended_at,
        "givers": now_of(&agreement.givers, now), "receivers": now_of(&agreement.receivers, now),
        "gates": agreement.gates, "holds": agreement.holds_at(now),
    })
}

fn list(
    main: &Connection,
    now: UtcTime,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let all = agreements::all(main)?;
    if output.json {
        let rows: Vec<_> = all.iter().map(|agreement| shown(agreement, now)).collect();
        return Ok(json(out, &json!({ "agreements": rows }))?);
    }
    if all.is_empty() {
        writeln!(
            out,
            "No agreements: each municipality's transits are seen by its own offices alone."
        )?;
        return Ok(());
    }
    let mut shown = table(&["id", "whose transits", "who sees them", "for", "state"]);
    for agreement in all {
        let state = match (agreement.ended_at, agreement.holds_at(now)) {
            (Some(at), _) => format!("ended {at}"),
            (None, true) => format!("until {}", agreement.until),
            (None, false) if agreement.from > now => format!("from {}", agreement.from),
            (None, false) => "over".to_owned(),
        };
        let purposes: Vec<_> = agreement.purposes.iter().map(|p| p.as_str()).collect();
        shown.add_row([
            agreement.id.to_string(),
            now_of(&agreement.givers, now).join(", "),
            now_of(&agreement.receivers, now).join(", "),
            purposes.join(", "),
            state,
        ]);
    }
    writeln!(out, "{shown}")?;
    Ok(())
}
