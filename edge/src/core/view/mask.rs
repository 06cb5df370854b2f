//! Privacy masks: parts of the picture that nothing here ever sees.

use crate::core::frame::Frame;
use crate::core::geometry::Point;
use crate::core::number::{float, floor_within, index};

/// What masked pixels become: black, without colour.
const BLACK: u8 = 16;
const NO_COLOUR: u8 = 128;
/// Most corners of a polygon, and fewest.
pub const CORNERS_MAX: usize = 32;
/// A polygon has at least so many.
pub const CORNERS_MIN: usize = 3;

/// A closed shape over a picture of any size.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon(Vec<Point>);

/// The corners make no shape. Correct them in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolygonError {
    /// Too few or too many.
    #[error("a polygon has {CORNERS_MIN} to {CORNERS_MAX} corners, this one has {0}")]
    Corners(usize),
    /// A corner outside.
    #[error(
        "corners are fractions of the picture, 0 to 1 from its top left, as [0.25, 0.9]; \
         corner {0} is not"
    )]
    Outside(usize),
    /// All corners on one line.
    #[error("its corners lie on one line: it covers nothing")]
    Flat,
}

impl Polygon {
    /// A shape from its corners in order: shares of the picture's width and height, origin at the
    /// top left. Sides may cross; what lies inside an odd number of turns is inside.
    ///
    /// # Errors
    /// [`PolygonError`].
    pub fn new(corners: &[[f32; 2]]) -> Result<Self, PolygonError> {
        if !(CORNERS_MIN..=CORNERS_MAX).contains(&corners.len()) {
            return Err(PolygonError::Corners(corners.len()));
        }
        let inside = |value: &f32| (0.0..=1.0).contains(value);
        if let Some(at) = corners.iter().position(|corner| !corner.iter().all(inside)) {
            return Err(PolygonError::Outside(at));
        }
        let points: Vec<_> = corners.iter().map(|[x, y]| Point::new(*x, *y)).collect();
        let first = points[0];
        let turn = |pair: &[Point]| {
            (pair[0].x - first.x) * (pair[1].y - first.y)
                - (pair[1].x - first.x) * (pair[0].y - first.y)
        };
        if points.windows(2).all(|pair| turn(pair).abs() < 1e-6) {
            return Err(PolygonError::Flat);
        }
        Ok(Self(points))
    }

    /// Whether a place, in shares of the picture, lies inside.
    #[must_use]
    pub fn contains(&self, place: Point) -> bool {
        let mut crossings = self.crossings(place.y);
        crossings.retain(|x| *x > place.x);
        crossings.len() % 2 == 1
    }

    /// Where the sides cross a horizontal line, from left to right.
    fn crossings(&self, y: f32) -> Vec<f32> {
        let ends = self.0.iter().zip(self.0.iter().cycle().skip(1));
        let mut found: Vec<f32> = ends
            .filter(|(a, b)| (a.y <= y) != (b.y <= y))
            .map(|(a, b)| a.x + (b.x - a.x) * (y - a.y) / (b.y - a.y))
            .collect();
        found.sort_by(f32::total_cmp);
        found
    }
}

/// One camera's masks.
#[derive(Debug, Clone, Default)]
pub struct Masks {
    polygons: Vec<Polygon>,
    /// Spans of the last size of picture: row, first column, column after the last.
    luma: Vec<Span>,
    chroma: Vec<Span>,
    sides: (usize, usize),
}

/// A part of a row.
#[derive(Debug, Clone, Copy)]
struct Span {
    row: usize,
    first: usize,
    end: usize,
}

impl Masks {
    /// Covers these shapes.
    #[must_use]
    pub fn new(polygons: Vec<Polygon>) -> Self {
        Self {
            polygons,
            ..Self::default()
        }
    }

    /// Blacks them out in a frame, in brightness and in colour. Every pixel that a shape touches
    /// is covered whole.
    pub fn cover(&mut self, frame: &mut Frame) {
        if self.polygons.is_empty() || frame.luma.is_empty() {
            return;
        }
        let sides = (index(frame.width_px), index(frame.height_px));
        if sides != self.sides {
            let half = |side: usize| side.div_ceil(2);
            self.luma = spans(&self.polygons, sides.0, sides.1);
            self.chroma = spans(&self.polygons, half(sides.0), half(sides.1));
            self.sides = sides;
        }
        fill(&mut frame.luma, sides.0, &self.luma, BLACK);
        if let Some(chroma) = &mut frame.chroma {
            for plane in [&mut chroma.u, &mut chroma.v] {
                fill(plane, sides.0.div_ceil(2), &self.chroma, NO_COLOUR);
            }
        }
    }
}

fn fill(plane: &mut [u8], width: usize, spans: &[Span], value: u8) {
    for span in spans {
        let begin = span.row * width;
        if let Some(part) = plane.get_mut(begin + span.first..begin + span.end) {
            part.fill(value);
        }
    }
}

