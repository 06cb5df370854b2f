//! Corners and boxes of plates.
//!
//! Pixel `k` covers `k..k+1`, so a picture's corners are `(0, 0)` and `(width, height)`.

use super::number::float_px;

/// A place in a picture: origin at the top left, x to the right, y down, pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// Down.
    pub y: f32,
}

impl Point {
    /// A place.
    #[must_use]
    pub const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }

    /// How far it is to another, in pixels.
    #[must_use]
    pub fn distance(self, other: Self) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }

    /// This place moved by a share of the way from `a` to `b`.
    #[must_use]
    pub fn along(self, a: Self, b: Self, share: f32) -> Self {
        Self::new(self.x + (b.x - a.x) * share, self.y + (b.y - a.y) * share)
    }
}

/// The four corners of a plate as its reader sees them: top left, top right, bottom right,
/// bottom left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quad(pub [Point; 4]);

impl Quad {
    /// The corners of an upright box.
    #[must_use]
    pub const fn from_bounds(b: Bounds) -> Self {
        Self([
            Point::new(b.left, b.top),
            Point::new(b.right, b.top),
            Point::new(b.right, b.bottom),
            Point::new(b.left, b.bottom),
        ])
    }

    /// The smallest upright box round it.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        let mut b = Bounds {
            left: f32::INFINITY,
            top: f32::INFINITY,
            right: f32::NEG_INFINITY,
            bottom: f32::NEG_INFINITY,
        };
        for p in self.0 {
            b.left = b.left.min(p.x);
            b.top = b.top.min(p.y);
            b.right = b.right.max(p.x);
            b.bottom = b.bottom.max(p.y);
        }
        b
    }

    /// Each corner half way to the other's.
    #[must_use]
    pub fn half_way_to(&self, other: &Self) -> Self {
        let mut quad = *self;
        for (mine, its) in quad.0.iter_mut().zip(other.0) {
            *mine = Point::new(f32::midpoint(mine.x, its.x), f32::midpoint(mine.y, its.y));
        }
        quad
    }

    /// As it lies in the mirrored picture of this width, again from its reader's top left.
    #[must_use]
    pub fn mirrored(&self, width_px: u32) -> Self {
        let width = float_px(width_px);
        let [tl, tr, br, bl] = self.0.map(|p| Point::new(width - p.x, p.y));
        Self([tr, tl, bl, br])
    }

    /// The mean of the corners.
    #[must_use]
    pub fn centre(&self) -> Point {
        let [a, b, c, d] = self.0;
        Point::new((a.x + b.x + c.x + d.x) / 4.0, (a.y + b.y + c.y + d.y) / 4.0)
    }

    /// Mean length of the upper and the lower side, in pixels.
    #[must_use]
    pub fn width_px(&self) -> f32 {
        let [tl, tr, br, bl] = self.0;
        (tl.distance(tr) + bl.distance(br)) / 2.0
    }

    /// Mean length of the left and the right side, in pixels.
    #[must_use]
    pub fn height_px(&self) -> f32 {
        let [tl, tr, br, bl] = self.0;
        (tl.distance(bl) + tr.distance(br)) / 2.0
    }

    /// How far the corner lies that is farthest from the other's, in pixels.
    #[must_use]
    pub fn farthest_px(&self, other: &Self) -> f32 {
        let corners = self.0.iter().zip(other.0);
        corners.fold(0.0, |most, (mine, its)| most.max(mine.distance(its)))
    }

    /// By how many degrees its angle at the upper left or the lower right differs from a right
    /// one, the worse of the two; 0 where a side has no length.
    #[must_use]
    pub fn slant_deg(&self) -> f32 {
        let [tl, tr, br, bl] = self.0;
        let slant = |at: Point, a: Point, b: Point| {
            let along = (a.x - at.x) * (b.x - at.x) + (a.y - at.y) * (b.y - at.y);
            let sides = at.distance(a) * at.distance(b);
            if sides > 0.0 {
                (along.abs() / sides).min(1.0).asin().to_degrees()
            } else {
                0.0
            }
        };
        slant(tl, tr, bl).max(slant(br, bl, tr))
    }

    /// Every corner moved outwards along both its sides by these shares of the sides.
    #[must_use]
    pub fn enlarged(&self, margin_x: f32, margin_y: f32) -> Self {
        let [tl, tr, br, bl] = self.0;
        Self([
            tl.along(tr, tl, margin_x).along(bl, tl, margin_y),
            tr.along(tl, tr, margin_x).along(br, tr, margin_y),
            br.along(bl, br, margin_x).along(tr, br, margin_y),
            bl.along(br, bl, margin_x).along(tl, bl, margin_y),
        ])
    }

    /// Whether every corner is a number within `limit_px` of the origin.
    #[must_use]
    pub fn is_within(&self, limit_px: f32) -> bool {
        self.0
            .iter()
            .all(|p| p.x.abs() <= limit_px && p.y.abs() <= limit_px)
    }
}

