//! The command `varco-hub`: it reads arguments, calls rooms and prints; no rule stands here.

mod access;
mod agreements;
mod approvals;
pub mod arguments;
pub mod audit;
pub mod backup;
mod beginning;
pub mod boxes;
pub mod certificates;
pub mod check;
pub mod clock;
mod console;
pub mod evidence;
pub mod gates;
pub mod lookup;
mod measuring;
mod municipalities;
mod office;
pub mod output;
mod output_edges;
mod output_watching;
mod persons;
pub mod plates;
mod purposes;
mod reading;
pub mod run;
pub mod signing;
mod tokens;
pub mod watching;
pub mod witness;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser as _;

use crate::backup::BackupError;
use crate::boxes::edges;
use crate::config::postgres_address::Address;
use crate::enrolment::adding::{self, AddEdgeError, NewEdge};
use crate::enrolment::bundle::BundleSettings;
use crate::enrolment::desk::{self, EdgeDeskError};
use crate::enrolment::{self, EnrolmentError, Invitee};
use crate::home::lock::{EXIT_HELD, Lock, LockError};
use crate::home::{Home, HomeError};
use crate::opening::floor;
use crate::opening::init::{self, InitError, InitSettings};
use crate::opening::moving::{self, MoveError};
use crate::people::tokens::FIRST_VALID;
use crate::proof::destruction;
use crate::proof::verification::VerifyError;
use crate::running::HubError;
use crate::timekeeping::{Clock as _, SystemClock};
use crate::web;
use crate::witnessing::settings::WitnessError;
use agreements::AgreementCommand;
use arguments::{Arguments, Command, EdgeAdd, EdgeCommand, Init, RetentionCommand, StoreCommand};
use certificates::CertificateCommand;
use clock::{ClockCommand, time_of};
use output::Output;

/// Exit code of a configuration with faults (`EX_CONFIG`): systemd stops restarting on it.
const EXIT_CONFIG: u8 = 78;

/// Where a home lies when nothing is said.
pub const DEFAULT_HOME: &str = "/var/lib/varco-hub";

/// Takes the command line, does what it says, and gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = std::io::stdout();
    let done = execute(arguments, &mut out).and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    match done {
        Ok(code) => code,
        // `varco-hub … | head` has what it wanted.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed; there is nobody else to tell.
            let _ = writeln!(std::io::stderr(), "varco-hub: {error:#}");
            exit_code(&error)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = error
        .downcast_ref::<std::io::Error>()
        .map(std::io::Error::kind);
    kind == Some(std::io::ErrorKind::BrokenPipe)
}

/// The fault of the home that made an error, whichever command met it.
fn fault_of_home(error: &anyhow::Error) -> Option<&HomeError> {
    error.chain().find_map(|cause| {
        let direct = cause.downcast_ref::<HomeError>();
        direct
            .or_else(|| match cause.downcast_ref::<InitError>()? {
                InitError::Home(fault) => Some(fault),
                _ => None,
            })
            .or_else(|| match cause.downcast_ref::<AddEdgeError>()? {
                AddEdgeError::Home(fault) => Some(fault),
                _ => None,
            })
            .or_else(|| match cause.downcast_ref::<EdgeDeskError>()? {
                EdgeDeskError::Home(fault) => Some(fault),
                _ => None,
            })
            .or_else(|| match cause.downcast_ref::<HubError>()? {
                HubError::Home(fault) => Some(fault),
                _ => None,
            })
            .or_else(|| match cause.downcast_ref::<VerifyError>()? {
                VerifyError::Home(fault) => Some(fault),
                VerifyError::Store(_) => None,
            })
            .or_else(|| match cause.downcast_ref::<MoveError>()? {
                MoveError::Home(fault) => Some(fault),
                _ => None,
            })
            .or_else(|| match cause.downcast_ref::<BackupError>()? {
                BackupError::Home(fault) | BackupError::Verify(VerifyError::Home(fault)) => {
                    Some(fault)
                }
                _ => None,
            })
            .or_else(|| match cause.downcast_ref::<EnrolmentError>()? {
                EnrolmentError::Home(fault) => Some(fault),
                _ => None,
            })
    })
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    let is_config = |cause: &(dyn std::error::Error + 'static)| {
        let of_witness = cause.downcast_ref::<WitnessError>();
        matches!(of_witness, Some(WitnessError::Config { .. }))
    };
    if error.chain().any(is_config) {
        return ExitCode::from(EXIT_CONFIG);
    }
    match fault_of_home(error) {
        Some(HomeError::Config { .. } | HomeError::Whereabouts(_)) => ExitCode::from(EXIT_CONFIG),
        Some(HomeError::Lock(LockError::Held { .. })) => ExitCode::from(EXIT_HELD),
        _ => ExitCode::FAILURE,
    }
}

