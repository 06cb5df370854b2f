//! Why somebody asks, as every request that needs grounds states it.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::errors::ApiError;
use super::words::{PurposeView, Word};
use crate::audit::purpose::Grounds;

/// The purpose and the case. They stand among a request's own fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
pub struct GroundsRequest {
    /// One of the nine.
    #[schema(required = true, nullable = false, value_type = PurposeView, example = "urban-security")]
    #[param(required = true, nullable = false, value_type = PurposeView)]
    pub purpose: Option<Word<PurposeView>>,
    /// The case or request that it serves, 3 to 120 characters.
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

    /// Checks what was stated. Capitals, blanks around and `_` for `-` in a purpose do not matter.
    ///
    /// # Errors
    /// [`ApiError::Grounds`], the purpose's first.
    pub fn check(&self) -> Result<Grounds, ApiError> {
        let purpose = self.purpose.as_ref().map(Word::as_str);
        Ok(Grounds::stated(purpose, self.case_reference.as_deref())?)
    }
}
