//! Fields that a request's schema does not have. serde refuses them itself where a type is not put
//! together of parts (`flatten`); where it is, they would be lost without a word, and with them what
//! somebody wanted to narrow a search to.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, AllOf, AnyOf, ArrayItems, Type};
use utoipa::openapi::{Object, Ref, RefOr, Schema};

/// Schemas by name.
pub(super) type Schemas = BTreeMap<String, RefOr<Schema>>;

/// Shows each request that is put together of parts as the one object that is sent, which may have no
/// other fields; the parts are then no schemas of their own.
pub(super) fn put_together(schemas: &mut Schemas) {
    let parts = schemas.clone();
    let mut within = BTreeSet::new();
    for (name, schema) in schemas.iter_mut() {
        let RefOr::T(Schema::AllOf(all)) = schema else {
            continue;
        };
        let mut whole = Object::with_type(Type::Object);
        whole.description.clone_from(&all.description);
        gather(all, &parts, &mut whole, &mut within);
        if name.ends_with("Request") {
            let closed = AdditionalProperties::FreeForm(false);
            whole.additional_properties = Some(Box::new(closed));
        }
        *schema = RefOr::T(Schema::Object(whole));
    }
    schemas.retain(|name, _| !within.contains(name));
}

/// An answer that has one of several forms may fit more than one of them, as an empty one does.
pub(super) fn let_several_fit(schemas: &mut Schemas) {
    for schema in schemas.values_mut() {
        let RefOr::T(Schema::OneOf(one_of)) = schema else {
            continue;
        };
        if one_of.items.iter().any(|item| matches!(item, RefOr::T(_))) {
            continue;
        }
        let mut any_of = AnyOf::new();
        any_of.items = std::mem::take(&mut one_of.items);
        any_of.description = one_of.description.take();
        *schema = RefOr::T(Schema::AnyOf(any_of));
    }
}

/// Puts the fields of all parts into one object, and the parts' names into `within`.
fn gather(all: &AllOf, parts: &Schemas, whole: &mut Object, within: &mut BTreeSet<String>) {
    for item in &all.items {
        let item = match item {
            RefOr::Ref(reference) => {
                within.insert(name_of(reference).to_owned());
                parts.get(name_of(reference)).unwrap_or(item)
            }
            RefOr::T(_) => item,
        };
        match item {
            RefOr::T(Schema::AllOf(all)) => gather(all, parts, whole, within),
            RefOr::T(Schema::Object(part)) => {
                whole.properties.extend(part.properties.clone());
                whole.required.extend(part.required.clone());
            }
            _ => {}
        }
    }
}

fn name_of(reference: &Ref) -> &str {
    let path = reference.ref_location.rsplit_once('/');
    path.map_or(&*reference.ref_location, |(_, name)| name)
}

/// What is wrong with a body that has a field which `T` does not have; none when it has no such field.
pub(super) fn unknown_field<T: ToSchema + 'static>(body: &Value) -> Option<String> {
    let schemas = schemas_of::<T>();
    unknown_in(schemas.get(&*T::name())?, body, &schemas)
}

/// The schemas that a request is made of, put together at the first request of its kind.
fn schemas_of<T: ToSchema + 'static>() -> Arc<Schemas> {
    static KNOWN: Mutex<BTreeMap<TypeId, Arc<Schemas>>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let made = known.entry(TypeId::of::<T>()).or_insert_with(|| {
        let mut named = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut named);
        let mut schemas = named.into_iter().collect();
        put_together(&mut schemas);
        Arc::new(schemas)
    });
    Arc::clone(made)
}

fn unknown_in(schema: &RefOr<Schema>, value: &Value, schemas: &Schemas) -> Option<String> {
    let schema = match schema {
        RefOr::Ref(reference) => {
            return unknown_in(schemas.get(name_of(reference))?, value, schemas);
        }
        RefOr::T(schema) => schema,
    };
    let within = |schema: &RefOr<Schema>, value: &Value| unknown_in(schema, value, schemas);
    match (schema, value) {
        (Schema::Object(object), Value::Object(fields)) => {
            fields
                .iter()
                .find_map(|(name, value)| match object.properties.get(name) {
                    Some(schema) => within(schema, value),
                    None if is_closed(object) => Some(told(object, name)),
                    None => None,
                })
        }
        (Schema::OneOf(one), value) => one.items.iter().find_map(|item| within(item, value)),
        (Schema::Array(array), Value::Array(values)) => match &array.items {
            ArrayItems::RefOrSchema(item) => values.iter().find_map(|value| within(item, value)),
            ArrayItems::False => None,
        },
        _ => None,
    }
}

fn is_closed(object: &Object) -> bool {
    let rest = object.additional_properties.as_deref();
    matches!(rest, Some(AdditionalProperties::FreeForm(false)))
}

fn told(object: &Object, name: &str) -> String {
    let known: Vec<_> = object
        .properties
        .keys()
        .map(|name| format!("`{name}`"))
        .collect();
    format!("there is no field `{name}`; there are {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::web::filter::FilterRequest;
    use crate::web::grounds::GroundsRequest;

    /// Parts in parts, and others within.
    #[derive(Deserialize, ToSchema)]
    #[allow(dead_code, reason = "only its form matters")]
    struct WholeRequest {
        #[serde(flatten)]
        filter: FilterRequest,
        #[serde(flatten)]
        grounds: GroundsRequest,
        other: Option<OtherRequest>,
        others: Vec<OtherRequest>,
    }

    #[derive(Deserialize, ToSchema)]
    #[allow(dead_code, reason = "only its form matters")]
    struct OtherRequest {
        #[serde(flatten)]
        filter: FilterRequest,
        more: u8,
    }

    #[test]
    fn a_field_that_no_part_of_a_request_has_is_found_wherever_it_stands() {
        let found = |body: Value| unknown_field::<WholeRequest>(&body);
        let whole = json!({"gates": [], "purpose": "x", "travel": "in", "area": {"circle": null},
            "other": {"cameras": [], "more": 1}, "others": [{"more": 1}]});
        assert_eq!(found(whole), None);
        let told = found(json!({"gate": "x"})).unwrap();
        assert!(
            told.starts_with("there is no field `gate`; there are `area`, `cameras`"),
            "{told}"
        );
        assert!(found(json!({"area": {"square": 1}})).is_some());
        assert!(found(json!({"other": {"purpose": "x"}})).is_some());
        assert!(found(json!({"others": [{"more": 1}, {"less": 1}]})).is_some());
        assert_eq!(found(json!("text")), None);
    }
}
