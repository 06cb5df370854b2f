//! Passes made from single pictures: each scene moves and grows as a car does that drives up.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use image::imageops::{FilterType, resize};
use serde::Deserialize;

use super::picture::{Picture, Placement, real};
use super::show::{Show, Shown};

const WIDTH_PX: usize = 1280;
const HEIGHT_PX: usize = 720;
const FRAMES_PER_SECOND: u32 = 25;
/// A pass lasts two seconds.
const PASS_FRAMES: u64 = 50;
/// The empty road between two passes.
const GAP_FRAMES: u64 = 15;
/// Before the first pass, so that no frame of it is lost while a client settles.
const LEAD_FRAMES: u64 = 25;
/// How small the scene is at the beginning of a pass, against its end.
const START_SCALE: f32 = 0.6;
/// At the end of a pass a plate is at least so wide, if that needs no enlargement above the next.
const PLATE_WIDTH_PX: f32 = 110.0;
const ENLARGE_MAX: f32 = 2.0;
const ROAD_LUMA: u8 = 72;

/// A line of an index of pictures; further keys are of no interest here.
#[derive(Debug, Clone, Deserialize)]
struct Line {
    path: PathBuf,
    source: String,
    kind: String,
    plates: Vec<Plate>,
}

#[derive(Debug, Clone, Deserialize)]
struct Plate {
    x: Option<f32>,
    y: Option<f32>,
    width: Option<f32>,
    height: Option<f32>,
    text: Option<String>,
}

/// Which pictures of an index to show.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Only this source.
    pub source: Option<String>,
    /// At most so many passes.
    pub limit: Option<usize>,
}

/// A show of pictures.
#[derive(Debug)]
pub struct Pictures {
    scenes: VecDeque<Scene>,
    shown: Vec<Shown>,
    current: Option<Pass>,
    /// Frames of empty road still to come before the next pass.
    gap: u64,
}

#[derive(Debug)]
struct Scene {
    path: PathBuf,
    plate_box: [f32; 4],
}

#[derive(Debug)]
struct Pass {
    picture: Picture,
    /// Plate centre in the prepared picture.
    plate: (f32, f32),
    frame: u64,
}

impl Pictures {
    /// Reads an index (JSON lines) and keeps each scene whose plate has a box and a text.
    ///
    /// # Errors
    /// When the index cannot be read, a line is no JSON of that form, or nothing is left.
    pub fn open(index: &Path, choice: &Choice) -> anyhow::Result<Self> {
        let text = fs::read_to_string(index)
            .with_context(|| format!("cannot read the index {}", index.display()))?;
        let folder = index.parent().unwrap_or_else(|| Path::new("."));
        let (mut scenes, mut shown) = (VecDeque::new(), Vec::new());
        for (number, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
        {
            let line: Line = serde_json::from_str(line)
                .with_context(|| format!("line {} of {}", number + 1, index.display()))?;
            let wanted = choice
                .source
                .as_ref()
                .is_none_or(|source| *source == line.source);
            if line.kind != "scene" || !wanted {
                continue;
            }
            let Some((text, plate_box)) = line.plates.iter().find_map(boxed_text) else {
                continue;
            };
            let first = LEAD_FRAMES + (PASS_FRAMES + GAP_FRAMES) * count(scenes.len());
            shown.push(Shown {
                text,
                first_frame: first,
                last_frame: first + PASS_FRAMES - 1,
            });
            scenes.push_back(Scene {
                path: folder.join(line.path),
                plate_box,
            });
            if choice.limit.is_some_and(|limit| scenes.len() >= limit) {
                break;
            }
        }
        if scenes.is_empty() {
            bail!(
                "{} has no scene with a plate's box and text for this choice",
                index.display()
            );
        }
        Ok(Self {
            scenes,
            shown,
            current: None,
            gap: LEAD_FRAMES,
        })
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn boxed_text(plate: &Plate) -> Option<(String, [f32; 4])> {
    Some((
        plate.text.clone()?,
        [plate.x?, plate.y?, plate.width?, plate.height?],
    ))
}

impl Pass {
    /// Scales the scene once to the size it has at the end of the pass.
    fn prepare(scene: &Scene) -> anyhow::Result<Self> {
        let rgb = image::open(&scene.path)
            .with_context(|| format!("cannot open the picture {}", scene.path.display()))?
            .to_rgb8();
        let [x, y, width, height] = scene.plate_box;
        let (full_width, full_height) = (pixels(rgb.width()), pixels(rgb.height()));
        let fit = (real(WIDTH_PX) / full_width).min(real(HEIGHT_PX) / full_height);
        let scale = fit
            .max(PLATE_WIDTH_PX / width.max(1.0))
            .min(ENLARGE_MAX.max(fit));
        let scaled = resize(
            &rgb,
            whole(full_width * scale).max(16),
            whole(full_height * scale).max(16),
            FilterType::Triangle,
        );
        let plate = ((x + width / 2.0) * scale, (y + height / 2.0) * scale);
        Ok(Self {
            picture: Picture::from_rgb(&scaled),
            plate,
            frame: 0,
        })
    }

    /// The plate drives from above the middle of the canvas to below it, and grows.
    fn draw(&self, canvas: &mut Picture) {
        let way = progress(self.frame);
        let scale = START_SCALE + (1.0 - START_SCALE) * way;
        let centre_x = real(WIDTH_PX) * (0.47 + 0.05 * way);
        let centre_y = real(HEIGHT_PX) * (0.42 + 0.20 * way);
        let placement = Placement {
            x_px: centre_x - self.plate.0 * scale,
            y_px: centre_y - self.plate.1 * scale,
            scale,
        };
        canvas.draw(&self.picture, placement);
    }
}

/// 0 at the first frame of a pass, 1 at its last.
fn progress(frame: u64) -> f32 {
    let frame = u16::try_from(frame).unwrap_or(u16::MAX);
    let last = u16::try_from(PASS_FRAMES - 1).unwrap_or(u16::MAX);
    f32::from(frame) / f32::from(last)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "picture sides are far below 2^24"
)]
fn pixels(side: u32) -> f32 {
    side as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped before"
)]
fn whole(side: f32) -> u32 {
    side.round().clamp(0.0, 16_384.0) as u32
}

impl Show for Pictures {
    fn size_px(&self) -> (u32, u32) {
        (1280, 720)
    }

