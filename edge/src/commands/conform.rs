//! `varco-edge conform`: whether a capture point is compatible, point by point.

mod points;
mod pushed;
mod stream;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use varco_proto::time::UtcTime;

use self::points::Point;
use crate::adapters::http;
use crate::config::Config;
use crate::onboard::maker::Maker;
use crate::onboard::moment::Zone;
use crate::onboard::part::MESSAGE_BYTES_MAX;
use crate::onboard::understanding::{Take, Understanding};

/// Longest time that a capture point may be watched, in seconds.
const SECONDS_MAX: u64 = 3600;

/// Test whether a capture point is compatible: a camera, a camera that reads plates itself, or a
/// recorded message of one.
///
/// Each point says what was found, whether it holds, and what to do when it does not. What cannot
/// be seen does not hold: let a vehicle pass while it runs. Of a camera that reads plates itself
/// nothing is kept meanwhile, and most such cameras do not send again. Exit code 0: compatible; 78: the
/// configuration has faults; 1: not compatible, or not testable.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    varco-edge conform --config edge.toml --camera porta-sud-02 --seconds 60\n  \
    varco-edge conform --message anpr.multipart --maker hikvision --arrived 2026-11-20T07:31:09Z")]
pub struct ConformArgs {
    /// The edge's configuration, which names the camera
    #[arg(long, value_name = "FILE", required_unless_present = "message")]
    pub config: Option<PathBuf>,
    /// Which of its cameras or readers; not needed when there is one alone
    #[arg(long, value_name = "ID")]
    pub camera: Option<String>,
    /// How long it is watched
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    pub seconds: u64,
    /// A recorded message instead: the body of an HTTP request or of an MQTT message
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "camera"], requires = "maker")]
    pub message: Option<PathBuf>,
    /// Its maker: hikvision, axis, milesight, onvif, dahua or plain
    #[arg(long, value_parser = maker)]
    pub maker: Option<Maker>,
    /// When the recorded message came, by a clock that is right
    #[arg(long, value_name = "TIME", requires = "message")]
    pub arrived: Option<UtcTime>,
    /// The zone of the recorded message's times that name none
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub time_zone: Zone,
    /// Print one JSON object: `compatible`, and `points` with `name`, `holds`, `found` and `to_do`
    #[arg(long)]
    pub json: bool,
}

fn maker(word: &str) -> Result<Maker, String> {
    let all = Maker::ALL.map(|(_, name)| name).join(", ");
    Maker::parse(word).ok_or(format!("one of {all}"))
}

/// Tests and prints.
///
/// # Errors
/// When the capture point is not compatible, after all points were printed.
pub fn run(args: &ConformArgs) -> anyhow::Result<()> {
    let points = match (&args.message, &args.config) {
        (Some(file), _) => recorded(args, file)?,
        (None, Some(file)) => configured(args, file)?,
        (None, None) => bail!("name a configuration or a message"),
    };
    let failed = points.iter().filter(|point| !point.holds).count();
    let mut out = std::io::stdout();
    if args.json {
        let answer = serde_json::json!({ "compatible": failed == 0, "points": points });
        writeln!(out, "{answer:#}")?;
    } else {
        for point in &points {
            let mark = if point.holds { "ok  " } else { "FAIL" };
            writeln!(out, "{mark}  {:<14}  {}", point.name, point.found)?;
            if !point.holds {
                writeln!(out, "{:22}{}", "", point.to_do)?;
            }
        }
    }
    anyhow::ensure!(
        failed == 0,
        "not compatible: {failed} of {} points do not hold",
        points.len()
    );
    if !args.json {
        writeln!(out, "compatible: all {} points hold", points.len())?;
    }
    Ok(())
}

fn recorded(args: &ConformArgs, file: &Path) -> anyhow::Result<Vec<Point>> {
    let place = || format!("cannot read the message `{}`", file.display());
    let body = std::fs::read(file).with_context(place)?;
    anyhow::ensure!(
        body.len() <= MESSAGE_BYTES_MAX,
        "`{}` is larger than any message that is taken, {MESSAGE_BYTES_MAX} bytes",
        file.display()
    );
    let Some(maker) = args.maker else {
        bail!("--message needs --maker");
    };
    let rules = Understanding {
        maker,
        zone: args.time_zone.clone(),
        take: Take::Last,
    };
    let kind = http::recorded_kind(&body);
    let parts = http::parts(&kind, body);
    Ok(pushed::recorded(&rules, parts, args.arrived))
}

fn configured(args: &ConformArgs, file: &Path) -> anyhow::Result<Vec<Point>> {
    let config = Config::load(file)?;
    let span = Duration::from_secs(args.seconds);
    let cameras = config.cameras.iter().map(|camera| camera.id.as_str());
    let readers = config.readers.iter();
    let readers = readers.map(|reader| reader.placing.camera.as_str());
    let names: Vec<&str> = cameras.chain(readers).collect();
    let name = match (&args.camera, names.as_slice()) {
        (Some(name), _) => name.as_str(),
        (None, [only]) => only,
        (None, _) => bail!("say which with --camera: {}", names.join(", ")),
    };
    if let Some(camera) = config.cameras.iter().find(|it| it.id.as_str() == name) {
        return stream::watch(&config, camera, span);
    }
    let mut readers = config.readers.iter();
    let Some(at) = readers.position(|it| it.placing.camera.as_str() == name) else {
        bail!(
            "there is no camera `{name}`; there are {}",
            names.join(", ")
        );
    };
    pushed::watch(&config, at, span)
}
