//! What to do about a camera's picture, and whether it can work at all.

use super::{Appearance, Findings};
use crate::core::number::float_px;

/// Width of a plate to aim for, in pixels. It is guidance, not a limit.
pub const PLATE_PX_GUIDANCE: f32 = 170.0;
/// From about here on the nets read most plates, and at the second few, in pixels: see the tables
/// of `models/README.md`.
const PLATE_PX_READ: f32 = 40.0;
const PLATE_PX_FEW: f32 = 30.0;
/// Fewest pixels of a picture.
const SIDES_PX_MIN: (u32, u32) = (1280, 720);
/// Fewest frames a second: at town speeds a vehicle is seen in three or more.
const FRAMES_PER_SECOND_MIN: f64 = 8.0;
/// A picture of which nothing is brighter is black; one that spreads less is blank.
const BLACK_TOP_MAX: f32 = 26.0;
const BLANK_SPREAD_MAX: f32 = 6.0;
/// A picture is dark below this mean, and is blown out from these shares on: to be mended, and lost.
const DARK_MEAN_MAX: f32 = 40.0;
const BLOWN_SHARE_MAX: f32 = 0.15;
const BLOWN_SHARE_LOST: f32 = 0.75;
/// Edges of a picture 1920 px wide, in pixels: sharp up to the first, and without hope from the
/// second on, where the letters of a plate 170 px wide run into each other.
const EDGE_PX_SHARP: f32 = 3.0;
const EDGE_PX_LOST: f32 = 10.0;
const EDGE_WIDTH_PX: f32 = 1920.0;
/// However few pixels a picture has, an edge is sharp up to the first, and not lost below the other.
const EDGE_PX_SHARP_ANY: f32 = 1.5;
const EDGE_PX_LOST_ANY: f32 = 4.0;
/// Angle up to which plates are best read, in degrees.
const ROLL_MAX: f32 = 10.0;
/// Plates are best seen from at most 30 degrees aside and above. The detector's corners take part of
/// a plate's holder with them, so that a plate seen straight came out at 27 degrees in the demo's
/// clip: only what comes out above this is reported.
const ASIDE_MAX_DEG: f32 = 45.0;
const ABOVE_MAX_DEG: f32 = 45.0;
/// Reads so sure, in the median, speak for a picture against which all else speaks ...
const SURE_MIN: f32 = 0.9;
/// ... when there are so many.
const SURE_FINDS_MIN: u32 = 3;
/// Reads below this of plates that are wide enough are doubtful.
const CONFIDENCE_MIN: f32 = 0.6;
const CONFIDENCE_WIDTH_PX: f32 = 60.0;

/// What is said of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Plates may be read in it.
    pub works: bool,
    /// What was found.
    pub found: String,
    /// What to do, the most pressing first.
    pub to_do: Vec<&'static str>,
}

/// Judges a picture. `rate` is what the camera sends, `rate_taken` what the configuration takes at
/// most, in frames a second.
#[must_use]
pub fn judge(findings: &Findings, rate: f64, rate_taken: f64) -> Verdict {
    let mut verdict = Verdict {
        works: true,
        found: format!(
            "{}x{}, {rate:.0} frames/s",
            findings.width_px, findings.height_px
        ),
        to_do: Vec::new(),
    };
    verdict.light(findings);
    verdict.focus(findings);
    let (width, height) = SIDES_PX_MIN;
    verdict.advise(
        findings.width_px < width || findings.height_px < height,
        "take the camera's main stream, of at least 1280x720",
    );
    verdict.advise(
        rate < FRAMES_PER_SECOND_MIN,
        "set the camera to at least 10 frames a second",
    );
    // A camera counts a second by its own crystal, and a short look may miss a frame.
    verdict.advise(
        rate < rate_taken * 0.8 && rate >= FRAMES_PER_SECOND_MIN,
        "the camera sends fewer frames than `frames_per_second_max` takes: raise its rate, if \
         vehicles pass fast",
    );
    match &findings.plate {
        Some(plate) => verdict.plate(plate, findings.plates_seen),
        None => {
            verdict.found.push_str("; no plate passed while checking");
            verdict.advise(true, "run again with --watch 60 while a vehicle passes");
        }
    }
    verdict
}

