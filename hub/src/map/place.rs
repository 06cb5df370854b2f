//! A place on the map, and how far two are from one another.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

/// Parts of a degree that are kept: a centimetre.
const PARTS_A_DEGREE: f64 = 1e7;
/// Highest latitude, north and south: beyond are no gates, and degrees of longitude lose their
/// meaning.
pub const LATITUDE_MAX: f64 = 85.0;
/// Highest longitude, east and west.
pub const LONGITUDE_MAX: f64 = 180.0;
/// The Earth's half axis at the equator, in metres (WGS84).
const EQUATOR_M: f64 = 6_378_137.0;
/// By how much the Earth is flatter than a ball (WGS84).
const FLATTENING: f64 = 1.0 / 298.257_223_563;

/// These are no coordinates of a place. Whoever gave them looks at them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PlaceError {
    /// The latitude.
    #[error(
        "a latitude is a number of degrees from -{LATITUDE_MAX} to {LATITUDE_MAX}, north positive"
    )]
    Latitude,
    /// The longitude.
    #[error(
        "a longitude is a number of degrees from -{LONGITUDE_MAX} to {LONGITUDE_MAX}, east positive"
    )]
    Longitude,
}

/// A point on the ground, WGS84, to a ten-millionth of a degree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    latitude_e7: i32,
    longitude_e7: i32,
}

/// A place as the API shows it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceView {
    /// WGS84, in degrees, north positive.
    pub latitude: f64,
    /// WGS84, in degrees, east positive.
    pub longitude: f64,
}

impl From<Place> for PlaceView {
    fn from(place: Place) -> Self {
        Self {
            latitude: place.latitude(),
            longitude: place.longitude(),
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the degrees are at most 180, in parts 1.8e9, which an i32 holds"
)]
fn parts(degrees: f64) -> i32 {
    (degrees * PARTS_A_DEGREE).round() as i32
}

/// Degrees of latitude, checked.
pub(super) fn latitude(degrees: f64) -> Result<f64, PlaceError> {
    let fits = (-LATITUDE_MAX..=LATITUDE_MAX).contains(&degrees);
    fits.then_some(degrees).ok_or(PlaceError::Latitude)
}

/// Degrees of longitude, checked.
pub(super) fn longitude(degrees: f64) -> Result<f64, PlaceError> {
    let fits = (-LONGITUDE_MAX..=LONGITUDE_MAX).contains(&degrees);
    fits.then_some(degrees).ok_or(PlaceError::Longitude)
}

impl Place {
    /// From degrees.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn new(latitude_degrees: f64, longitude_degrees: f64) -> Result<Self, PlaceError> {
        Ok(Self {
            latitude_e7: parts(latitude(latitude_degrees)?),
            longitude_e7: parts(longitude(longitude_degrees)?),
        })
    }

    /// From ten-millionths of a degree, as they are stored.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn from_e7(latitude_e7: i32, longitude_e7: i32) -> Result<Self, PlaceError> {
        let degrees = |e7| f64::from(e7) / PARTS_A_DEGREE;
        Self::new(degrees(latitude_e7), degrees(longitude_e7))
    }

    /// Latitude and longitude in ten-millionths of a degree.
    #[must_use]
    pub fn e7(self) -> (i32, i32) {
        (self.latitude_e7, self.longitude_e7)
    }

    /// Degrees, north positive.
    #[must_use]
    pub fn latitude(self) -> f64 {
        f64::from(self.latitude_e7) / PARTS_A_DEGREE
    }

    /// Degrees, east positive.
    #[must_use]
    pub fn longitude(self) -> f64 {
        f64::from(self.longitude_e7) / PARTS_A_DEGREE
    }

    /// Metres along the ground to another place, by Lambert's formula on the ellipsoid. Over some
    /// hundred kilometres it is true to a few metres, where a ball would be off by five in a thousand.
    #[must_use]
    pub fn distance_m(self, other: Self) -> f64 {
        let reduced = |place: Self| {
            let latitude = place.latitude().to_radians();
            ((1.0 - FLATTENING) * latitude.tan()).atan()
        };
        let (here, there) = (reduced(self), reduced(other));
        let across = (other.longitude() - self.longitude()).to_radians();
        let half = |angle: f64| (angle / 2.0).sin().powi(2);
        let chord = half(there - here) + here.cos() * there.cos() * half(across);
        if chord <= 0.0 {
            return 0.0;
        }
        let angle = 2.0 * chord.sqrt().min(1.0).asin();
        let (middle, apart) = (f64::midpoint(here, there), (there - here) / 2.0);
        let x = (angle - angle.sin()) * (middle.sin() * apart.cos() / (angle / 2.0).cos()).powi(2);
        let y = (angle + angle.sin()) * (middle.cos() * apart.sin() / (angle / 2.0).sin()).powi(2);
        EQUATOR_M * (angle - FLATTENING / 2.0 * (x + y))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.5}, {:.5}", self.latitude(), self.longitude())
    }
}

#[cfg(test)]
mod tests {
    use crate::map::place::*;

    fn place(latitude: f64, longitude: f64) -> Place {
        Place::new(latitude, longitude).unwrap()
    }

    #[test]
    fn what_is_no_place_is_refused_and_says_which_number() {
        for wrong in [85.1, -90.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Place::new(wrong, 12.0), Err(PlaceError::Latitude));
        }
        for wrong in [180.1, -181.0, f64::NAN] {
            assert_eq!(Place::new(43.0, wrong), Err(PlaceError::Longitude));
        }
        let said = PlaceError::Latitude.to_string();
        assert!(said.contains("-85 to 85"), "{said}");
    }

    #[test]
    fn a_place_comes_back_from_the_disk_as_it_went() {
        for (latitude, longitude) in [(43.110_717, 12.390_828), (-34.6, -180.0), (85.0, 180.0)] {
            let there = place(latitude, longitude);
            let (latitude_e7, longitude_e7) = there.e7();
            assert_eq!(Place::from_e7(latitude_e7, longitude_e7), Ok(there));
            assert!((there.latitude() - latitude).abs() < 1e-7);
        }
        assert_eq!(Place::from_e7(i32::MAX, 0), Err(PlaceError::Latitude));
        assert_eq!(
            place(43.110_717, 12.390_828).to_string(),
            "43.11072, 12.39083"
        );
    }

    #[test]
    fn distances_are_real_metres() {
        for (from, to, metres, off_max) in [
            // The line of Australia's survey that Vincenty's own paper measures: on GRS80, 0.1 mm from
            // WGS84 here.
            (
                (-37.951_033_4, 144.424_867_9),
                (-37.652_821_1, 143.926_495_5),
                54_972.27,
                0.1,
            ),
            // A degree's hundredth at 43 degrees north, by the series of the meridian and the parallel.
            ((43.0, 12.0), (43.01, 12.0), 1_110.9, 0.1),
            ((43.0, 12.0), (43.0, 12.01), 815.4, 0.1),
            // A hundredth of a degree on the equator.
            ((0.0, 9.0), (0.0, 9.01), 1_113.195, 0.01),
        ] {
            let (from, to) = (place(from.0, from.1), place(to.0, to.1));
            let found = from.distance_m(to);
            assert!((found - metres).abs() < off_max, "{found} for {metres}");
            assert!((to.distance_m(from) - found).abs() < 1e-6, "either way");
        }
        assert!(place(43.0, 12.0).distance_m(place(43.0, 12.0)) < 1e-9);
    }
}
