//! Naming the first field in which an existing configuration differs from the one we ask for.

use serde::Serialize;
use serde_json::{Map, Value};

/// The first differing field, as `(name, existing value, wanted value)`, in alphabetical order.
/// What is absent equals null, and the metadata that the server adds (`_nats.*`) does not count.
/// `None` if the two are equal, or cannot be written as JSON objects.
pub fn first_difference(
    existing: &impl Serialize,
    wanted: &impl Serialize,
) -> Option<(String, String, String)> {
    let existing = fields(existing)?;
    let wanted = fields(wanted)?;
    let mut names: Vec<&String> = existing.keys().chain(wanted.keys()).collect();
    names.sort();
    let value = |from: &Map<String, Value>, name: &str| from.get(name).cloned().unwrap_or_default();
    names.into_iter().find_map(|name| {
        let (is, should) = (value(&existing, name), value(&wanted, name));
        (is != should).then(|| (name.clone(), is.to_string(), should.to_string()))
    })
}

fn fields(config: &impl Serialize) -> Option<Map<String, Value>> {
    let Value::Object(mut fields) = serde_json::to_value(config).ok()? else { return None };
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        metadata.retain(|key, _| !key.starts_with("_nats."));
        if metadata.is_empty() {
            fields.remove("metadata");
        }
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_differing_field_is_named_with_both_values() {
        let existing = json!({"name": "S", "max_age": 5, "discard": "old"});
        let wanted = json!({"name": "S", "max_age": 0, "discard": "new"});
        let found = first_difference(&existing, &wanted);
        assert_eq!(found, Some(("discard".into(), "\"old\"".into(), "\"new\"".into())));
    }

    #[test]
    fn what_the_server_adds_by_itself_is_no_difference() {
        let existing = json!({"name": "S", "metadata": {"_nats.ver": "2.15.1"}, "mirror": null});
        assert_eq!(first_difference(&existing, &json!({"name": "S"})), None);
        let foreign = json!({"name": "S", "metadata": {"owner": "x"}});
        assert!(first_difference(&foreign, &json!({"name": "S"})).is_some());
    }
}
