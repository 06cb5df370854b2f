//! Hours of traffic through a whole house: whether memory stays flat.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use varco_edge::adapters::machine;
use varco_rig::camera::clip::Clip;
use varco_rig::camera::{Camera, StreamSettings};
use varco_rig::clock;
use varco_rig::house::{CameraAddress, House, Programs};

/// Memory is judged from here on: until then buffers and caches fill.
const WARM_UP: Duration = Duration::from_secs(600);

/// How long, and where the measurements go.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// How long
    #[arg(long, default_value_t = 120)]
    minutes: u64,
    /// Seconds between two measurements
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// The clip that the camera plays again and again
    #[arg(long, value_name = "FILE", default_value = "deploy/clips/street.mp4")]
    clip: PathBuf,
    /// Where each measurement is appended, CSV
    #[arg(long, value_name = "FILE", default_value = "benches/soak.csv")]
    csv: PathBuf,
    /// The plot of memory over time, SVG
    #[arg(long, value_name = "FILE", default_value = "benches/soak.svg")]
    plot: PathBuf,
}

/// One process over the whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Course {
    name: &'static str,
    /// Share of a core.
    cores: f64,
    /// After the warm-up, or at first when the run was shorter.
    first_mib: f64,
    last_mib: f64,
    most_mib: f64,
    /// Slope of the straight line through all after the warm-up.
    mib_an_hour: f64,
    #[serde(skip)]
    memory: Vec<(f64, f64)>,
}

impl std::fmt::Display for Course {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:<12} {:.2} of a core, {:.1} MiB after the warm-up, {:.1} at the end, {:.1} at most, {:+.2} an hour",
            self.name, self.cores, self.first_mib, self.last_mib, self.most_mib, self.mib_an_hour
        )
    }
}

/// Runs it; gives the course of the edge and of the hub.
///
/// # Errors
/// When a part does not start or ends by itself.
pub(crate) fn run(settings: &Settings) -> anyhow::Result<Vec<Course>> {
    let folder = tempfile::Builder::new().prefix("varco-soak-").tempdir()?;
    let clip = Clip::open(&settings.clip, true)?;
    let camera = Camera::start(Box::new(clip), &StreamSettings::default())?;
    let address = CameraAddress {
        url: camera.url(),
        credentials: None,
    };
    let mut house = House::lay(folder.path(), Programs::find()?, &address)?;
    house.start()?;
    let [edge, hub] = house.process_ids();
    let ids = [
        ("varco-edge", edge.context("the edge does not run")?),
        ("varco-hub", hub.context("the hub does not run")?),
    ];
    let mut csv = fs::File::create(&settings.csv)
        .with_context(|| format!("cannot write {}", settings.csv.display()))?;
    writeln!(csv, "seconds,process,resident_kib,cpu_seconds")?;
    let begin = clock::instant();
    let mut courses = ids.map(|(name, _)| (name, Vec::new(), 0.0));
    let end = Duration::from_secs(settings.minutes * 60);
    while begin.elapsed() < end {
        std::thread::sleep(Duration::from_secs(settings.every));
        house.check_running()?;
        let seconds = begin.elapsed().as_secs_f64();
        for ((name, id), (_, memory, cpu)) in ids.iter().zip(&mut courses) {
            let kib = resident_kib(*id)?;
            *cpu = cpu_seconds(*id)?;
            memory.push((seconds, kib / 1024.0));
            writeln!(csv, "{seconds:.0},{name},{kib:.0},{cpu:.1}")?;
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let courses = courses.map(|(name, memory, cpu)| course(name, memory, cpu / seconds));
    house.end()?;
    fs::write(&settings.plot, plot(&courses))
        .with_context(|| format!("cannot write {}", settings.plot.display()))?;
    Ok(courses.into())
}

fn course(name: &'static str, memory: Vec<(f64, f64)>, cores: f64) -> Course {
    let warm = WARM_UP.as_secs_f64();
    let mut judged: Vec<_> = memory.iter().copied().filter(|m| m.0 >= warm).collect();
    if judged.len() < 2 {
        judged.clone_from(&memory);
    }
    let ends = |at: Option<&(f64, f64)>| at.map_or(0.0, |m| m.1);
    Course {
        name,
        cores,
        first_mib: ends(judged.first()),
        last_mib: ends(judged.last()),
        most_mib: memory.iter().map(|m| m.1).fold(0.0, f64::max),
        mib_an_hour: slope(&judged) * 3600.0,
        memory,
    }
}

/// Of the straight line that lies best through the points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.iter().map(|_| 1.0).sum::<f64>().max(1.0);
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let (mut both, mut alone) = (0.0, 0.0);
    for p in points {
        both += (p.0 - x) * (p.1 - y);
        alone += (p.0 - x) * (p.0 - x);
    }
    if alone > 0.0 { both / alone } else { 0.0 }
}

fn resident_kib(id: u32) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{id}/status"))?;
    let kib = machine::kib(&text, "VmRSS:").context("no VmRSS")?;
    Ok(f64::from(kib))
}

