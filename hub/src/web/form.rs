//! Fields that a request's schema does not have. serde refuses them itself where a type is not put
//! together of parts (`flatten`); where it is, they would be lost without a word, and with them what
//! somebody wanted to narrow a search to.

use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems};
use utoipa::openapi::{Object, RefOr, Schema};

use super::description;

/// What is wrong with a body that has a field which the schema of this name does not have; none when
/// it has no such field.
pub(super) fn unknown_field(schema: &str, body: &Value) -> Option<String> {
    unknown_in(description::schema(schema)?, body)
}

fn unknown_in(schema: &RefOr<Schema>, value: &Value) -> Option<String> {
    let schema = match schema {
        RefOr::Ref(reference) => {
            let name = reference.ref_location.rsplit('/').next()?;
            return unknown_in(description::schema(name)?, value);
        }
        RefOr::T(schema) => schema,
    };
    match (schema, value) {
        (Schema::Object(object), Value::Object(fields)) => {
            fields
                .iter()
                .find_map(|(name, value)| match object.properties.get(name) {
                    Some(schema) => unknown_in(schema, value),
                    None if is_closed(object) => Some(told(object, name)),
                    None => None,
                })
        }
        (Schema::OneOf(one), value) => one.items.iter().find_map(|item| unknown_in(item, value)),
        (Schema::Array(array), Value::Array(values)) => match &array.items {
            ArrayItems::RefOrSchema(item) => {
                values.iter().find_map(|value| unknown_in(item, value))
            }
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
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_that_no_part_of_a_request_has_is_found_wherever_it_stands() {
        let found = |schema: &str, body: Value| unknown_field(schema, &body);
        let plain = json!({"plate": "A*", "gates": [], "purpose": "x", "area": {"circle": null}});
        assert_eq!(found("LookupRequest", plain), None);
        let told = found("LookupRequest", json!({"palte": "A*"})).unwrap();
        assert!(told.starts_with("there is no field `palte`; there are `after`, `area`"));
        assert!(found("LookupRequest", json!({"area": {"square": 1}})).is_some());
        assert_eq!(found("BothRequest", json!({"here": {"gates": []}})), None);
        assert!(found("BothRequest", json!({"here": {"gate": "x"}})).is_some());
        // Boxes of later versions may say more.
        assert_eq!(found("EnrolmentBody", json!({"more": 1})), None);
    }
}
