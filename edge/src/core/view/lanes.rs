//! On which lane a vehicle passed, and whether it came in or went out.

use varco_proto::ids::LaneId;
use varco_proto::transit::{Direction, Travel};

use super::mask::Polygon;
use crate::core::geometry::Point;
use crate::core::number::float;

/// An arrow says something once the plate has moved this share of the picture along it.
const MOVED_MIN: f32 = 0.03;
/// A zone is a vehicle's when it holds at least this share of the places where it was seen.
const WITHIN_MIN: f32 = 0.25;

/// A lane as a camera sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneZone {
    /// The lane's name.
    pub lane: LaneId,
    /// Where its vehicles' plates are.
    pub area: Polygon,
    /// Which way leads in; none when nobody said.
    pub inward: Option<Inward>,
}

/// Which way leads into the gate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Inward {
    /// Towards the camera: plates grow.
    Towards,
    /// Away from the camera: plates shrink.
    Away,
    /// Across the picture: to the right and down, in shares of its width and height.
    Along(Point),
}

/// Where a pass belongs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placed {
    /// None outside all zones.
    pub lane: Option<LaneId>,
    /// None when the zone does not say, or the vehicle stood.
    pub travel: Option<Travel>,
}

/// Places a pass.
///
/// `path` holds the plate's centres in the order they were seen, in shares of the
/// picture; `direction` is whether the plate grew. Of zones that overlap the one with most of the
/// path is taken, the first in the configuration when they are even.
#[must_use]
pub fn place(zones: &[LaneZone], path: &[Point], direction: Option<Direction>) -> Placed {
    let within = |zone: &LaneZone| path.iter().filter(|p| zone.area.contains(**p)).count();
    let mut best: Option<(usize, &LaneZone)> = None;
    for zone in zones {
        let count = within(zone);
        let enough = count > 0 && float(count) >= WITHIN_MIN * float(path.len());
        if enough && best.is_none_or(|(most, _)| count > most) {
            best = Some((count, zone));
        }
    }
    best.map_or_else(Placed::default, |(_, zone)| Placed {
        lane: Some(zone.lane.clone()),
        travel: zone
            .inward
            .and_then(|inward| travel(inward, path, direction)),
    })
}

fn travel(inward: Inward, path: &[Point], direction: Option<Direction>) -> Option<Travel> {
    let comes_in = match (inward, direction) {
        (Inward::Towards, Some(seen)) => seen == Direction::Towards,
        (Inward::Away, Some(seen)) => seen == Direction::Away,
        (Inward::Along(arrow), _) => {
            let (first, last) = (path.first()?, path.last()?);
            let length = arrow.distance(Point::default());
            let moved = (last.x - first.x) * arrow.x + (last.y - first.y) * arrow.y;
            if length <= 0.0 || (moved / length).abs() < MOVED_MIN {
                return None;
            }
            moved > 0.0
        }
        (_, None) => return None,
    };
    Some(if comes_in { Travel::In } else { Travel::Out })
}

/// The places where a plate was seen, thinned out so that a vehicle that stands for an hour takes
/// no more room than one that passes.
#[derive(Debug, Clone, Default)]
pub struct Path {
    places: Vec<Point>,
    last: Option<Point>,
    seen: usize,
    every: usize,
}

/// Places kept.
const PLACES_MAX: usize = 64;

impl Path {
    /// Takes the next place.
    pub fn see(&mut self, place: Point) {
        self.every = self.every.max(1);
        if self.seen.is_multiple_of(self.every) {
            if self.places.len() >= PLACES_MAX {
                let mut at = 0;
                self.places.retain(|_| {
                    at += 1;
                    at % 2 == 1
                });
                self.every *= 2;
            }
            self.places.push(place);
        }
        self.seen += 1;
        self.last = Some(place);
    }

    /// Takes over the places of another sight of the same plate when it has more of them.
    pub fn absorb(&mut self, other: Self) {
        if other.seen > self.seen {
            *self = other;
        }
    }

    /// The places in their order, the first and the last among them.
    #[must_use]
    pub fn places(&self) -> Vec<Point> {
        let mut places = self.places.clone();
        if self.last.is_some() && places.last() != self.last.as_ref() {
            places.extend(self.last);
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(lane: &str, left: f32, right: f32, inward: Option<Inward>) -> LaneZone {
        let corners = [[left, 0.0], [right, 0.0], [right, 1.0], [left, 1.0]];
        LaneZone {
            lane: lane.parse().unwrap(),
            area: Polygon::new(&corners).unwrap(),
            inward,
        }
    }

    fn ride(from: (f32, f32), to: (f32, f32)) -> Vec<Point> {
        let (from, to) = (Point::new(from.0, from.1), Point::new(to.0, to.1));
        (0..20_u8)
            .map(|k| from.along(from, to, f32::from(k) / 19.0))
            .collect()
    }

    #[test]
    fn c62_part_lane_and_way_come_from_the_zone_that_holds_most_of_the_path() {
        let zones = [
            zone("1", 0.0, 0.5, Some(Inward::Towards)),
            zone("2", 0.5, 1.0, Some(Inward::Away)),
        ];
        let left = ride((0.3, 0.2), (0.2, 0.9));
        let drifting = ride((0.45, 0.9), (0.8, 0.2));
        for (path, seen, lane, travel) in [
            (&left, Some(Direction::Towards), "1", Some(Travel::In)),
            (&left, Some(Direction::Away), "1", Some(Travel::Out)),
            (&left, None, "1", None),
            (&drifting, Some(Direction::Away), "2", Some(Travel::In)),
            (&drifting, Some(Direction::Towards), "2", Some(Travel::Out)),
        ] {
            let placed = place(&zones, path, seen);
            assert_eq!(placed.lane.as_ref().map(LaneId::as_str), Some(lane));
            assert_eq!(placed.travel, travel);
        }
    }

    #[test]
    fn c62_part_an_arrow_across_the_picture_tells_in_from_out() {
        let zones = [zone(
            "solo",
            0.1,
            0.9,
            Some(Inward::Along(Point::new(1.0, 0.0))),
        )];
        for (path, travel) in [
            (ride((0.2, 0.5), (0.8, 0.6)), Some(Travel::In)),
            (ride((0.8, 0.6), (0.2, 0.5)), Some(Travel::Out)),
            (ride((0.5, 0.5), (0.51, 0.9)), None),
        ] {
            assert_eq!(place(&zones, &path, None).travel, travel);
        }
    }

    #[test]
    fn outside_all_zones_nothing_is_said() {
        let zones = [zone("1", 0.0, 0.2, Some(Inward::Towards))];
        let far = ride((0.6, 0.2), (0.7, 0.9));
        assert_eq!(
            place(&zones, &far, Some(Direction::Towards)),
            Placed::default()
        );
        let touching = ride((0.15, 0.1), (0.95, 0.9));
        assert_eq!(place(&zones, &touching, None).lane, None);
        assert_eq!(place(&[], &far, None), Placed::default());
        assert_eq!(place(&zones, &[], None), Placed::default());
    }

    #[test]
    fn a_long_stay_takes_no_more_room_and_keeps_both_ends() {
        let mut path = Path::default();
        for k in 0..5000_u16 {
            path.see(Point::new(f32::from(k), 0.0));
        }
        let places = path.places();
        assert!(places.len() <= PLACES_MAX + 1, "{}", places.len());
        assert_eq!((places[0].x, places[places.len() - 1].x), (0.0, 4999.0));
        assert!(places.windows(2).all(|pair| pair[0].x < pair[1].x));
    }
}