impl Verdict {
    fn advise(&mut self, is_needed: bool, what: &'static str) {
        if is_needed {
            self.to_do.push(what);
        }
    }

    /// A picture in which a plate was read surely, and more than once or twice, works, whatever else
    /// is said of it.
    fn lost(&mut self, findings: &Findings, is_lost: bool, what: &'static str) -> bool {
        let surely = |plate: &Appearance| plate.confidence >= SURE_MIN;
        let was_read = findings.plate.as_ref().is_some_and(surely);
        self.works &= !is_lost || (was_read && findings.plates_seen >= SURE_FINDS_MIN);
        self.advise(is_lost, what);
        is_lost
    }

    fn light(&mut self, findings: &Findings) {
        let percent = |share: f32| share * 100.0;
        let light = format!(
            "; brightness {:.0} of 255, {:.0} % crushed to black, {:.0} % blown out",
            findings.brightness_mean,
            percent(findings.black_share),
            percent(findings.blown_share)
        );
        self.found.push_str(&light);
        let dark = findings.brightness_top <= BLACK_TOP_MAX;
        let white = findings.blown_share >= BLOWN_SHARE_LOST;
        if self.lost(
            findings,
            dark,
            "the picture is black: take off the cap, open the iris, switch on the infrared lamp",
        ) || self.lost(
            findings,
            white,
            "the picture is blown out: shorten the shutter, close the iris, turn it from the sun",
        ) || self.lost(
            findings,
            findings.spread <= BLANK_SPREAD_MAX && findings.frames_judged > 0,
            "the picture is one plain surface: look what is before the lens",
        ) {
            return;
        }
        self.advise(
            findings.brightness_mean < DARK_MEAN_MAX,
            "there is little light: more of it, or infrared, rather than a longer shutter",
        );
        self.advise(
            findings.blown_share >= BLOWN_SHARE_MAX,
            "lower the exposure, or turn the camera from sky, sun and lamps",
        );
    }

    fn focus(&mut self, findings: &Findings) {
        let Some(edge_px) = findings.edge_px else {
            self.found.push_str("; too few edges to judge the focus by");
            return;
        };
        let at_width = EDGE_WIDTH_PX / float_px(findings.width_px).max(1.0);
        let sharp = (EDGE_PX_SHARP / at_width).max(EDGE_PX_SHARP_ANY);
        let focus = format!("; edges {edge_px:.1} px wide (sharp up to {sharp:.1})");
        self.found.push_str(&focus);
        let is_lost = edge_px >= (EDGE_PX_LOST / at_width).max(EDGE_PX_LOST_ANY);
        let what = "it is out of focus: focus the lens on where plates pass, and clean the window";
        if !self.lost(findings, is_lost, what) {
            let what = "it is somewhat soft: clean the window, and focus on where plates pass";
            self.advise(edge_px > sharp, what);
        }
    }

