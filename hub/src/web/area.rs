//! An area on the map, as a question asks for it and as its answer tells of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::errors::ApiError;
use crate::map::area::{Area, AreaError};
use crate::map::gates::Within;
use crate::map::place::Place;

/// An area: a rectangle or a circle. WGS84, in degrees, north and east positive; the edge belongs to
/// it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AreaRequest {
    /// Between two latitudes and two longitudes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rectangle: Option<RectangleRequest>,
    /// Around a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circle: Option<CircleRequest>,
}

/// A rectangle, in degrees; not over the 180th meridian.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RectangleRequest {
    /// Its lower edge, -85 to 85.
    #[schema(minimum = -85, maximum = 85, example = 43.05)]
    pub south: f64,
    /// Its left edge, -180 to 180.
    #[schema(minimum = -180, maximum = 180, example = 12.30)]
    pub west: f64,
    /// Its upper edge.
    #[schema(minimum = -85, maximum = 85, example = 43.15)]
    pub north: f64,
    /// Its right edge.
    #[schema(minimum = -180, maximum = 180, example = 12.45)]
    pub east: f64,
}

/// A circle on the ground; not over the 180th meridian, nor near a pole.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CircleRequest {
    /// Of its centre, -85 to 85 degrees.
    #[schema(minimum = -85, maximum = 85, example = 43.1107)]
    pub latitude: f64,
    /// Of its centre, -180 to 180 degrees.
    #[schema(minimum = -180, maximum = 180, example = 12.3908)]
    pub longitude: f64,
    /// In metres, 1 to 200000.
    #[schema(minimum = 1, maximum = 200_000, example = 500)]
    pub radius_m: f64,
}

/// What stands in the area that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AreaView {
    /// Gates that stand in it, with themselves or with a camera; with none nothing is found.
    pub gates: Vec<String>,
    /// Gates of which nobody said where they stand. They may stand in it, and are not searched.
    pub gates_without_place: usize,
}

impl From<&Within> for AreaView {
    fn from(within: &Within) -> Self {
        let gates = within.gates_touched();
        Self {
            gates: gates.into_iter().map(ToString::to_string).collect(),
            gates_without_place: within.unplaced,
        }
    }
}

impl AreaRequest {
    /// Checks what was sent.
    ///
    /// # Errors
    /// [`ApiError::Field`].
    pub fn check(&self) -> Result<Area, ApiError> {
        let wrong = |error: AreaError| ApiError::field("area", error.to_string());
        match (&self.rectangle, &self.circle) {
            (Some(asked), None) => {
                Area::rectangle(asked.south, asked.west, asked.north, asked.east).map_err(wrong)
            }
            (None, Some(asked)) => {
                let centre = Place::new(asked.latitude, asked.longitude);
                let centre = centre.map_err(|error| wrong(error.into()))?;
                Area::circle(centre, asked.radius_m).map_err(wrong)
            }
            _ => Err(ApiError::field(
                "area",
                "either a `rectangle` or a `circle`",
            )),
        }
    }
}
