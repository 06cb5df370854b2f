//! `varco-edge check`: what is wrong on this box, and what to do about it.

mod camera;
mod readers;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;

use self::camera::{Looking, Picture, Watched};
use super::parts;
use crate::adapters::capture::decoders::offers;
use crate::adapters::capture::logins::{CameraLogins, Trying};
use crate::adapters::clock::SystemClock;
use crate::adapters::disk;
use crate::adapters::identity::Life;
use crate::adapters::onnx::Runtime;
use crate::adapters::timesync::{SystemTimeSync, TimeState, TimeSync as _};
use crate::adapters::uplink::{UplinkSettings, probe};
use crate::adapters::vault::{BoxKeySource, CREDENTIAL};
use crate::config::{ClockRule, Config, Decoding};
use crate::core::vision::Vision;

/// Longest time that a camera may be watched, in seconds.
const WATCH_SECONDS_MAX: u64 = 3600;
/// A spool begins with at least this much free space on its disk.
const FREE_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// Check configuration, keys, models, spool, cameras and broker, and say what to do.
///
/// One line each. It changes nothing and may run beside the daemon; each camera is watched over a
/// connection of its own (a login that it refuses is tried once, and noted), its clock compared with
/// this box's, and its picture judged: light, focus, frame rate, and how wide and how
/// straight plates appear when a vehicle passes meanwhile. No plate's text is told. A picture that
/// cannot work fails; what could be better is said. Exit code 0: all is well; 78: the
/// configuration has faults; 1: anything else.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The daemon's configuration in TOML
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// How long each camera is watched: 60 let a vehicle pass
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=WATCH_SECONDS_MAX))]
    pub watch: u64,
    /// Print one JSON object: `ok`, and `checks` with `name`, `ok`, `says`, and for a camera's
    /// picture its numbers in `picture`
    #[arg(long)]
    pub json: bool,
}

/// One line of the answer.
#[derive(Debug, Serialize)]
struct Check {
    name: String,
    ok: bool,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<Picture>,
}

/// What was checked, printed line by line as it comes.
#[derive(Debug)]
struct Checks {
    lines: Vec<Check>,
    is_json: bool,
}

impl Checks {
    fn report(&mut self, name: &str, result: anyhow::Result<String>) -> anyhow::Result<()> {
        let ok = result.is_ok();
        let says = result.unwrap_or_else(|error| format!("{error:#}"));
        self.add(Check {
            name: name.to_owned(),
            ok,
            says,
            picture: None,
        })
    }

    fn add(&mut self, check: Check) -> anyhow::Result<()> {
        if !self.is_json {
            let mark = if check.ok { "ok  " } else { "FAIL" };
            let (name, says) = (&check.name, &check.says);
            writeln!(std::io::stdout(), "{mark}  {name:<20}  {says}")?;
        }
        self.lines.push(check);
        Ok(())
    }
}

/// Goes through everything, even after a failure.
///
/// # Errors
/// When something is wrong, after all of it was printed.
pub fn run(args: &CheckArgs) -> anyhow::Result<()> {
    let mut checks = Checks {
        lines: Vec::new(),
        is_json: args.json,
    };
    let loaded = Config::load(&args.config);
    match &loaded {
        Err(faults) => checks.report("configuration", Err(faults.clone().into()))?,
        Ok(config) => all(config, Duration::from_secs(args.watch), &mut checks)?,
    }
    let checks = checks.lines;
    let failed = checks.iter().filter(|check| !check.ok).count();
    if args.json {
        let answer = serde_json::json!({ "ok": failed == 0, "checks": checks });
        writeln!(std::io::stdout(), "{answer:#}")?;
    }
    if let Err(faults) = loaded {
        return Err(faults).context("nothing else was checked");
    }
    if failed > 0 {
        bail!("{failed} of {} checks failed", checks.len());
    }
    Ok(())
}

fn all(config: &Config, span: Duration, checks: &mut Checks) -> anyhow::Result<()> {
    let says = format!(
        "edge {}, {} camera(s), {} reader(s)",
        config.edge,
        config.cameras.len(),
        config.readers.len()
    );
    checks.report("configuration", Ok(says))?;
    checks.report("box key", box_key(config))?;
    checks.report("keys", keys(config))?;
    checks.report("certificate", certificate(config))?;
    let mut vision = None;
    if !config.cameras.is_empty() {
        let loaded = models(config);
        let says = loaded.map(|loaded| {
            let says = format!("manifest {}, both nets load", loaded.model_digest());
            vision = Some(loaded);
            says
        });
        checks.report("models", says)?;
    }
    checks.report("spool", spool(config))?;
    checks.report("clock", time(config))?;
    if !config.cameras.is_empty() {
        checks.report("decoders", decoders(config))?;
    }
    if !config.readers.is_empty() {
        checks.report("readers", readers::doors(config))?;
        for reader in &config.readers {
            let name = format!("reader {}", reader.placing.camera);
            checks.report(&name, readers::clock(&config.state_folder, reader))?;
        }
    }
    let clock = SystemClock::shared();
    let folder = Some(config.state_folder.as_path());
    let logins = CameraLogins::open(folder, Trying::Person, Arc::clone(&clock));
    let looking = Looking {
        span,
        logins: &logins,
        clock: &clock,
    };
    for one in &config.cameras {
        let name = format!("camera {}", one.id);
        match camera::watch(one, vision.as_mut(), &looking) {
            Err(error) => checks.report(&name, Err(error))?,
            Ok(watched) => {
                let Watched {
                    says,
                    clock,
                    picture,
                } = watched;
                checks.report(&name, Ok(says))?;
                checks.report(&format!("clock of {}", one.id), Ok(clock))?;
                checks.add(Check {
                    name: format!("picture {}", one.id),
                    ok: picture.works(),
                    says: picture.says(),
                    picture: Some(picture),
                })?;
            }
        }
    }
    checks.report("broker", broker(config))
}

