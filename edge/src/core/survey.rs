//! How good a camera's picture is for reading plates, for whoever sets the camera up: exposure,
//! focus, and how wide and how straight plates appear. Nothing here knows a plate's text.

pub mod advice;
pub mod focus;
pub mod hidden;
pub mod light;
pub mod pose;

use serde::Serialize;
use varco_proto::confidence::Confidence;

use self::hidden::Hidden;
use self::light::Light;
use self::pose::Pose;
use super::frame::Frame;
use super::geometry::Quad;
use super::number::float;
use super::view::mask::Polygon;

/// Most frames whose focus, and most plates whose corners, are kept.
const KEPT_MAX: usize = 512;
/// Plates at least this share of the widest say how plates lie: narrower ones say it badly.
const WIDE_SHARE: f32 = 0.6;
/// A plate as it appeared in a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeenPlate {
    /// Its corners.
    pub quad: Quad,
    /// Rows of text.
    pub rows: u32,
    /// Of the read.
    pub confidence: Confidence,
}

/// Collects what a camera shows.
#[derive(Debug, Default)]
pub struct Survey {
    hidden: Hidden,
    sides: (u32, u32),
    lights: Vec<Light>,
    edges_px: Vec<f32>,
    plates: Vec<SeenPlate>,
    plates_count: u32,
}

/// What a camera's picture is like. The shares are means over the frames.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Findings {
    /// Width of a frame.
    pub width_px: u32,
    /// Its height.
    pub height_px: u32,
    /// Frames that were judged.
    pub frames_judged: usize,
    /// Mean brightness, 0 to 255.
    pub brightness_mean: f32,
    /// The brightness that all but one pixel in two hundred keep below, in the brightest frame.
    pub brightness_top: f32,
    /// Share of pixels crushed to black.
    pub black_share: f32,
    /// Share of pixels blown out to white.
    pub blown_share: f32,
    /// What lies between the darkest and the brightest fiftieth of pixels, in levels.
    pub spread: f32,
    /// See [`focus::edge_px`]; the median over the frames.
    pub edge_px: Option<f32>,
    /// Finds of plates, each frame's counted for itself.
    pub plates_seen: u32,
    /// How plates appear; none when none was seen.
    pub plate: Option<Appearance>,
}

/// How plates appear.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Appearance {
    /// Width of the widest.
    pub width_px: f32,
    /// Median confidence of the reads of the wide ones, 0 to 1.
    pub confidence: f32,
    /// How the wide ones in one row lie, by median; none when there were none.
    pub pose: Option<Lie>,
}

/// A [`Pose`] over many finds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Lie {
    /// See [`Pose`].
    pub roll_deg: f32,
    /// See [`Pose`].
    pub shear_deg: f32,
    /// See [`Pose`].
    pub aside_deg: f32,
    /// See [`Pose`].
    pub above_deg: f32,
}

impl Survey {
    /// Begins, for a camera with these masks.
    #[must_use]
    pub fn new(masks: &[Polygon]) -> Self {
        Self {
            hidden: Hidden::of(masks),
            ..Self::default()
        }
    }

    /// Takes a frame whose masks are blacked out, with the plates that were found in it.
    pub fn take(&mut self, frame: &Frame, plates: impl IntoIterator<Item = SeenPlate>) {
        self.sides = (frame.width_px, frame.height_px);
        if self.lights.len() < KEPT_MAX
            && let Some(light) = Light::of(frame, &self.hidden)
        {
            self.lights.push(light);
            self.edges_px
                .extend(focus::edge_px(frame, &self.hidden, light.spread));
        }
        for seen in plates {
            self.plates_count = self.plates_count.saturating_add(1);
            self.plates.push(seen);
        }
        if self.plates.len() > KEPT_MAX {
            let wider =
                |a: &SeenPlate, b: &SeenPlate| b.quad.width_px().total_cmp(&a.quad.width_px());
            self.plates.sort_by(wider);
            self.plates.truncate(KEPT_MAX / 2);
        }
    }

