//! `varco-hub check`: what is wrong on this machine, and what to do.

use std::io::Write;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use varco_proto::time::UtcTime;

use super::lookup::own_url;
use super::output::{Output, json, table};
use crate::alerts::webhook;
use crate::audit;
use crate::backup::create::manifest;
use crate::certificates::tls;
use crate::config::Config;
use crate::home::Home;
use crate::home::disk::Room;
use crate::hotlists::active::ActiveLists;
use crate::hours::keys::HourKeys;
use crate::machine::files;
use crate::opening::clock;
use crate::proof::destruction;
use crate::store;
use crate::timekeeping::Clock as _;
use crate::timekeeping::{Keeper as _, SystemKeeper, Vouching};
use crate::upkeep::health::{self, Check, State};
use crate::upkeep::server_certificate;
use crate::web::readiness::Readiness;
use crate::witnessing::settings::WitnessFolder;
use crate::witnessing::standing;

/// Longest wait for the broker or the running hub.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Everything that was looked at.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// Whether nothing is a fault.
    pub sound: bool,
    /// Each check.
    pub checks: Vec<Check>,
}

/// Looks at everything. The home must be there and its configuration without faults.
///
/// # Errors
/// When there is no home, or its configuration has faults.
pub fn check(home: &Home, now: UtcTime) -> anyhow::Result<Checked> {
    let config = home.config()?;
    let mut checks = vec![Check::ok(
        "configuration",
        home.config_file().display().to_string(),
    )];
    checks.push(permissions(home));
    checks.push(keys(home));
    checks.extend(server_certificate::checks(home, now));
    checks.push(health::disk_check(home.root()).0);
    checks.push(clock(home));
    let room = Room::of(home.reserve_file(), home.trial_file());
    checks.push(health::writing_check(&room));
    match databases(home, now) {
        Ok(more) => checks.extend(more),
        Err(error) => checks.push(Check::of(
            "databases",
            State::Fault,
            format!("{error:#}"),
            "check the disk and the owner of the files; restore from the backup if they are damaged",
        )),
    }
    checks.push(backup(&config, now));
    checks.extend(witnessing(&config));
    checks.push(broker(home, &config));
    checks.push(running(home));
    let sound = checks.iter().all(|check| check.state < State::Fault);
    Ok(Checked { sound, checks })
}

/// Prints it.
///
/// # Errors
/// When nobody reads the output.
pub fn print(output: Output, out: &mut impl Write, checked: &Checked) -> std::io::Result<()> {
    if output.json {
        return json(out, checked);
    }
    let mut table = table(&["", "check", "found", "what to do"]);
    for check in &checked.checks {
        let state = match check.state {
            State::Ok => "ok",
            State::Warning => "look",
            State::Fault => "FAULT",
        };
        table.add_row([state, &check.name, &check.found, &check.what_to_do]);
    }
    writeln!(out, "{table}")?;
    let said = if checked.sound {
        "The hub is sound."
    } else {
        "The hub is not sound: see FAULT."
    };
    writeln!(out, "{said}")
}

/// Secrets that others may read are none.
fn permissions(home: &Home) -> Check {
    let private = home.root().join("private");
    let mut open = Vec::new();
    let mut look = |path: &Path| {
        if std::fs::metadata(path).is_ok_and(|found| found.mode() & 0o077 != 0) {
            open.push(path.display().to_string());
        }
    };
    look(home.root());
    look(&private);
    look(&home.token_file());
    for file in std::fs::read_dir(&private).into_iter().flatten().flatten() {
        look(&file.path());
    }
    if open.is_empty() {
        return Check::ok("permissions", "only the hub's own user reads its secrets");
    }
    let what = "chmod go= them; if others were on this machine, take the secrets for known";
    Check::of(
        "permissions",
        State::Fault,
        format!("others may read {}", open.join(", ")),
        what,
    )
}

fn keys(home: &Home) -> Check {
    let opened = || -> anyhow::Result<usize> {
        home.sealing_key()?;
        home.authority()?;
        // Beside a hub of an older version nothing is brought forward.
        drop(home.open_main()?);
        let keys = HourKeys::open(&home.hour_keys(), &home.store_key_file())?;
        let hours = keys.hours()?;
        for hour in &hours {
            keys.get(*hour)?;
        }
        Ok(hours.len())
    };
    match opened() {
        Ok(hours) => Check::ok("keys", format!("they open; {hours} hours have one")),
        Err(error) => Check::of(
            "keys",
            State::Fault,
            format!("{error:#}"),
            "put private/ and keys.sqlite back as they were; without them stored transits are lost",
        ),
    }
}

/// Terms and captures are reckoned by the clock.
fn clock(home: &Home) -> Check {
    let clock = match clock::of(home) {
        Ok(clock) => clock,
        Err(error) => {
            let what = "see the databases below";
            return Check::of("clock", State::Fault, error.to_string(), what);
        }
    };
    let check = health::clock_check(&clock.reading());
    if check.state == State::Fault {
        return check;
    }
    let what = "install chrony or switch systemd-timesyncd on";
    match SystemKeeper.ask() {
        Vouching::Yes => Check::ok("clock", "synchronised"),
        Vouching::No => Check::of("clock", State::Fault, "not synchronised", what),
        Vouching::Nobody => Check::of(
            "clock",
            State::Warning,
            "nobody can tell whether it is kept; it goes on as it was when it was last vouched for",
            what,
        ),
    }
}

