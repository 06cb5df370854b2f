//! How a plate lies before the camera, from its four corners.

use crate::core::geometry::{Point, Quad};

/// Width to height of a plate in one row: 520 x 110 mm.
const ASPECT: f32 = 520.0 / 110.0;

/// How a plate lies. All are estimates: a corner that is off by a pixel on a plate 20 px high may
/// make 15 degrees out of none, and corners that take the holder in make too much of the angle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// How far the lower edge is turned from level, in degrees, clockwise above 0.
    pub roll_deg: f32,
    /// How far its left and right sides lean against a right angle with the lower edge, in
    /// degrees, as they do when it is seen from the side and from above at once.
    pub shear_deg: f32,
    /// From how far aside it is seen, in degrees: 0 is straight from before.
    pub aside_deg: f32,
    /// From how far above, or below.
    pub above_deg: f32,
}

impl Pose {
    /// Of a plate in one row; none when its corners make no plate.
    ///
    /// Without perspective within the plate, which is small, the lower edge is
    /// `s w (cos a, sin a sin b)` and the side `s h (0, cos b)` once the camera's own roll is taken
    /// back, `a` being the angle aside and `b` the angle above; that is solved for `s`.
    #[must_use]
    pub fn of(quad: &Quad) -> Option<Self> {
        let [tl, tr, br, bl] = quad.0;
        let across = middle(between(tl, tr), between(bl, br));
        let down = middle(between(tl, bl), between(tr, br));
        let lower = between(bl, br);
        let height = down.x.hypot(down.y);
        let cross = across.x * down.y - across.y * down.x;
        if !cross.is_finite() || cross <= 1.0 || height < 1.0 {
            return None;
        }
        let along = (across.x * down.x + across.y * down.y) / height;
        let (a, b, c) = (cross / height / ASPECT, along / ASPECT, height);
        let q = a * a + b * b + c * c;
        let scale = ((q + (q * q - 4.0 * a * a * c * c).max(0.0).sqrt()) / 2.0).sqrt();
        let angle = |part: f32| (part / scale).clamp(0.0, 1.0).acos().to_degrees();
        Some(Self {
            roll_deg: lower.y.atan2(lower.x).to_degrees(),
            shear_deg: along.atan2(cross / height).to_degrees(),
            aside_deg: angle(a),
            above_deg: angle(c),
        })
    }
}

fn between(a: Point, b: Point) -> Point {
    Point::new(b.x - a.x, b.y - a.y)
}

fn middle(a: Point, b: Point) -> Point {
    Point::new(f32::midpoint(a.x, b.x), f32::midpoint(a.y, b.y))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plate seen from aside and above by a camera that is rolled, without perspective.
    fn seen(aside: f32, above: f32, roll: f32) -> Quad {
        let [aside, above, roll] = [aside, above, roll].map(f32::to_radians);
        let corner = |x: f32, y: f32| {
            let (x, y) = (x * 520.0, y * 110.0);
            let (x, y) = (
                x * aside.cos(),
                y * above.cos() + x * aside.sin() * above.sin(),
            );
            let (x, y) = (
                x * roll.cos() - y * roll.sin(),
                x * roll.sin() + y * roll.cos(),
            );
            Point::new(x / 3.0 + 500.0, y / 3.0 + 500.0)
        };
        Quad([
            corner(0.0, 0.0),
            corner(1.0, 0.0),
            corner(1.0, 1.0),
            corner(0.0, 1.0),
        ])
    }

    #[test]
    fn the_angles_are_found_again() {
        for (aside, above, roll) in [
            (0.0, 0.0, 0.0),
            (40.0, 0.0, 0.0),
            (0.0, 30.0, 0.0),
            (35.0, 25.0, 0.0),
            (20.0, 30.0, 12.0),
            (0.0, 0.0, -8.0),
        ] {
            let pose = Pose::of(&seen(aside, above, roll)).unwrap();
            assert!(
                (pose.aside_deg - aside).abs() < 2.0,
                "{aside} {above}: {pose:?}"
            );
            assert!(
                (pose.above_deg - above).abs() < 2.0,
                "{aside} {above}: {pose:?}"
            );
            let rolled = pose.roll_deg - pose.shear_deg;
            assert!((rolled - roll).abs() < 1.0, "{roll}: {pose:?}");
        }
        let aslant = Pose::of(&seen(35.0, 25.0, 0.0)).unwrap();
        assert!(
            aslant.roll_deg > 10.0,
            "what is seen from aside and above rises: {aslant:?}"
        );
    }

    #[test]
    fn corners_that_make_no_plate_have_no_pose() {
        let flat = Quad([Point::new(1.0, 1.0); 4]);
        assert_eq!(Pose::of(&flat), None);
        let mut broken = seen(0.0, 0.0, 0.0);
        broken.0[2].x = f32::NAN;
        assert_eq!(Pose::of(&broken), None);
        broken.0.reverse();
        assert_eq!(Pose::of(&broken), None);
    }
}
