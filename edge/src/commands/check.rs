//! `varco-edge check`: what is wrong on this box, and what to do about it.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;

use super::parts;
use super::run::doors::Doors;
use crate::adapters::capture::{self, CameraCapture, CameraEvent};
use crate::adapters::clock::{SharedClock, SystemClock};
use crate::adapters::disk;
use crate::adapters::identity::Life;
use crate::adapters::onnx::Runtime;
use crate::adapters::timesync::{SystemTimeSync, TimeState, TimeSync as _};
use crate::adapters::uplink::{UplinkSettings, probe};
use crate::adapters::vault::{BoxKeySource, CREDENTIAL};
use crate::config::{Camera, ClockRule, Config, Decoding};

/// Longest wait for a camera's first frame.
const CAMERA_WAIT: Duration = Duration::from_secs(10);
/// How long a camera's frames are counted.
const CAMERA_COUNT: Duration = Duration::from_secs(2);
/// A spool begins with at least this much free space on its disk.
const FREE_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// Check configuration, keys, models, spool, cameras and broker, and say what to do.
///
/// One line each. It changes nothing and may run beside the daemon; each camera is watched for a
/// few seconds over a connection of its own. Exit code 0: all is well; 78: the configuration has
/// faults; 1: anything else.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The daemon's configuration in TOML
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Print one JSON object: `ok`, and `checks` with `name`, `ok` and `says`
    #[arg(long)]
    pub json: bool,
}

/// One line of the answer.
#[derive(Debug, Serialize)]
struct Check {
    name: String,
    ok: bool,
    says: String,
}

/// Goes through everything, even after a failure.
///
/// # Errors
/// When something is wrong, after all of it was printed.
pub fn run(args: &CheckArgs) -> anyhow::Result<()> {
    let mut checks = Vec::new();
    let mut tell = |name: String, result: anyhow::Result<String>| -> anyhow::Result<()> {
        let ok = result.is_ok();
        let says = result.unwrap_or_else(|error| format!("{error:#}"));
        let check = Check { name, ok, says };
        if !args.json {
            let mark = if ok { "ok  " } else { "FAIL" };
            writeln!(
                std::io::stdout(),
                "{mark}  {:<20}  {}",
                check.name,
                check.says
            )?;
        }
        checks.push(check);
        Ok(())
    };
    let loaded = Config::load(&args.config);
    match &loaded {
        Err(faults) => tell("configuration".into(), Err(faults.clone().into()))?,
        Ok(config) => {
            let says = format!(
                "edge {}, {} camera(s), {} reader(s)",
                config.edge,
                config.cameras.len(),
                config.readers.len()
            );
            tell("configuration".into(), Ok(says))?;
            tell("box key".into(), box_key(config))?;
            tell("keys".into(), keys(config))?;
            tell("certificate".into(), certificate(config))?;
            if !config.cameras.is_empty() {
                tell("models".into(), models(config))?;
            }
            tell("spool".into(), spool(config))?;
            tell("clock".into(), time(config))?;
            if !config.cameras.is_empty() {
                tell("decoders".into(), decoders(config))?;
            }
            if !config.readers.is_empty() {
                tell("readers".into(), Doors::read(config))?;
            }
            let clock = SystemClock::shared();
            for one in &config.cameras {
                tell(format!("camera {}", one.id), camera(one, &clock))?;
            }
            tell("broker".into(), broker(config))?;
        }
    }
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

fn models(config: &Config) -> anyhow::Result<String> {
    let runtime = Runtime::load(config.models.onnxruntime_file.as_deref())?;
    let vision = runtime.vision(&config.models.folder, 1)?;
    Ok(format!(
        "manifest {}, both nets load",
        vision.model_digest()
    ))
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
    for offer in capture::offers(decoding)? {
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

fn camera(camera: &Camera, clock: &SharedClock) -> anyhow::Result<String> {
    let mut source = parts::camera_source(camera)?;
    // All its frames are wanted here, not only those that the daemon takes.
    source.frames_per_second_max = 120.0;
    let mut capture = CameraCapture::new(source, Arc::clone(clock));
    let begun = clock.monotonic();
    let mut connected = None;
    let mut taken: u32 = 0;
    loop {
        let now = clock.monotonic();
        if let Some((since, _)) = &connected
            && now.saturating_sub(*since) >= CAMERA_COUNT
        {
            break;
        }
        if connected.is_none() && now.saturating_sub(begun) >= CAMERA_WAIT {
            bail!("no frame within {} s", CAMERA_WAIT.as_secs());
        }
        match capture.next(Duration::from_millis(100)) {
            CameraEvent::Failed { error, .. } => return Err(error.into()),
            CameraEvent::Connected(format) => connected = Some((clock.monotonic(), format)),
            CameraEvent::Frame(_) => taken += 1,
            CameraEvent::Quiet => {}
        }
    }
    let skipped = u32::try_from(capture.frames_skipped()).unwrap_or(u32::MAX);
    let rate = f64::from(taken.saturating_add(skipped)) / CAMERA_COUNT.as_secs_f64();
    let (_, format) = connected.context("no frame")?;
    Ok(format!(
        "{} {}x{} by {}, about {rate:.0} frames/s, at most {} taken",
        format.codec,
        format.width_px,
        format.height_px,
        format.decoder,
        camera.frames_per_second_max
    ))
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
