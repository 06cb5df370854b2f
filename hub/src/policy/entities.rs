//! Caller, deed and site in Cedar's words.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    Context, Entities as CedarEntities, Entity, EntityId, EntityTypeName, EntityUid, Request,
    RestrictedExpression, Schema,
};

use super::caller::{Caller, CallerKind};
use super::{Deed, LeftTo, OnSite, PolicyError};
use crate::agreements::Agreement;
use crate::audit::purpose::Purpose;
use crate::bodies::Body;
use crate::municipalities::Municipality;
use crate::people::tokens::{Permissions, TokenBounds};
use varco_proto::time::UtcTime;

/// The words of the schema.
pub(super) struct Words {
    /// What belongs to what among the deeds.
    deeds: CedarEntities,
    /// Each request is held against it; none where this module's own tests vouch for that, as it takes longer
    /// than to judge.
    schema: Option<Schema>,
}

impl Words {
    pub(super) fn of(schema: Schema) -> Result<Self, PolicyError> {
        Ok(Self {
            deeds: schema.action_entities().map_err(failed)?,
            schema: None,
        })
    }

    /// With each request held against the schema.
    #[cfg(test)]
    pub(super) fn strictly(self, schema: Schema) -> Self {
        Self {
            schema: Some(schema),
            ..self
        }
    }
}

/// What Cedar is asked, and what it judges by.
pub(super) struct Entities {
    pub(super) request: Request,
    pub(super) all: CedarEntities,
}

type Attributes = HashMap<String, RestrictedExpression>;