/// The lock of a home for a command that changes something there through the main database. Those
/// that need more take it themselves, before they open anything.
fn lock(home: &Home, command: &Command) -> Result<Option<Lock>, HomeError> {
    let changes = match command {
        Command::Certificate { command } => !matches!(command, CertificateCommand::Show),
        Command::Clock { command } => !matches!(command, ClockCommand::Show),
        Command::Agreement { command } => !matches!(command, AgreementCommand::Verify { .. }),
        // A list leaves its line there too.
        Command::Edge { .. }
        | Command::Gate { .. }
        | Command::Municipality { .. }
        | Command::Purpose { .. }
        | Command::Body { .. }
        | Command::Person { .. }
        | Command::Office { .. }
        | Command::Approval { .. }
        | Command::Hotlist { .. }
        | Command::Webhook { .. }
        | Command::Begin(_)
        | Command::Account { .. }
        | Command::Post { .. }
        | Command::Session { .. }
        | Command::Access { .. }
        | Command::Token { .. } => true,
        Command::Init(_)
        | Command::Openapi
        | Command::Run { .. }
        | Command::Backup { .. }
        | Command::Store { .. }
        | Command::Check
        | Command::Lookup(_)
        | Command::Bench(_)
        | Command::Retention { .. }
        | Command::Evidence { .. }
        | Command::Audit { .. }
        | Command::Witness { .. } => false,
    };
    if !changes {
        return Ok(None);
    }
    home.expect()?;
    Ok(Some(Lock::beside_others(home)?))
}

/// Does what somebody typed, and prints it. Gives the exit code.
///
/// # Errors
/// What is wrong, and what to do.
pub fn execute(arguments: Arguments, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let home = Home::at(std::path::absolute(&arguments.home)?);
    let output = Output {
        json: arguments.json,
    };
    let lock = lock(&home, &arguments.command)?;
    reading::note(&home, &arguments.command)?;
    let done = act(&home, arguments.command, output, out);
    let code = done?;
    if lock.is_some() {
        // What it ended is noted outside the main database too; the hub would do it later.
        floor::keep(&home, &home.open_main()?)?;
    }
    Ok(code)
}