    /// What was found.
    #[must_use]
    pub fn findings(&self) -> Findings {
        let count = float(self.lights.len().max(1));
        let mean = |of: fn(&Light) -> f32| self.lights.iter().map(of).sum::<f32>() / count;
        let tops = self.lights.iter().map(|light| light.brightest);
        Findings {
            width_px: self.sides.0,
            height_px: self.sides.1,
            frames_judged: self.lights.len(),
            brightness_mean: mean(|light| light.mean),
            brightness_top: tops.fold(0.0, f32::max),
            black_share: mean(|light| light.black_share),
            blown_share: mean(|light| light.blown_share),
            spread: mean(|light| light.spread),
            edge_px: median(self.edges_px.clone()),
            plates_seen: self.plates_count,
            plate: self.appearance(),
        }
    }

    fn appearance(&self) -> Option<Appearance> {
        let widths = self.plates.iter().map(|seen| seen.quad.width_px());
        let width_px = widths.max_by(f32::total_cmp)?;
        let is_wide = |seen: &&SeenPlate| seen.quad.width_px() >= width_px * WIDE_SHARE;
        let wide: Vec<&SeenPlate> = self.plates.iter().filter(is_wide).collect();
        let confidences = wide.iter().map(|seen| seen.confidence.get()).collect();
        let level = wide.iter().filter(|seen| seen.rows == 1);
        let poses: Vec<Pose> = level.filter_map(|seen| Pose::of(&seen.quad)).collect();
        let by = |of: fn(&Pose) -> f32| median(poses.iter().map(of).collect());
        let pose = by(|pose| pose.roll_deg).map(|roll_deg| Lie {
            roll_deg,
            shear_deg: by(|pose| pose.shear_deg).unwrap_or_default(),
            aside_deg: by(|pose| pose.aside_deg).unwrap_or_default(),
            above_deg: by(|pose| pose.above_deg).unwrap_or_default(),
        });
        Some(Appearance {
            width_px,
            confidence: median(confidences).unwrap_or_default(),
            pose,
        })
    }
}

fn median(mut values: Vec<f32>) -> Option<f32> {
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::focus::tests::walls;
    use super::*;
    use crate::core::geometry::Bounds;

    fn plate(width: f32, rows: u32) -> SeenPlate {
        SeenPlate {
            quad: Quad::from_bounds(Bounds {
                left: 100.0,
                top: 100.0,
                right: 100.0 + width,
                bottom: 100.0 + width * 110.0 / 520.0,
            }),
            rows,
            confidence: Confidence::saturating(0.9),
        }
    }

    #[test]
    fn the_widest_plate_and_the_lie_of_the_wide_ones_are_found() {
        let frame = walls(640, 360, 1, 2);
        let mut survey = Survey::new(&[]);
        assert_eq!(survey.findings().plate, None);
        survey.take(&frame, [plate(40.0, 1), plate(120.0, 1)]);
        survey.take(&frame, [plate(110.0, 2)]);
        let findings = survey.findings();
        assert_eq!((findings.plates_seen, findings.frames_judged), (3, 2));
        let plate = findings.plate.unwrap();
        assert!((plate.width_px - 120.0).abs() < 0.1);
        assert!(plate.pose.unwrap().aside_deg < 3.0);
        assert!(findings.edge_px.unwrap() < 1.5);
    }

    #[test]
    fn plates_in_two_rows_say_nothing_of_the_angle_and_hours_of_traffic_stay_bounded() {
        let frame = walls(64, 36, 1, 2);
        let mut survey = Survey::new(&[]);
        for _ in 0..1000 {
            survey.take(&frame, [plate(60.0, 2), plate(90.0, 2)]);
        }
        let findings = survey.findings();
        assert_eq!(findings.plates_seen, 2000);
        assert_eq!(findings.plate.unwrap().pose, None);
        assert!(survey.plates.len() <= KEPT_MAX && survey.lights.len() <= KEPT_MAX);
    }
}