    fn frames_per_second(&self) -> u32 {
        FRAMES_PER_SECOND
    }

    fn next(&mut self) -> anyhow::Result<Option<Picture>> {
        let mut canvas = Picture::grey(WIDTH_PX, HEIGHT_PX, ROAD_LUMA);
        if self.gap > 0 {
            self.gap -= 1;
            return Ok(Some(canvas));
        }
        if self.current.is_none() {
            let Some(scene) = self.scenes.pop_front() else {
                return Ok(None);
            };
            self.current = Some(Pass::prepare(&scene)?);
        }
        if let Some(pass) = &mut self.current {
            pass.draw(&mut canvas);
            pass.frame += 1;
            if pass.frame == PASS_FRAMES {
                self.current = None;
                self.gap = GAP_FRAMES;
            }
        }
        Ok(Some(canvas))
    }

    fn shown(&self) -> Vec<Shown> {
        self.shown.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scene_with_a_text_becomes_one_pass() {
        let folder = tempfile::tempdir().unwrap();
        image::RgbImage::from_pixel(320, 240, image::Rgb([250, 250, 250]))
            .save(folder.path().join("a.png"))
            .unwrap();
        let plate = r#"{"x":100,"y":100,"width":80,"height":20,"text":"AB123CD"}"#;
        let line = |kind: &str, plates: &str| {
            format!(r#"{{"path":"a.png","source":"s","kind":"{kind}","plates":[{plates}]}}"#)
        };
        let index = folder.path().join("index.jsonl");
        let nameless = plate.replace("\"AB123CD\"", "null");
        let lines = [
            line("scene", plate),
            line("crop", plate),
            line("scene", &nameless),
        ];
        fs::write(&index, lines.join("\n")).unwrap();
        let mut show = Pictures::open(&index, &Choice::default()).unwrap();
        assert_eq!(show.shown().len(), 1);
        let shown = show.shown().remove(0);
        let mut frames = 0;
        while let Some(picture) = show.next().unwrap() {
            let visible = picture.i420.iter().any(|&luma| luma > 200);
            assert_eq!(
                visible,
                (shown.first_frame..=shown.last_frame).contains(&frames),
                "{frames}"
            );
            frames += 1;
        }
        assert_eq!(frames, LEAD_FRAMES + PASS_FRAMES + GAP_FRAMES);
        let none = Choice {
            source: Some("other".into()),
            limit: None,
        };
        assert!(Pictures::open(&index, &none).is_err());
    }
}
