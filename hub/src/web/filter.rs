//! Where a question looks and which way vehicles drove, as every question asks for it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::area::AreaRequest;
use super::errors::ApiError;
use super::words::{DirectionView, TravelView, Word};
use crate::map::gates::GateMap;
use crate::municipalities::Municipal;
use crate::transits::query::Filter;

/// Where. They stand among a request's own fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlacesRequest {
    /// Only these cameras; all when left out.
    #[serde(default)]
    pub cameras: Vec<String>,
    /// Only these gates; all when left out.
    #[serde(default)]
    pub gates: Vec<String>,
    /// Only the gates of these municipalities, by name; all when left out.
    #[serde(default)]
    pub municipalities: Vec<String>,
    /// Only what stands in this area on the map. Gates without a place are not searched, and counted
    /// in the answer.
    #[serde(default)]
    pub area: Option<AreaRequest>,
}

/// Where, and which way. They stand among a request's own fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FilterRequest {
    /// Where.
    #[serde(flatten)]
    pub places: PlacesRequest,
    /// Only this way, as the camera saw it.
    #[serde(default)]
    #[schema(value_type = Option<DirectionView>)]
    pub direction: Option<Word<DirectionView>>,
    /// Only this way through the gate.
    #[serde(default)]
    #[schema(value_type = Option<TravelView>)]
    pub travel: Option<Word<TravelView>>,
}

impl PlacesRequest {
    /// Whether the map is needed to check it.
    #[must_use]
    pub fn needs_map(&self) -> bool {
        self.area.is_some() || !self.municipalities.is_empty()
    }

    /// Checks what was sent. `map` has the gates when an area or a municipality is asked for.
    ///
    /// # Errors
    /// [`ApiError::Field`].
    pub fn check(&self, map: &GateMap) -> Result<Filter, ApiError> {
        let area = self.area.as_ref().map(AreaRequest::check).transpose()?;
        Ok(Filter {
            cameras: ids("cameras", &self.cameras)?,
            gates: ids("gates", &self.gates)?,
            within: area.map(|area| map.within(area)),
            municipal: self.municipal(map)?,
            ..Filter::default()
        })
    }

    fn municipal(&self, map: &GateMap) -> Result<Option<Municipal>, ApiError> {
        const FIELD: &str = "municipalities";
        if self.municipalities.is_empty() {
            return Ok(None);
        }
        let names = ids(FIELD, &self.municipalities)?.into_iter().collect();
        let municipal = Municipal::of(&map.municipalities, names);
        let municipal = municipal.map_err(|name| {
            ApiError::field(FIELD, format!("one that there is; `{name}` is none"))
        })?;
        Ok(Some(municipal))
    }
}

impl FilterRequest {
    /// Checks what was sent; see [`PlacesRequest::check`].
    ///
    /// # Errors
    /// [`ApiError::Field`].
    pub fn check(&self, map: &GateMap) -> Result<Filter, ApiError> {
        let direction = self.direction.as_ref();
        let direction = direction.map(|word| word.check("direction")).transpose()?;
        let travel = self.travel.as_ref();
        let travel = travel.map(|word| word.check("travel")).transpose()?;
        Ok(Filter {
            direction: direction.map(Into::into),
            travel: travel.map(Into::into),
            ..self.places.check(map)?
        })
    }
}

fn ids<T: std::str::FromStr<Err: ToString>>(
    name: &'static str,
    texts: &[String],
) -> Result<Vec<T>, ApiError> {
    let parsed = texts.iter().map(|text| {
        text.parse()
            .map_err(|error: T::Err| ApiError::field(name, error.to_string()))
    });
    parsed.collect()
}
