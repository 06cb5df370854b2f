//! Why somebody asks, as every request that needs grounds states it.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::errors::ApiError;
use super::words::{PurposeView, Word};
use crate::audit::purpose::{Grounds, GroundsError, Purpose};
use crate::bodies::Body;
use crate::policy::caller::Caller;
use crate::policy::world::World;

/// The purpose and the case. They stand among a request's own fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
pub struct GroundsRequest {
    /// One that the office's gates are for; `GET /api/v1/purposes` shows them.
    #[schema(required = true, nullable = false, value_type = PurposeView, example = "urban-security")]
    #[param(required = true, nullable = false, value_type = PurposeView)]
    pub purpose: Option<Word<PurposeView>>,
    /// The case or request that it serves, 3 to 120 characters, as the office writes its references.
    #[schema(
        required = true,
        nullable = false,
        min_length = 3,
        max_length = 120,
        example = "PG 123/2026"
    )]
    #[param(required = true, nullable = false, min_length = 3, max_length = 120)]
    pub case_reference: Option<String>,
}

impl GroundsRequest {
    /// As somebody writes them.
    #[must_use]
    pub fn written(purpose: String, case_reference: String) -> Self {
        Self {
            purpose: Some(purpose.into()),
            case_reference: Some(case_reference),
        }
    }

    /// Checks what somebody of a body stated. Capitals, blanks around and `_` for `-` in a purpose do not matter.
    /// Whether the body may state this purpose, [`allow`] says.
    ///
    /// # Errors
    /// [`ApiError::Grounds`], the purpose's first.
    pub fn check(&self, body: &Body) -> Result<Grounds, ApiError> {
        let purpose = self.purpose.as_ref().map(Word::as_str);
        let grounds = Grounds::stated(purpose, self.case_reference.as_deref())?;
        match &body.reference_form {
            Some(form) if !form.fits(&grounds.case_reference) => {
                Err(GroundsError::ReferenceForm(form.to_string()).into())
            }
            _ => Ok(grounds),
        }
    }
}

/// Refuses a purpose that a system's token is not for, and one that no gate is for which the caller's body may see.
///
/// # Errors
/// [`GroundsError::NotOfToken`], [`GroundsError::Sanction`], [`GroundsError::NotHere`].
pub fn allow(world: &World, caller: &Caller, grounds: &Grounds) -> Result<(), GroundsError> {
    allow_body(world, &caller.body, grounds)?;
    let purpose = grounds.purpose;
    match &caller.bounds {
        Some(bounds) if !bounds.purposes.contains(&purpose) => Err(GroundsError::NotOfToken {
            purpose,
            allowed: bounds.purposes.iter().copied().collect(),
        }),
        _ => Ok(()),
    }
}

/// Refuses a purpose that no gate is for which a body may see.
///
/// # Errors
/// [`GroundsError::Sanction`], [`GroundsError::NotHere`].
pub fn allow_body(world: &World, body: &Body, grounds: &Grounds) -> Result<(), GroundsError> {
    let purpose = grounds.purpose;
    if world.may_state(body, purpose) {
        return Ok(());
    }
    // Who sees no gate lacks sanctions alone.
    let allowed = world.purposes_of(body).into_iter().flatten();
    match purpose {
        Purpose::Sanction => Err(GroundsError::Sanction),
        purpose => Err(GroundsError::NotHere {
            purpose,
            allowed: allowed.collect(),
        }),
    }
}