/// An upright box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Left side.
    pub left: f32,
    /// Upper side.
    pub top: f32,
    /// Right side.
    pub right: f32,
    /// Lower side.
    pub bottom: f32,
}

impl Bounds {
    /// The part of it within a picture of these sides: what of a plate at the edge can be seen.
    #[must_use]
    pub fn within(&self, width_px: u32, height_px: u32) -> Self {
        let (width, height) = (float_px(width_px), float_px(height_px));
        Self {
            left: self.left.clamp(0.0, width),
            top: self.top.clamp(0.0, height),
            right: self.right.clamp(0.0, width),
            bottom: self.bottom.clamp(0.0, height),
        }
    }

    /// Area in square pixels; 0 when the sides are crossed.
    #[must_use]
    pub fn area(&self) -> f32 {
        (self.right - self.left).max(0.0) * (self.bottom - self.top).max(0.0)
    }

    /// Intersection over union, 0 when they do not meet.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f32 {
        let met = Self {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
        .area();
        if met > 0.0 {
            met / (self.area() + other.area() - met)
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: Bounds = Bounds {
        left: 10.0,
        top: 20.0,
        right: 110.0,
        bottom: 40.0,
    };

    #[test]
    fn a_quad_mirrored_twice_is_itself_and_stays_in_its_readers_order() {
        let quad = Quad([
            Point::new(10.0, 20.0),
            Point::new(110.0, 30.0),
            Point::new(105.0, 60.0),
            Point::new(5.0, 50.0),
        ]);
        let mirrored = quad.mirrored(200);
        assert_eq!(mirrored.0[0], Point::new(90.0, 30.0));
        assert_eq!(mirrored.0[3], Point::new(95.0, 60.0));
        assert_eq!(mirrored.mirrored(200), quad);
    }

    #[test]
    fn a_slant_is_told_of_the_worse_angle_and_a_rotation_is_none() {
        assert!(Quad::from_bounds(BOX).slant_deg() < 1e-3);
        let turned = Quad([(0.0, 0.0), (80.0, 60.0), (65.0, 80.0), (-15.0, 20.0)].map(point));
        assert!(turned.slant_deg() < 1e-3);
        assert!((turned.farthest_px(&Quad([Point::default(); 4])) - 103.078).abs() < 1e-2);
        let sheared = Quad([(20.0, 0.0), (120.0, 0.0), (100.0, 20.0), (0.0, 20.0)].map(point));
        assert!((sheared.slant_deg() - 45.0).abs() < 1e-3);
        assert!(Quad([Point::default(); 4]).slant_deg().abs() < 1e-6);
    }

    fn point((x, y): (f32, f32)) -> Point {
        Point::new(x, y)
    }

    #[test]
    fn of_a_box_at_the_edge_the_part_within_the_picture_counts() {
        let seen = Bounds { left: -30.0, ..BOX }.within(100, 400);
        assert_eq!((seen.left, seen.right), (0.0, 100.0));
        assert_eq!((seen.top, seen.bottom), (BOX.top, BOX.bottom));
        let outside = Bounds {
            left: -30.0,
            right: -10.0,
            ..BOX
        };
        assert!(outside.within(100, 400).area() <= 0.0);
    }

    #[test]
    fn the_overlap_of_boxes_is_a_share_of_their_union() {
        let half = Bounds {
            left: 60.0,
            right: 160.0,
            ..BOX
        };
        assert!((BOX.iou(&BOX) - 1.0).abs() < 1e-6);
        assert!((BOX.iou(&half) - 50.0 / 150.0).abs() < 1e-6);
        assert!(
            BOX.iou(&Bounds {
                left: 110.0,
                right: 120.0,
                ..BOX
            })
            .abs()
                < 1e-6
        );
    }

    #[test]
    fn a_box_without_area_or_with_nan_overlaps_nothing() {
        let flat = Bounds {
            bottom: 20.0,
            ..BOX
        };
        assert!(flat.iou(&flat).abs() < 1e-6);
        let nan = Bounds {
            left: f32::NAN,
            right: f32::NAN,
            ..BOX
        };
        assert!(!nan.iou(&nan).is_nan());
    }

    #[test]
    fn a_quad_grows_along_its_own_sides() {
        let grown = Quad::from_bounds(BOX).enlarged(0.1, 0.5).bounds();
        let wanted = Bounds {
            left: 0.0,
            top: 10.0,
            right: 120.0,
            bottom: 50.0,
        };
        assert_eq!(grown, wanted);
    }

    #[test]
    fn a_quad_that_is_not_a_number_lies_nowhere() {
        let mut quad = Quad::from_bounds(BOX);
        assert!(quad.is_within(1000.0));
        quad.0[2].y = f32::NAN;
        assert!(!quad.is_within(1000.0));
    }
}
