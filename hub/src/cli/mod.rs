//! The command `varco-hub`.

pub mod arguments;
pub mod backup;
pub mod boxes;
pub mod certificates;
pub mod check;
pub mod clock;
pub mod gates;
pub mod lookup;
mod measuring;
mod municipalities;
pub mod output;
mod output_watching;
pub mod plates;
pub mod run;
pub mod watching;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser as _;

use crate::clock::{Clock as _, SystemClock};
use crate::edge_bundle::BundleSettings;
use crate::enrolment::{self, Invitee};
use crate::home::{Home, HomeError};
use crate::moving;
use crate::people::tokens::Permissions;
use crate::places::edges;
use crate::postgres::Address;
use crate::setup::{self, InitSettings, SetupError};
use crate::{proof, verify, web};
use arguments::{
    Arguments, AuditCommand, Command, EdgeAdd, EdgeCommand, Init, RetentionCommand, StoreCommand,
    TokenCommand,
};
use clock::time_of;
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
    let done = dispatch(arguments, &mut out).and_then(|code| {
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
            if is_configuration_fault(&error) {
                ExitCode::from(EXIT_CONFIG)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = error
        .downcast_ref::<std::io::Error>()
        .map(std::io::Error::kind);
    kind == Some(std::io::ErrorKind::BrokenPipe)
}

fn is_configuration_fault(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(
            cause.downcast_ref::<HomeError>(),
            Some(HomeError::Config { .. })
        ) || matches!(
            cause.downcast_ref::<SetupError>(),
            Some(SetupError::Home(HomeError::Config { .. }))
        ) || matches!(
            cause.downcast_ref::<crate::hub::HubError>(),
            Some(crate::hub::HubError::Home(HomeError::Config { .. }))
        ) || matches!(
            cause.downcast_ref::<verify::VerifyError>(),
            Some(verify::VerifyError::Home(HomeError::Config { .. }))
        )
    })
}

fn dispatch(arguments: Arguments, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let home = Home::at(std::path::absolute(&arguments.home)?);
    let output = Output {
        json: arguments.json,
    };
    match arguments.command {
        Command::Init(init) => do_init(&home, init, output, out)?,
        Command::Run { hub } => run::run(&home, hub)?,
        Command::Edge { command } => do_edge(&home, command, output, out)?,
        Command::Token { command } => do_token(&home, command, output, out)?,
        Command::Backup { command } => return backup::backup(&home, command, output, out),
        Command::Check => {
            let checked = check::check(&home, time_of(&home)?.kept())?;
            check::print(output, out, &checked)?;
            if !checked.sound {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Certificate { command } => {
            certificates::certificate(&home, command, output, out)?;
        }
        Command::Clock { command } => clock::clock(&home, command, output, out)?,
        Command::Gate { command } => gates::gate(&home, command, output, out)?,
        Command::Municipality { command } => {
            municipalities::municipality(&home, command, output, out)?;
        }
        Command::Hotlist { command } => watching::hotlist(&home, command, output, out)?,
        Command::Webhook { command } => watching::webhook(&home, command, output, out)?,
        Command::Lookup(lookup) => {
            let answer = lookup::look_up(&home, *lookup)?;
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
            let moved = moving::run(&home, address, finish)?;
            output.moved(out, &moved)?;
        }
        Command::Retention {
            command: RetentionCommand::Proof,
        } => return do_proof(&home, output, out),
        Command::Audit {
            command: AuditCommand::Verify,
        } => {
            let verification = verify::verify(&home, time_of(&home)?.kept())?;
            output.verification(out, &verification)?;
            if !verification.intact {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn do_token(
    home: &Home,
    TokenCommand::Add { actor, may }: TokenCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let may = if may.is_empty() {
        Permissions::usual()
    } else {
        Permissions::of(&may)
    };
    let token = setup::add_token(home, &actor, &may, time_of(home)?.kept())?;
    output.token(out, &actor, &token)?;
    Ok(())
}

fn do_proof(home: &Home, output: Output, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let proof = proof::proof(home, time_of(home)?)?;
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
            let sequence = setup::release_fork(home, &id, &purpose, time_of(home)?.kept())?;
            output.fork_released(out, &id, sequence)?;
        }
        EdgeCommand::Release { id, purpose, .. } => {
            let now = time_of(home)?.kept();
            let release = setup::release_edge(home, &id, &purpose, now)?;
            output.edge_released(out, &release)?;
        }
        EdgeCommand::Revoke { id } => {
            let at = setup::revoke_edge(home, &id, time_of(home)?.kept())?;
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
    };
    let report = setup::init(home, &settings, SystemClock.now())?;
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
    let gate = (&add.gate, add.at.place()?);
    let report = setup::add_edge(home, &add.id, gate, &settings, time_of(home)?.kept())?;
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