fn failed(error: impl std::fmt::Display) -> PolicyError {
    PolicyError::Entities(error.to_string())
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, PolicyError> {
    let kind: EntityTypeName = kind.parse().map_err(failed)?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> RestrictedExpression {
    RestrictedExpression::new_set(texts.map(text))
}

fn flag(flag: bool) -> RestrictedExpression {
    RestrictedExpression::new_bool(flag)
}

fn tasks(may: &Permissions) -> RestrictedExpression {
    let tasks: Vec<_> = may.iter().map(|task| text(task.as_str())).collect();
    RestrictedExpression::new_set(tasks)
}

fn municipality(name: &Municipality) -> Result<EntityUid, PolicyError> {
    uid("Municipality", name.as_str())
}

fn entity(uid: EntityUid, attributes: Attributes) -> Result<Entity, PolicyError> {
    Entity::new(uid, attributes, HashSet::new()).map_err(failed)
}

/// Named values, for an entity or a context.
#[derive(Default)]
struct Named(Attributes);

impl Named {
    fn with(mut self, name: &str, value: RestrictedExpression) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    fn maybe(self, name: &str, value: Option<RestrictedExpression>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

fn reference(uid: &EntityUid) -> RestrictedExpression {
    RestrictedExpression::new_entity_uid(uid.clone())
}

fn body_entity(body: &Body) -> Result<Entity, PolicyError> {
    let whose = body.municipality.as_ref().map(municipality).transpose()?;
    let attributes = Named::default()
        .with("kind", text(body.kind.as_str()))
        .with("is_owner", flag(body.is_owner))
        .maybe("municipality", whose.as_ref().map(reference));
    entity(uid("Body", body.id.as_str())?, attributes.0)
}

fn principal(caller: &Caller) -> Result<Entity, PolicyError> {
    let body = uid("Body", caller.body.id.as_str())?;
    let named = Named::default()
        .with("body", reference(&body))
        .with("may", tasks(&caller.may));
    match caller.kind {
        CallerKind::Person { role, is_police } => {
            let named = named
                .with("role", text(role.as_str()))
                .with("delegated", tasks(&caller.delegated))
                .with("is_police", flag(is_police));
            entity(uid("Person", &caller.id)?, named.0)
        }
        CallerKind::System => {
            let token = caller.bounds.as_ref().map(token).transpose()?;
            entity(uid("System", &caller.id)?, named.maybe("token", token).0)
        }
    }
}

fn token(bounds: &TokenBounds) -> Result<RestrictedExpression, PolicyError> {
    let purposes = bounds.purposes.iter().map(|purpose| purpose.as_str());
    let named = Named::default()
        .with("purposes", texts(purposes))
        .maybe("agreement", bounds.agreement.as_deref().map(text));
    RestrictedExpression::new_record(named.0).map_err(failed)
}

fn shared(agreement: &Agreement, now: UtcTime) -> Result<RestrictedExpression, PolicyError> {
    let holding = agreement.holds_at(now);
    let givers = agreement.givers.iter();
    let givers = givers.filter(|giver| holding && giver.holds_at(now));
    let givers: Vec<_> = givers
        .map(|giver| municipality(&giver.who).map(|uid| reference(&uid)))
        .collect::<Result<_, _>>()?;
    let receivers = agreement.receivers.iter();
    let receivers = receivers.filter(|receiver| holding && receiver.holds_at(now));
    let receivers: Vec<_> = receivers
        .map(|receiver| uid("Body", receiver.who.as_str()).map(|uid| reference(&uid)))
        .collect::<Result<_, _>>()?;
    let purposes = agreement.purposes.iter().map(|purpose| purpose.as_str());
    let named = Named::default()
        .with("id", text(agreement.id.as_str()))
        .with("givers", RestrictedExpression::new_set(givers))
        .with("receivers", RestrictedExpression::new_set(receivers))
        .with("may", tasks(&agreement.may))
        .with("purposes", texts(purposes))
        .with("admission", flag(agreement.admission));
    RestrictedExpression::new_record(named.0).map_err(failed)
}

impl Entities {
    /// Whether something may be tried at all.
    pub(super) fn on_hub(caller: &Caller, deed: Deed, words: &Words) -> Result<Self, PolicyError> {
        let hub = entity(uid("Hub", "hub")?, Attributes::new())?;
        Asked {
            caller,
            deed,
            context: of_no_site(),
            resource: hub,
        }
        .entities(words)
    }

    /// Whether a request may be decided about.
    pub(super) fn on_request(
        caller: &Caller,
        deed: Deed,
        left_to: LeftTo<'_>,
        words: &Words,
    ) -> Result<Self, PolicyError> {
        let attributes = match left_to {
            LeftTo::Municipality(name) => {
                Named::default().with("municipality", reference(&municipality(name)?))
            }
            LeftTo::Body(id) => {
                Named::default().with("body", reference(&uid("Body", id.as_str())?))
            }
        };
        Asked {
            caller,
            deed,
            context: of_no_site(),
            resource: entity(uid("Request", "request")?, attributes.0)?,
        }
        .entities(words)
    }

    /// Whether something may be done with what gates saw.
    pub(super) fn on_site(
        caller: &Caller,
        deed: Deed,
        site: &OnSite<'_>,
        words: &Words,
    ) -> Result<Self, PolicyError> {
        let whose = site.municipality.map(municipality).transpose()?;
        let id = site.municipality.map_or("", Municipality::as_str);
        let attributes = Named::default().maybe("municipality", whose.as_ref().map(reference));
        let agreement = site.agreement.map(|agreement| shared(agreement, site.now));
        let purposes = site.purposes.iter().map(|purpose| purpose.as_str());
        let context = Named::default()
            .with("admitted", flag(site.admitted))
            .with("claimed", flag(site.claimed))
            .with("purposes", texts(purposes))
            .maybe("purpose", site.purpose.map(Purpose::as_str).map(text))
            .maybe("agreement", agreement.transpose()?);
        Asked {
            caller,
            deed,
            context,
            resource: entity(uid("Site", id)?, attributes.0)?,
        }
        .entities(words)
    }
}

fn of_no_site() -> Named {
    Named::default()
        .with("admitted", flag(false))
        .with("claimed", flag(false))
}

struct Asked<'a> {
    caller: &'a Caller,
    deed: Deed,
    context: Named,
    resource: Entity,
}

impl Asked<'_> {
    fn entities(self, words: &Words) -> Result<Entities, PolicyError> {
        let (principal, body) = (principal(self.caller)?, body_entity(&self.caller.body)?);
        let beside = self.caller.beside.as_ref();
        let beside = beside.map(|beside| body_entity(&beside.body)).transpose()?;
        let context = self
            .context
            .with("at_post", flag(self.caller.at_post))
            .with("second_present", flag(self.caller.second_present))
            .maybe("beside", beside.as_ref().map(|body| reference(&body.uid())));
        let context = Context::from_pairs(context.0).map_err(failed)?;
        let request = Request::new(
            principal.uid(),
            uid("Action", self.deed.as_str())?,
            self.resource.uid(),
            context,
            words.schema.as_ref(),
        );
        let other = beside.filter(|beside| beside.uid() != body.uid());
        let all = [principal, body, self.resource].into_iter().chain(other);
        Ok(Entities {
            request: request.map_err(failed)?,
            all: words
                .deeds
                .clone()
                .add_entities(all, words.schema.as_ref())
                .map_err(failed)?,
        })
    }
}