/// Parts of rows that the shapes touch. Each row is cut at several heights, so that a corner
/// within a row is not missed, and one pixel more is taken at either end.
fn spans(polygons: &[Polygon], width: usize, height: usize) -> Vec<Span> {
    const CUTS: [f32; 5] = [0.001, 0.25, 0.5, 0.75, 0.999];
    let column = |share: f32, wider: f32| floor_within(share * float(width) + wider, width - 1);
    let mut spans = Vec::new();
    for row in 0..height {
        let heights = CUTS.map(|cut| (float(row) + cut) / float(height));
        let crossings = polygons
            .iter()
            .flat_map(|polygon| heights.map(|height| polygon.crossings(height)));
        let mut touched: Vec<(usize, usize)> = crossings
            .flat_map(|ends| {
                let pairs = ends.chunks_exact(2);
                let pairs = pairs.map(|pair| (column(pair[0], -1.0), column(pair[1], 1.0) + 1));
                pairs.collect::<Vec<_>>()
            })
            .collect();
        touched.sort_unstable();
        let mut last: Option<Span> = None;
        for (first, end) in touched {
            match &mut last {
                Some(span) if first <= span.end => span.end = span.end.max(end),
                _ => spans.extend(last.replace(Span { row, first, end })),
            }
        }
        spans.extend(last);
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::frame::Chroma;
    use crate::core::frame::tests::grey;

    fn bright(width_px: u32, height_px: u32) -> Frame {
        let mut frame = grey(width_px, height_px, |_, _| 200);
        let size = index(width_px.div_ceil(2)) * index(height_px.div_ceil(2));
        frame.chroma = Some(Chroma {
            u: vec![30; size],
            v: vec![220; size],
        });
        frame
    }

    #[test]
    fn c37_every_pixel_inside_is_black_and_those_far_outside_stay() {
        let window = Polygon::new(&[[0.1, 0.1], [0.5, 0.2], [0.4, 0.6]]).unwrap();
        for (width, height) in [(192, 108), (321, 181), (64, 200)] {
            let mut frame = bright(width, height);
            Masks::new(vec![window.clone()]).cover(&mut frame);
            let (columns, rows) = (index(width), index(height));
            let mut covered = 0;
            for (x, y) in (0..rows).flat_map(|y| (0..columns).map(move |x| (x, y))) {
                let share = |dx: f32, dy: f32| {
                    let place = Point::new(float(x) + dx, float(y) + dy);
                    Point::new(place.x / float(columns), place.y / float(rows))
                };
                let touches = [
                    (0.05, 0.05),
                    (0.95, 0.05),
                    (0.5, 0.5),
                    (0.05, 0.95),
                    (0.95, 0.95),
                ]
                .iter()
                .any(|(dx, dy)| window.contains(share(*dx, *dy)));
                if touches {
                    covered += 1;
                    assert_eq!(
                        frame.luma[y * columns + x],
                        BLACK,
                        "{x},{y} of {width}x{height}"
                    );
                    let at = y / 2 * columns.div_ceil(2) + x / 2;
                    let chroma = frame.chroma.as_ref().unwrap();
                    assert_eq!((chroma.u[at], chroma.v[at]), (NO_COLOUR, NO_COLOUR));
                }
            }
            let black = frame.luma.iter().filter(|v| **v == BLACK).count();
            assert!(covered > columns * rows / 12, "{covered}");
            assert!(black < covered + 6 * rows, "{black} for {covered}");
        }
    }

    #[test]
    fn a_whole_picture_can_be_covered_and_none_is_without_masks() {
        let all = Polygon::new(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]).unwrap();
        let mut frame = bright(63, 35);
        Masks::default().cover(&mut frame);
        assert_eq!(frame, bright(63, 35));
        Masks::new(vec![all]).cover(&mut frame);
        assert!(frame.luma.iter().all(|v| *v == BLACK));
        assert!(frame.chroma.unwrap().v.iter().all(|v| *v == NO_COLOUR));
    }

    #[test]
    fn shapes_that_are_none_are_refused() {
        let err = |corners: &[[f32; 2]]| Polygon::new(corners).unwrap_err();
        assert_eq!(err(&[[0.0, 0.0], [1.0, 1.0]]), PolygonError::Corners(2));
        assert_eq!(
            err(&[[0.0, 0.0], [1.2, 1.0], [0.0, 1.0]]),
            PolygonError::Outside(1)
        );
        assert_eq!(
            err(&[[0.0, 0.0], [f32::NAN, 1.0], [0.0, 1.0]]),
            PolygonError::Outside(1)
        );
        assert_eq!(
            err(&[[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]]),
            PolygonError::Flat
        );
    }
}
