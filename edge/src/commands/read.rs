//! `varco-edge read`: plates of pictures, transits of a clip.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use varco_proto::time::UtcTime;
use varco_proto::transit::{Direction, PlateRead};

use super::clip;
use super::models::ModelFlags;
use crate::core::frame::Sides;
use crate::core::pass::Pass;
use crate::core::picture;
use crate::core::sighting::{Look, PlateDetection, PlateLook};
use crate::core::vision::{Search, Vision};

/// Read plates from pictures, or the transits of a video clip.
///
/// Pictures are read one by one, each searched at several scales and looked at several times; a
/// plate's box is what of it lies within the picture. A clip is read as a camera's stream is,
/// every frame of it: each vehicle is told once, with the text that its frames agree on, and only
/// when enough of them do. Times are seconds from the clip's beginning.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    varco-edge read front.jpg rear.jpg\n  \
    varco-edge read --video gate.mp4 --json")]
pub struct ReadArgs {
    /// JPEG, PNG, WebP, TIFF or BMP pictures; EXIF says which way up they stand
    #[arg(value_name = "IMAGE", required_unless_present = "video")]
    pub images: Vec<PathBuf>,
    /// A video file instead of pictures
    #[arg(long, value_name = "FILE", conflicts_with = "images")]
    pub video: Option<PathBuf>,
    /// Print one JSON object: `images` with their `plates` or the `error`, or `transits`
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would show it as the command's own help")]
    pub models: ModelFlags,
}

/// Runs the command.
///
/// # Errors
/// Models or library that cannot be loaded, files that cannot be read. Pictures that can be
/// read are printed before the others are named.
pub fn run(args: &ReadArgs) -> anyhow::Result<()> {
    let mut visions = args.models.visions(1)?;
    let Some(vision) = visions.pop() else {
        bail!("no models were loaded");
    };
    match &args.video {
        Some(path) => read_video(vision, path, args.json),
        None => read_images(vision, &args.images, args.json),
    }
}

fn read_video(vision: Vision, path: &Path, as_json: bool) -> anyhow::Result<()> {
    let (_, mut passes) = clip::passes(vision, path)?;
    passes.sort_by_key(|pass| pass.first_seen);
    let mut out = std::io::stdout().lock();
    if as_json {
        let transits: Vec<Value> = passes.iter().map(pass_json).collect();
        writeln!(out, "{}", json!({ "transits": transits }))?;
        return Ok(());
    }
    for pass in &passes {
        let plate = &pass.plate;
        writeln!(
            out,
            "{:8.2}-{:.2} s  {:12} {:.2}  {}  {}/{} reads  {:.0} px  {}",
            seconds(pass.first_seen),
            seconds(pass.last_seen),
            plate.text,
            plate.confidence.get(),
            country(plate),
            plate.agreeing_reads,
            plate.reads,
            pass.width_px,
            direction(pass.direction).unwrap_or("-"),
        )?;
    }
    if passes.is_empty() {
        writeln!(out, "no transit")?;
    }
    Ok(())
}

fn read_images(mut vision: Vision, paths: &[PathBuf], as_json: bool) -> anyhow::Result<()> {
    let mut faults = Vec::new();
    let mut images = Vec::new();
    let mut out = std::io::stdout().lock();
    for path in paths {
        let ReadImage { plates, sides } = match read_image(&mut vision, path) {
            Ok(read) => read,
            Err(error) => {
                let error = format!("{error:#}");
                if as_json {
                    images.push(json!({ "path": path, "error": error }));
                }
                faults.push(error);
                continue;
            }
        };
        if as_json {
            let plates: Vec<Value> = plates
                .iter()
                .map(|PlateLook { plate, look }| plate_json(&vision, plate, look, sides))
                .collect();
            images.push(json!({ "path": path, "plates": plates }));
            continue;
        }
        writeln!(out, "{}", path.display())?;
        for PlateLook { plate, look } in &plates {
            let (text, width) = (readable(&vision, look), plate.quad.width_px());
            match text {
                Some(read) => writeln!(
                    out,
                    "  {:12} {:.2}  {}  {width:.0} px",
                    read.text,
                    read.confidence.get(),
                    country(&read),
                )?,
                None => writeln!(out, "  a plate that cannot be read, {width:.0} px")?,
            }
        }
        if plates.is_empty() {
            writeln!(out, "  no plate")?;
        }
    }
    if as_json {
        writeln!(out, "{}", json!({ "images": images }))?;
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    Ok(())
}

/// A picture that was read.
struct ReadImage {
    plates: Vec<PlateLook>,
    sides: Sides,
}

fn read_image(vision: &mut Vision, path: &Path) -> anyhow::Result<ReadImage> {
    let named = || format!("cannot read the picture `{}`", path.display());
    let bytes = std::fs::read(path).with_context(named)?;
    let frame = picture::open(&bytes, UtcTime::default()).with_context(named)?;
    let plates = vision.look(&frame, Search::Still).with_context(named)?;
    Ok(ReadImage {
        plates,
        sides: frame.sides(),
    })
}

/// The read, when it is sure enough to count as one.
fn readable(vision: &Vision, look: &Look) -> Option<PlateRead> {
    let rules = &vision.manifest().recogniser;
    look.reading
        .plate_read(1, 1, &rules.countries)
        .filter(|read| read.confidence >= rules.confidence_min)
}

fn plate_json(vision: &Vision, plate: &PlateDetection, look: &Look, sides: Sides) -> Value {
    let b = plate.quad.bounds().within(sides.width_px, sides.height_px);
    let corners: Vec<[f32; 2]> = plate.quad.0.iter().map(|p| [p.x, p.y]).collect();
    let read = readable(vision, look);
    json!({
        "plate": read.as_ref().map(|r| r.text.as_str()),
        "confidence": look.reading.confidence.get(),
        "country": read.as_ref().and_then(|r| r.countries.first()).map(|c| c.country.as_str()),
        "rows": look.reading.rows,
        "detection_confidence": plate.confidence.get(),
        "plate_probability": look.plate.get(),
        "box": {
            "x": b.left, "y": b.top, "width": b.right - b.left, "height": b.bottom - b.top,
        },
        "quad": corners,
    })
}

fn pass_json(pass: &Pass) -> Value {
    let plate = &pass.plate;
    let characters: Vec<Vec<Value>> = plate
        .characters
        .iter()
        .map(|all| {
            all.iter()
                .map(|c| json!({ "symbol": c.symbol, "confidence": c.confidence.get() }))
                .collect()
        })
        .collect();
    json!({
        "plate": plate.text.as_str(),
        "confidence": plate.confidence.get(),
        "agreeing_reads": plate.agreeing_reads,
        "reads": plate.reads,
        "first_s": seconds(pass.first_seen),
        "last_s": seconds(pass.last_seen),
        "captured_s": seconds(pass.captured.at),
        "direction": direction(pass.direction),
        "country": plate.countries.first().map(|c| c.country.as_str()),
        "rows": plate.rows,
        "width_px": pass.width_px,
        "characters": characters,
    })
}

fn country(read: &PlateRead) -> &str {
    read.countries.first().map_or("--", |c| c.country.as_str())
}

fn direction(direction: Option<Direction>) -> Option<&'static str> {
    direction.map(|direction| match direction {
        Direction::Towards => "towards",
        Direction::Away => "away",
    })
}

fn seconds(at: UtcTime) -> f64 {
    at.since(UtcTime::default()).as_secs_f64()
}