    fn plate(&mut self, plate: &Appearance, plates_seen: u32) {
        let words = format!(
            "; widest of {plates_seen} finds of plates {:.0} px (guidance {PLATE_PX_GUIDANCE:.0} \
             px; most are read from about {PLATE_PX_READ:.0} px, few at {PLATE_PX_FEW:.0})",
            plate.width_px
        );
        self.found.push_str(&words);
        let narrow = plate.width_px < PLATE_PX_READ;
        self.advise(
            narrow,
            "zoom in or come nearer: most plates so narrow are not read",
        );
        self.advise(
            !narrow && plate.width_px < PLATE_PX_GUIDANCE,
            "zoom in or come nearer, if lane and lens allow: 170 px leave room for dirt and night",
        );
        if let Some(pose) = &plate.pose {
            let words = format!(
                ", rising {:.0}° along their lower edge, seen from at most about {:.0}° aside and \
                 {:.0}° above (best up to 10°, 30° and 30°)",
                pose.roll_deg.abs(),
                pose.aside_deg,
                pose.above_deg
            );
            self.found.push_str(&words);
            let rolled = (pose.roll_deg - pose.shear_deg).abs() > ROLL_MAX / 2.0;
            let slanting = pose.roll_deg.abs() > ROLL_MAX;
            self.advise(
                slanting && rolled,
                "turn the camera about its own axis until plates lie level",
            );
            self.advise(
                pose.aside_deg > ASIDE_MAX_DEG || (slanting && !rolled),
                "set the camera nearer to the lane's axis, or aim farther off: plates are best \
                 seen from at most 30° aside",
            );
            self.advise(
                pose.above_deg > ABOVE_MAX_DEG,
                "set the camera lower, or aim farther off: plates are best seen from at most 30° \
                 above",
            );
        }
        let doubtful = plate.confidence < CONFIDENCE_MIN && plate.width_px >= CONFIDENCE_WIDTH_PX;
        self.advise(
            doubtful,
            "plates are wide enough and yet read with doubt: shorten the shutter to 1/500 s or \
             less, and give it light",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::Lie;
    use super::*;

    fn good() -> Findings {
        Findings {
            width_px: 1920,
            height_px: 1080,
            frames_judged: 40,
            brightness_mean: 110.0,
            brightness_top: 220.0,
            black_share: 0.01,
            blown_share: 0.01,
            spread: 150.0,
            edge_px: Some(1.2),
            plates_seen: 12,
            plate: Some(Appearance {
                width_px: 180.0,
                confidence: 0.95,
                pose: Some(Lie::default()),
            }),
        }
    }

    fn judged(spoil: impl FnOnce(&mut Findings)) -> Verdict {
        let mut findings = good();
        spoil(&mut findings);
        judge(&findings, 25.0, 25.0)
    }

    #[test]
    fn a_good_picture_works_and_nothing_is_to_be_done() {
        let verdict = judged(|_| ());
        assert!(verdict.works && verdict.to_do.is_empty(), "{verdict:?}");
        assert!(verdict.found.contains("guidance 170 px"), "{verdict:?}");
    }

    #[test]
    fn a_picture_that_cannot_work_fails_unless_a_plate_was_seen_in_it() {
        type Spoil = fn(&mut Findings);
        let spoils: [(&str, Spoil); 4] = [
            ("black", |it| it.brightness_top = 20.0),
            ("blown out", |it| it.blown_share = 0.9),
            ("plain", |it| it.spread = 3.0),
            ("out of focus", |it| it.edge_px = Some(14.0)),
        ];
        for (word, spoil) in spoils {
            let verdict = judged(|it| {
                it.plate = None;
                spoil(it);
            });
            assert!(
                !verdict.works && verdict.to_do[0].contains(word),
                "{verdict:?}"
            );
            assert!(judged(spoil).works, "{word}");
        }
        let night = judged(|it| {
            it.plate = None;
            it.black_share = 0.97;
            it.brightness_mean = 19.0;
            it.edge_px = None;
        });
        assert!(
            night.works,
            "a lamp in a black street is a night: {night:?}"
        );
    }

    #[test]
    fn each_weakness_is_told_with_what_to_do() {
        type Spoil = fn(&mut Findings);
        let spoils: [(&str, Spoil); 8] = [
            ("zoom in", |it| plate_of(it).width_px = 96.0),
            ("not read", |it| plate_of(it).width_px = 33.0),
            ("own axis", |it| pose_of(it).roll_deg = -14.0),
            ("30° aside", |it| pose_of(it).aside_deg = 52.0),
            ("30° above", |it| pose_of(it).above_deg = 52.0),
            ("shutter", |it| plate_of(it).confidence = 0.3),
            ("soft", |it| it.edge_px = Some(5.0)),
            ("main stream", |it| (it.width_px, it.height_px) = (704, 576)),
        ];
        for (word, spoil) in spoils {
            let verdict = judged(spoil);
            assert!(verdict.works, "{verdict:?}");
            assert!(verdict.to_do.len() == 1, "{verdict:?}");
            assert!(verdict.to_do[0].contains(word), "{verdict:?}");
        }
        let empty = judged(|it| it.plate = None);
        assert!(empty.works && empty.to_do[0].contains("--watch 60"));
        let slow = judge(&good(), 10.0, 25.0);
        assert!(slow.works && slow.to_do[0].contains("frames_per_second_max"));
    }

    fn plate_of(findings: &mut Findings) -> &mut Appearance {
        findings.plate.get_or_insert_default()
    }

    fn pose_of(findings: &mut Findings) -> &mut Lie {
        plate_of(findings).pose.get_or_insert_default()
    }
}