fn databases(home: &Home, now: UtcTime) -> anyhow::Result<Vec<Check>> {
    let main = home.open_main()?;
    let fault = store::page_fault(&main)?;
    anyhow::ensure!(
        fault.is_none(),
        "main.sqlite: {}",
        fault.unwrap_or_default()
    );
    let key = home.sealing_key()?;
    let (lines, mut broken) = audit::check::verify(&main, &key.opening_key())?;
    broken.extend(audit::check::verify_tree(&main, &key)?);
    let audit = if broken.is_empty() {
        Check::ok("audit", format!("{lines} lines, whole"))
    } else {
        let what = "somebody changed it: keep a copy, and see `varco-hub audit verify`";
        Check::of(
            "audit",
            State::Fault,
            format!("{} of {lines} lines broken", broken.len()),
            what,
        )
    };
    let proof = destruction::proof(home, now)?;
    let overdue: Vec<_> = proof
        .overdue
        .iter()
        .filter_map(|hour| hour.parse().ok())
        .collect();
    let lists = ActiveLists::load(&main, home.list_keys()?.into())?.current();
    Ok(vec![
        audit,
        health::retention_check(&overdue),
        health::hotlists_check(&lists.damaged, lists.matcher.waited_for(now)),
        health::edges_check(&health::count_edges(&main, now)?),
        health::webhooks_check(&webhook::count(&main)?),
        health::witnesses_check(&standing::all(&main)?, now),
    ])
}

/// The logs of others that this hub witnesses.
fn witnessing(config: &Config) -> Option<Check> {
    let folder = WitnessFolder::at(config.witness.as_deref()?);
    let forks = || Ok::<_, anyhow::Error>(folder.open(&folder.config()?)?.evidence()?.len());
    let what = "a log that it witnesses was cut or changed: `varco-hub witness show --json` has the requests";
    Some(match forks() {
        Ok(0) => Check::ok("witness", "no log that it witnesses showed a fork"),
        Ok(forks) => Check::of(
            "witness",
            State::Fault,
            format!("{forks} requests showed a fork"),
            what,
        ),
        Err(error) => Check::of(
            "witness",
            State::Fault,
            format!("{error:#}"),
            "make one with `varco-hub witness init`, or take [witness] out of hub.toml",
        ),
    })
}

/// A backup that nobody brings up to date is none.
fn backup(config: &Config, now: UtcTime) -> Check {
    let Some(backup) = &config.backup else {
        let what = "write [backup] into hub.toml, or run `varco-hub backup create` regularly";
        return Check::of("backup", State::Warning, "the hub makes none", what);
    };
    let made: Option<UtcTime> = manifest(&backup.place).made_at.parse().ok();
    let what = "see the hub's log; then `varco-hub backup try`";
    match made {
        None => Check::of("backup", State::Fault, "there is none yet", what),
        Some(at) if now.since(at) > backup.every * 3 => {
            Check::of("backup", State::Fault, format!("the last is of {at}"), what)
        }
        Some(at) => Check::ok("backup", format!("made {at}")),
    }
}

/// Shakes hands with the broker, with the hub's own certificate.
fn broker(home: &Home, config: &Config) -> Check {
    let shaken = || -> anyhow::Result<()> {
        let settings = tls::client_with_certificate(
            &files::read_text(&home.authority_certificate())?,
            &files::read_text(&home.client_certificate())?,
            &files::read_text(&home.client_key())?,
        )?;
        let address = (config.broker_host.as_str(), config.broker_port)
            .to_socket_addrs()?
            .next();
        let address = address.ok_or_else(|| anyhow::anyhow!("the host has no address"))?;
        let mut socket = TcpStream::connect_timeout(&address, ANSWER_MAX)?;
        socket.set_read_timeout(Some(ANSWER_MAX))?;
        tls::shake_hands(Arc::new(settings), &config.broker_host, &mut socket)
    };
    let name = format!("{}:{}", config.broker_host, config.broker_port);
    match shaken() {
        Ok(()) => Check::ok("broker", format!("{name} answers")),
        Err(error) => Check::of(
            "broker",
            State::Fault,
            format!("{name}: {error:#}"),
            "start it with the configuration that `init` wrote: mosquitto -c HOME/mosquitto/mosquitto.conf",
        ),
    }
}

/// Asks the running hub.
fn running(home: &Home) -> Check {
    let asked = || -> anyhow::Result<Readiness> {
        let url = format!("{}/readyz", own_url(home)?);
        let authority = files::read_text(&home.authority_certificate())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let client = reqwest::Client::builder()
                .tls_backend_preconfigured(tls::client(&authority)?)
                .timeout(ANSWER_MAX)
                .build()?;
            Ok(client.get(url).send().await?.json().await?)
        })
    };
    match asked() {
        Ok(Readiness { ready: true, .. }) => Check::ok("hub", "runs and is ready"),
        Ok(readiness) => {
            let faults = readiness.checks.iter().filter(|c| c.state == State::Fault);
            let names: Vec<_> = faults.map(|check| check.name.as_str()).collect();
            let found = format!("runs and is not ready: {}", names.join(", "));
            Check::of("hub", State::Fault, found, "see its log")
        }
        Err(_) => Check::of(
            "hub",
            State::Fault,
            "does not answer",
            "start it: systemctl start varco-hub, or varco-hub --home HOME run",
        ),
    }
}