/// Which key encrypts this box's disk, and against what it helps.
fn box_key(config: &Config) -> anyhow::Result<String> {
    let file = &config.box_key_file;
    let Some((_, source)) = parts::box_key(file)? else {
        let path = file.display();
        return Ok(format!("none yet; `run` makes it in `{path}`"));
    };
    let path = match source {
        BoxKeySource::Credential(path) => {
            let path = path.display();
            return Ok(format!(
                "systemd's credential `{path}`; encrypted with `systemd-creds encrypt \
                 --with-key=tpm2` it opens on this box alone"
            ));
        }
        BoxKeySource::File(path) => path,
    };
    let shown = path.display();
    let same = disk::same_medium(&path, &config.state_folder)?;
    let verdict = if same {
        "it lies on the medium of the spool, so a disk that is taken out tells what it holds"
    } else {
        "it lies on another medium than the spool, which a disk taken out alone does not tell"
    };
    Ok(format!(
        "only the file `{shown}`; {verdict}. Better: make it a systemd credential `{CREDENTIAL}` \
         bound to the TPM, and remove the file"
    ))
}

fn keys(config: &Config) -> anyhow::Result<String> {
    let (keys, clear) = parts::keys_unchanged(config)?;
    let public = keys.sealing.opening_key();
    if clear.is_empty() {
        return Ok(format!("encrypted; public key {public}"));
    }
    let clear = clear.join(" and ");
    Ok(format!(
        "public key {public}; {clear} lie in the clear until the next `run` encrypts them"
    ))
}

/// How long the certificate holds, and whether anything renews it.
fn certificate(config: &Config) -> anyhow::Result<String> {
    let path = &config.hub.certificate_file;
    let name = || format!("`hub.certificate_file`: `{}`", path.display());
    let life = Life::of(&std::fs::read(path).with_context(name)?).with_context(name)?;
    let now = SystemClock::shared().now();
    let renewed = if config.hub.url.is_some() {
        "`run` renews it before"
    } else {
        "nothing renews it: write `hub.url`"
    };
    if now >= life.ends {
        bail!(
            "it ended at {}; {renewed}, or enrol the box anew",
            life.ends
        );
    }
    Ok(format!("holds until {}; {renewed}", life.ends))
}

fn models(config: &Config) -> anyhow::Result<Vision> {
    let runtime = Runtime::load(config.models.onnxruntime_file.as_deref())?;
    Ok(runtime.vision(&config.models.folder, 1)?)
}

fn spool(config: &Config) -> anyhow::Result<String> {
    let folder = &config.state_folder;
    let free = disk::probe(folder)?;
    let mib = free / (1024 * 1024);
    if free < FREE_BYTES_MIN {
        let needed = FREE_BYTES_MIN / (1024 * 1024);
        bail!(
            "only {mib} MiB are free under `{}`, at least {needed} are needed; free some space \
             there",
            folder.display()
        );
    }
    Ok(format!(
        "`{}` is writable, {mib} MiB free",
        folder.display()
    ))
}

fn time(config: &Config) -> anyhow::Result<String> {
    let why = match SystemTimeSync.ask() {
        TimeState::Synchronised(error) => {
            return Ok(format!("kept, off by at most {} ms", error.as_millis()));
        }
        TimeState::Unsynchronised => "it is not synchronised",
        TimeState::Unknown => "neither chronyc nor timedatectl says who keeps it",
    };
    if config.clock == ClockRule::Any {
        return Ok(format!("{why}, and `clock.rule` says that any will do"));
    }
    bail!(
        "{why}, and no camera is watched until it is; start chrony or systemd-timesyncd and let \
         it reach a time server"
    )
}

/// Which decoder each codec gets on this box, and which others are there.
fn decoders(config: &Config) -> anyhow::Result<String> {
    let decoding = if config.cameras.iter().any(|c| c.decoding == Decoding::Auto) {
        Decoding::Auto
    } else {
        Decoding::Software
    };
    let mut says = Vec::new();
    for offer in offers(decoding)? {
        let Some(used) = offer.used else {
            says.push(format!(
                "{}: none, cameras that send it stay dark",
                offer.codec
            ));
            continue;
        };
        let others = offer.present.iter().filter(|(name, _)| *name != used);
        let others: Vec<_> = others.map(|(name, by)| format!("{name} ({by})")).collect();
        let by = offer.present.iter().find(|(name, _)| *name == used);
        let by = by.map_or("", |(_, by)| *by);
        let also = if others.is_empty() {
            String::new()
        } else {
            format!(", also there: {}", others.join(", "))
        };
        says.push(format!("{}: {used} ({by}){also}", offer.codec));
    }
    Ok(says.join("; "))
}

fn broker(config: &Config) -> anyhow::Result<String> {
    let (keys, _) = parts::keys_unchanged(config)?;
    let settings = UplinkSettings::new(&config.edge, &config.hub, &keys.tls_pem)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let place = format!("{}:{}", config.hub.broker_host, config.hub.broker_port);
    match runtime.block_on(probe(&settings)) {
        Ok(()) => Ok(format!("{place} takes this edge's certificate")),
        Err(words) => bail!("{place}: {words}"),
    }
}
