//! An area on the map: a rectangle of degrees, or a circle of metres.

use serde::Serialize;
use thiserror::Error;

use crate::map::place::{LATITUDE_MAX, LONGITUDE_MAX, Place, PlaceError, latitude, longitude};

/// Smallest radius of a circle, in metres: what a place is known to.
pub const RADIUS_M_MIN: f64 = 1.0;
/// Largest.
pub const RADIUS_M_MAX: f64 = 200_000.0;
/// Fewest metres that a degree of latitude has, on the ellipsoid.
const METRES_A_DEGREE_MIN: f64 = 110_574.0;

/// What was given is no area. Whoever asks mends it and asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AreaError {
    /// A coordinate.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Nothing lies in it.
    #[error("`south` lies at or north of `north`")]
    Latitudes,
    /// Nothing lies in it, or it goes over the meridian where the day changes.
    #[error(
        "`west` lies at or east of `east`; an area over the 180th meridian is asked for in two parts"
    )]
    Longitudes,
    /// The radius.
    #[error("the radius is {RADIUS_M_MIN} to {RADIUS_M_MAX} metres")]
    Radius,
    /// It reaches where latitudes and longitudes are no longer those of a map.
    #[error(
        "the circle reaches over the 180th meridian or beyond {LATITUDE_MAX} degrees north or south: \
         choose a smaller one"
    )]
    Reach,
}

/// An area on the map. The edge belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// Between two latitudes and two longitudes, in degrees.
    Rectangle {
        /// Its lower edge.
        south: f64,
        /// Its left edge.
        west: f64,
        /// Its upper edge.
        north: f64,
        /// Its right edge.
        east: f64,
    },
    /// Around a place.
    Circle {
        /// Of the centre, in degrees.
        latitude: f64,
        /// Of the centre, in degrees.
        longitude: f64,
        /// In metres along the ground.
        radius_m: f64,
    },
}

impl Area {
    /// The rectangle with these edges, in degrees.
    ///
    /// # Errors
    /// [`AreaError`].
    pub fn rectangle(south: f64, west: f64, north: f64, east: f64) -> Result<Self, AreaError> {
        let (south, north) = (latitude(south)?, latitude(north)?);
        let (west, east) = (longitude(west)?, longitude(east)?);
        if south >= north {
            return Err(AreaError::Latitudes);
        }
        if west >= east {
            return Err(AreaError::Longitudes);
        }
        Ok(Self::Rectangle {
            south,
            west,
            north,
            east,
        })
    }

    /// The circle of so many metres around a place.
    ///
    /// # Errors
    /// [`AreaError`].
    pub fn circle(centre: Place, radius_m: f64) -> Result<Self, AreaError> {
        if !(RADIUS_M_MIN..=RADIUS_M_MAX).contains(&radius_m) {
            return Err(AreaError::Radius);
        }
        let (latitude, longitude) = (centre.latitude(), centre.longitude());
        let up = radius_m / METRES_A_DEGREE_MIN;
        let farthest = latitude.abs() + up;
        if farthest > LATITUDE_MAX {
            return Err(AreaError::Reach);
        }
        let aside = up / farthest.to_radians().cos();
        if longitude.abs() + aside > LONGITUDE_MAX {
            return Err(AreaError::Reach);
        }
        Ok(Self::Circle {
            latitude,
            longitude,
            radius_m,
        })
    }

    /// Whether a place lies in it.
    #[must_use]
    pub fn has(self, place: Place) -> bool {
        match self {
            Self::Rectangle {
                south,
                west,
                north,
                east,
            } => {
                (south..=north).contains(&place.latitude())
                    && (west..=east).contains(&place.longitude())
            }
            Self::Circle {
                latitude,
                longitude,
                radius_m,
            } => Place::new(latitude, longitude)
                .is_ok_and(|centre| centre.distance_m(place) <= radius_m),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::map::area::*;

    fn place(latitude: f64, longitude: f64) -> Place {
        Place::new(latitude, longitude).unwrap()
    }

    #[test]
    fn a_rectangle_has_what_lies_between_its_edges_and_on_them() {
        let area = Area::rectangle(43.0, 12.0, 43.2, 12.5).unwrap();
        for (latitude, longitude, inside) in [
            (43.1, 12.3, true),
            (43.0, 12.0, true),
            (43.2, 12.5, true),
            (42.999_999_9, 12.3, false),
            (43.200_000_1, 12.3, false),
            (43.1, 11.999_999_9, false),
            (43.1, 12.500_000_1, false),
        ] {
            let there = place(latitude, longitude);
            assert_eq!(area.has(there), inside, "{latitude} {longitude}");
        }
        let south_west = Area::rectangle(-35.0, -59.0, -34.0, -58.0).unwrap();
        assert!(south_west.has(place(-34.6, -58.4)) && !south_west.has(place(34.6, 58.4)));
    }

    #[test]
    fn a_circle_is_round_on_the_ground_and_not_in_degrees() {
        let centre = place(43.0, 12.0);
        let area = Area::circle(centre, 1000.0).unwrap();
        assert!(area.has(centre));
        // A hundredth of a degree is 1111 m to the north, and 815 m to the east.
        assert!(!area.has(place(43.01, 12.0)) && area.has(place(43.0, 12.01)));
        // 707 m each way lie just on the inner side, 708 m on the outer.
        let diagonal = |metres: f64| place(43.0 + metres / 111_092.0, 12.0 + metres / 81_541.0);
        assert!(area.has(diagonal(706.5)) && !area.has(diagonal(707.7)));
    }

    #[test]
    fn what_is_no_area_is_refused() {
        let rectangle = Area::rectangle;
        assert_eq!(rectangle(43.2, 12.0, 43.0, 12.5), Err(AreaError::Latitudes));
        assert_eq!(rectangle(43.0, 12.0, 43.0, 12.5), Err(AreaError::Latitudes));
        let over = rectangle(-18.0, 179.0, -17.0, -179.0);
        assert_eq!(over, Err(AreaError::Longitudes));
        assert!(over.unwrap_err().to_string().contains("180th meridian"));
        for wrong in [(-91.0, 12.0), (f64::NAN, 12.0)] {
            let refused = rectangle(wrong.0, wrong.1, 43.0, 13.0);
            assert_eq!(refused, Err(PlaceError::Latitude.into()));
        }
        assert_eq!(
            rectangle(43.0, -200.0, 44.0, 13.0),
            Err(PlaceError::Longitude.into())
        );
        let circle =
            |latitude, longitude, radius_m| Area::circle(place(latitude, longitude), radius_m);
        for wrong in [0.0, -5.0, 200_001.0, f64::NAN] {
            assert_eq!(circle(43.0, 12.0, wrong), Err(AreaError::Radius), "{wrong}");
        }
        assert_eq!(
            circle(84.99, 12.0, 5000.0),
            Err(AreaError::Reach),
            "the pole"
        );
        assert_eq!(circle(-17.8, 179.99, 5000.0), Err(AreaError::Reach));
        assert!(circle(-17.8, 179.9, 5000.0).is_ok());
    }
}