fn act(
    home: &Home,
    command: Command,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Init(init) => do_init(home, init, output, out)?,
        Command::Openapi => out.write_all(web::description::text().as_bytes())?,
        Command::Run { hub } => run::run(home, hub)?,
        Command::Edge { command } => do_edge(home, command, output, out)?,
        Command::Token { command } => tokens::token(home, command, output, out)?,
        Command::Begin(asked) => beginning::begin(home, asked, output, out)?,
        Command::Account { command } => signing::account(home, command, output, out)?,
        Command::Post { command } => signing::post(home, command, output, out)?,
        Command::Session { command } => signing::session(home, command, output, out)?,
        Command::Backup { command } => return backup::backup(home, command, output, out),
        Command::Check => {
            let checked = check::check(home, time_of(home)?.kept())?;
            check::print(output, out, &checked)?;
            if !checked.sound {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Certificate { command } => {
            certificates::certificate(home, command, output, out)?;
        }
        Command::Clock { command } => clock::clock(home, command, output, out)?,
        Command::Gate { command } => gates::gate(home, command, output, out)?,
        Command::Municipality { command } => {
            municipalities::municipality(home, command, output, out)?;
        }
        Command::Purpose { command } => purposes::purpose(home, command, output, out)?,
        Command::Body { command } => persons::body(home, command, output, out)?,
        Command::Person { command } => persons::person(home, command, output, out)?,
        Command::Office { command } => office::office(home, command, output, out)?,
        Command::Agreement { command } => agreements::agreement(home, command, output, out)?,
        Command::Approval { command } => approvals::approval(home, command, output, out)?,
        Command::Hotlist { command } => watching::hotlist(home, command, output, out)?,
        Command::Webhook { command } => watching::webhook(home, command, output, out)?,
        Command::Lookup(lookup) => {
            let answer = lookup::look_up(home, *lookup)?;
            output.lookup(out, &answer)?;
        }
        Command::Bench(what) => measuring::bench(what, output, out)?,
        Command::Store {
            command:
                StoreCommand::Move {
                    to,
                    password_file,
                    finish,
                },
        } => {
            let address = Address::parse(&to, password_file)?;
            let moved = moving::run(home, address, finish, SystemClock.now())?;
            output.moved(out, &moved)?;
        }
        Command::Retention {
            command: RetentionCommand::Proof,
        } => return do_proof(home, output, out),
        Command::Evidence { command } => return evidence::evidence(command, output, out),
        Command::Access { command } => access::access(home, command, output, out)?,
        Command::Audit { command } => return audit::audit(home, command, output, out),
        Command::Witness { command } => witness::witness(command, output, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn do_proof(home: &Home, output: Output, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let proof = destruction::proof(home, time_of(home)?)?;
    output.proof(out, &proof)?;
    Ok(if proof.holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn do_edge(
    home: &Home,
    command: EdgeCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    match command {
        EdgeCommand::Add(add) => do_edge_add(home, *add, output, out)?,
        EdgeCommand::Invite(invite) => {
            let invitee = Invitee {
                edge: invite.id,
                gate: invite.gate,
                place: invite.at.place()?,
                broker_host: invite.broker_host,
                broker_port: invite.broker_port,
                valid: invite.valid,
            };
            let invited = enrolment::invite(home, invitee, time_of(home)?.kept())?;
            output.edge_invited(out, &invited)?;
        }
        EdgeCommand::List => do_edge_list(home, output, out)?,
        EdgeCommand::Show(show) => boxes::show(home, &show, output, out)?,
        EdgeCommand::Allow(allow) => boxes::allow(home, allow, output, out)?,
        EdgeCommand::Release {
            id,
            purpose,
            fork: true,
        } => {
            let sequence = desk::release_fork(home, &id, &purpose, time_of(home)?.kept())?;
            output.fork_released(out, &id, sequence)?;
        }
        EdgeCommand::Release { id, purpose, .. } => {
            let now = time_of(home)?.kept();
            let release = desk::release_edge(home, &id, &purpose, now)?;
            output.edge_released(out, &release)?;
        }
        EdgeCommand::Revoke { id } => {
            let at = desk::revoke_edge(home, &id, time_of(home)?.kept())?;
            output.edge_revoked(out, &id, at)?;
        }
    }
    Ok(())
}

fn do_init(home: &Home, init: Init, output: Output, out: &mut impl Write) -> anyhow::Result<()> {
    let settings = InitSettings {
        hosts: init.host,
        bind: init.bind,
        broker_port: init.broker_port,
        http_port: init.http_port,
        first_token_valid: FIRST_VALID,
    };
    let report = init::init(home, &settings, SystemClock.now())?;
    output.init(out, &report)?;
    Ok(())
}

fn do_edge_add(
    home: &Home,
    add: EdgeAdd,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let settings = BundleSettings {
        out: std::path::absolute(add.out)?,
        broker_host: add.broker_host,
        broker_port: add.broker_port,
        camera_url: add.camera_url,
        camera_user: add.camera_user,
        state_folder: add.state_folder,
        models_folder: add.models_folder,
        onnxruntime_file: add.onnxruntime_file,
    };
    let new = NewEdge {
        id: &add.id,
        gate: &add.gate,
        place: add.at.place()?,
    };
    let report = adding::add_edge(home, new, &settings, time_of(home)?.kept())?;
    output.edge_added(out, &report)?;
    Ok(())
}

fn do_edge_list(home: &Home, output: Output, out: &mut impl Write) -> anyhow::Result<()> {
    home.expect()?;
    let main = home.open_main()?;
    let server = home.open_server(&home.config()?)?;
    let edges = web::edges::views(&main, server.as_deref())?;
    output.edges(out, &edges)?;
    // The list says what the database has; the keys are checked so that a damaged row shows here.
    edges::opening_keys(&main)?;
    Ok(())
}