fn cpu_seconds(id: u32) -> anyhow::Result<f64> {
    let text = fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat"))?;
    Ok(machine::spent(&text)
        .context("no processor time")?
        .as_secs_f64())
}

/// Lines of resident memory, MiB over minutes.
fn plot(courses: &[Course]) -> String {
    let (wide, high, left, low) = (800.0, 320.0, 60.0, 280.0);
    let all = || courses.iter().flat_map(|c| &c.memory);
    let longest = all().map(|m| m.0).fold(60.0, f64::max);
    let most = (all().map(|m| m.1).fold(10.0, f64::max) / 50.0).ceil() * 50.0;
    let x = |seconds: f64| left + seconds / longest * (wide - left - 20.0);
    let y = |mib: f64| low - mib / most * (low - 30.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{wide}\" height=\"{high}\" fill=\"white\"/>\n"
    );
    for step in 0..=4 {
        let (mib, minutes) = (
            most * f64::from(step) / 4.0,
            longest / 60.0 * f64::from(step) / 4.0,
        );
        let (at, on) = (y(mib), x(minutes * 60.0));
        svg += &format!(
            "<line x1=\"{left}\" x2=\"{:.0}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/><text x=\"4\" y=\"{:.1}\">{mib:.0} MiB</text><text x=\"{:.1}\" y=\"{:.0}\">{minutes:.0} min</text>\n",
            wide - 20.0,
            at + 4.0,
            on - 14.0,
            low + 18.0
        );
    }
    for (course, colour) in courses.iter().zip(["#1f6feb", "#c2410c"]) {
        let points: Vec<_> = course
            .memory
            .iter()
            .map(|m| format!("{:.1},{:.1}", x(m.0), y(m.1)))
            .collect();
        let last = course.memory.last().map_or((0.0, 0.0), |m| *m);
        svg += &format!(
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{}\"/><text x=\"{left}\" y=\"{:.1}\" fill=\"{colour}\">{}: {:.1} MiB, {:+.2} MiB an hour</text>\n",
            points.join(" "),
            y(last.1) - 6.0,
            course.name,
            course.last_mib,
            course.mib_an_hour
        );
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_is_seen_and_the_warm_up_is_not_counted() {
        let points = |mib: fn(f64) -> f64| {
            let each = (1..=240_u32).map(f64::from);
            each.map(|k| (k * 30.0, mib(k * 30.0))).collect::<Vec<_>>()
        };
        let flat = course(
            "x",
            points(|s| if s < 600.0 { s / 10.0 } else { 60.0 }),
            0.1,
        );
        assert!(flat.mib_an_hour.abs() < 1e-9, "{}", flat.mib_an_hour);
        let leaking = course("x", points(|s| 60.0 + s / 3600.0), 0.1);
        assert!((leaking.mib_an_hour - 1.0).abs() < 1e-6);
        assert!(plot(&[flat, leaking]).contains("+1.00 MiB an hour"));
    }
}
