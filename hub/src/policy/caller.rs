//! Whoever asks, as the policy judges them.

use std::collections::BTreeSet;

use varco_proto::ids::GateId;
use varco_proto::time::UtcTime;

use crate::audit::actor::{Actor, ActorKind};
use crate::bodies::{self, Body, BodyId};
use crate::people::actors;
use crate::people::appointments::{self, Role};
use crate::people::delegations;
use crate::people::tokens::{HeldToken, Permissions, TokenBounds};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// What a caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallerKind {
    /// A person.
    Person {
        /// As what they work.
        role: Role,
        /// Whether they are of Judicial Police.
        is_police: bool,
    },
    /// A program of a body, by a token or as a webhook.
    System,
}

/// Whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    /// Their id.
    pub id: String,
    /// What they are.
    pub kind: CallerKind,
    /// For whom they work.
    pub body: Body,
    /// The tasks that act, delegation and token give.
    pub may: Permissions,
    /// The functions that the person who answers for the body delegated to them.
    pub delegated: Permissions,
    /// What a system's token is bound to; none for a person, and for a webhook, which is told of alerts alone.
    pub bounds: Option<TokenBounds>,
    /// Whether they sit at a registered post.
    pub at_post: bool,
    /// Whether a second person, who may do it alone, is signed in beside them.
    pub second_present: bool,
    /// Who that is, and for which gates; none when nobody is.
    pub beside: Option<Beside>,
}

/// Whoever sits beside a technician (art. 8 c. 2 A a4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Beside {
    /// For whom they work.
    pub body: Body,
    /// The only gates that the technician may see.
    pub gates: BTreeSet<GateId>,
}

impl Caller {
    /// The same, with somebody beside them.
    #[must_use]
    pub fn with(self, beside: Option<Beside>) -> Self {
        Self {
            second_present: beside.is_some(),
            beside,
            ..self
        }
    }

    /// Whether they come from a firm that maintains, or work as if they did.
    #[must_use]
    pub fn is_technician(&self) -> bool {
        let CallerKind::Person { role, .. } = self.kind else {
            return false;
        };
        role == Role::Maintenance
    }
}

impl Caller {
    /// The system that showed a token; none when it may nothing: its body ended, or it is no system's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn by_token(main: &Connection, held: &HeldToken) -> Result<Option<Self>, StoreError> {
        // Persons sign in; what an older version gave them lets nobody in.
        if held.actor.kind() != ActorKind::Service {
            return Ok(None);
        }
        let body = actors::body_of(main, held.actor.id())?;
        let caller = |body| Self {
            id: held.actor.id().to_owned(),
            kind: CallerKind::System,
            body,
            may: held.may.clone(),
            delegated: Permissions::of(&[]),
            bounds: Some(held.bounds.clone()),
            at_post: false,
            second_present: false,
            beside: None,
        };
        Ok(holding(main, &body)?.map(caller))
    }
}

impl Caller {
    /// Whoever signed in with an account, at no post; none when no act that holds appoints them, or their body ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn by_session(
        main: &Connection,
        actor: &Actor,
        now: UtcTime,
    ) -> Result<Option<Self>, StoreError> {
        let Some(held) = appointments::of(main, actor.id(), now)? else {
            return Ok(None);
        };
        let delegated = delegations::functions_of(main, actor.id(), now)?;
        let caller = |body| Self {
            id: actor.id().to_owned(),
            kind: CallerKind::Person {
                role: held.role,
                is_police: held.is_police,
            },
            body,
            may: held.may.or(&delegated),
            delegated,
            bounds: None,
            at_post: false,
            second_present: false,
            beside: None,
        };
        Ok(holding(main, &held.body)?.map(caller))
    }

    /// A program that a body has outside the hub and that is told of alerts: a webhook; none when the body ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn system_of(
        main: &Connection,
        id: &str,
        body: &BodyId,
        may: Permissions,
    ) -> Result<Option<Self>, StoreError> {
        let caller = |body| Self {
            id: id.to_owned(),
            kind: CallerKind::System,
            body,
            may,
            delegated: Permissions::of(&[]),
            bounds: None,
            at_post: false,
            second_present: false,
            beside: None,
        };
        Ok(holding(main, body)?.map(caller))
    }
}

fn holding(main: &Connection, id: &BodyId) -> Result<Option<Body>, StoreError> {
    Ok(bodies::find(main, id)?.filter(|body| body.holds()))
}
