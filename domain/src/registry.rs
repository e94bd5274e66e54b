//! Every event there is: one registry of type, context, aggregate and schema.

use crate::agents::AgentEvent;
use crate::approvals::ApprovalEvent;
use crate::catalog::DataSourceEvent;
use crate::changes::ChangeEvent;
use crate::identity::{PrincipalEvent, TenantEvent, TrustRootEvent};
use crate::jobs::JobEvent;
use crate::ledger::LogEvent;
use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Why an event could not be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableEvent {
    /// The pair of aggregate type and event type is not in the registry.
    #[error("unknown event {event_type} version {schema} of aggregate {aggregate_type}")]
    Unknown {
        /// As recorded.
        aggregate_type: String,
        /// As recorded.
        event_type: String,
        /// As recorded.
        schema: u32,
    },
    /// The data does not fit the type's schema.
    #[error("event {event_type} does not fit its schema")]
    Shape {
        /// As recorded.
        event_type: String,
        /// What does not fit.
        source: serde_json::Error,
    },
}

/// A registered event type.
#[derive(Debug, Clone)]
pub struct Registered {
    /// The bounded context: folder in `domain/src` and `schemas/events`.
    pub context: &'static str,
    /// The aggregate type in subjects.
    pub aggregate_type: &'static str,
    /// The event's type.
    pub event_type: String,
    /// The schema's version.
    pub version: u32,
    /// What it means, in a sentence.
    pub meaning: String,
    /// JSON Schema of `data`.
    pub schema: Value,
}

impl Registered {
    /// Where the schema is checked in.
    pub fn path(&self) -> String {
        format!("schemas/events/{}", self.file())
    }

    /// Where its golden sample is checked in.
    pub fn sample_path(&self) -> String {
        format!("schemas/samples/{}", self.file())
    }

    fn file(&self) -> String {
        format!("{}/{}.v{}.json", self.context, self.event_type, self.version)
    }
}

macro_rules! registry {
    ($($(#[$doc:meta])* $variant:ident($event:ty) $aggregate:literal in $context:literal;)+) => {
        /// Any event.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Event {
            $($(#[$doc])* $variant($event),)+
        }

        impl Event {
            /// Reads an event of a commit; the order of upcasters would be here.
            pub fn read(
                aggregate_type: &str,
                event_type: &str,
                schema: u32,
                data: &Value,
            ) -> Result<Self, UnreadableEvent> {
                let unknown = || UnreadableEvent::Unknown {
                    aggregate_type: aggregate_type.to_owned(),
                    event_type: event_type.to_owned(),
                    schema,
                };
                if schema != 1 || !knows(aggregate_type, event_type) {
                    return Err(unknown());
                }
                let tagged = tagged(event_type, data);
                let shape = |source| {
                    UnreadableEvent::Shape { event_type: event_type.to_owned(), source }
                };
                match aggregate_type {
                    $($aggregate => {
                        serde_json::from_value(tagged).map(Self::$variant).map_err(shape)
                    })+
                    _ => Err(unknown()),
                }
            }
        }

        $(impl From<$event> for Event {
            fn from(event: $event) -> Self {
                Self::$variant(event)
            }
        })+

        fn knows(aggregate_type: &str, event_type: &str) -> bool {
            use std::sync::OnceLock;
            static NAMES: OnceLock<Vec<(&'static str, String)>> = OnceLock::new();
            NAMES
                .get_or_init(|| {
                    all().into_iter().map(|e| (e.aggregate_type, e.event_type)).collect()
                })
                .iter()
                .any(|(aggregate, event)| *aggregate == aggregate_type && event == event_type)
        }

        /// Every registered event type.
        pub fn all() -> Vec<Registered> {
            let mut all = Vec::new();
            $(all.extend(variants::<$event>($context, $aggregate));)+
            all
        }
    };
}

registry! {
    /// Of a tenant.
    Tenant(TenantEvent) "tenant" in "identity";
    /// Of a principal.
    Principal(PrincipalEvent) "principal" in "identity";
    /// Of a trust root.
    TrustRoot(TrustRootEvent) "trust_root" in "identity";
    /// Of a data source.
    DataSource(DataSourceEvent) "data_source" in "catalog";
    /// Of a change.
    Change(ChangeEvent) "change" in "changes";
    /// Of an approval.
    Approval(ApprovalEvent) "approval" in "approvals";
    /// Of a job.
    Job(JobEvent) "job" in "jobs";
    /// Of an agent.
    Agent(AgentEvent) "agent" in "agents";
    /// Of a log.
    Log(LogEvent) "log" in "ledger";
}

/// An event as the pair that serde reads.
pub fn tagged(event_type: &str, data: &Value) -> Value {
    json!({ "type": event_type, "data": data })
}

/// The type of an event and its data as recorded.
pub fn recorded<E: Serialize>(event: &E) -> Result<(String, Value), serde_json::Error> {
    let mut value = serde_json::to_value(event)?;
    let members = value.as_object_mut();
    let (kind, data) = members.map_or((None, None), |m| (m.remove("type"), m.remove("data")));
    let kind = kind.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok((kind, data.unwrap_or_default()))
}

/// The type of an event.
pub fn event_type<E: Serialize>(event: &E) -> String {
    recorded(event).map(|(kind, _)| kind).unwrap_or_default()
}

fn variants<E: schemars::JsonSchema>(
    context: &'static str,
    aggregate_type: &'static str,
) -> Vec<Registered> {
    let generator = SchemaGenerator::new(SchemaSettings::draft2020_12());
    let root = generator.into_root_schema_for::<E>();
    let definitions = root.get("$defs").cloned();
    let branches = root.get("oneOf").and_then(Value::as_array).cloned().unwrap_or_default();
    branches
        .iter()
        .map(|branch| registered(context, aggregate_type, branch, definitions.as_ref()))
        .collect()
}

fn registered(
    context: &'static str,
    aggregate_type: &'static str,
    branch: &Value,
    definitions: Option<&Value>,
) -> Registered {
    let text = |pointer: &str| branch.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let event_type = text("/properties/type/const").to_owned();
    let meaning = text("/description").to_owned();
    let mut data = branch.pointer("/properties/data").cloned().unwrap_or_default();
    if let Some(members) = data.as_object_mut() {
        let id = format!("https://countersign.dev/schemas/events/{context}/{event_type}.v1.json");
        members.insert("$id".to_owned(), id.into());
        members.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        members.insert("title".to_owned(), event_type.clone().into());
        members.insert("description".to_owned(), meaning.clone().into());
        let needed = definitions.map(|all| reachable(&Value::Object(members.clone()), all));
        if let Some(needed) = needed.filter(|needed| !needed.is_empty()) {
            members.insert("$defs".to_owned(), Value::Object(needed));
        }
    }
    Registered { context, aggregate_type, event_type, version: 1, meaning, schema: data }
}

/// The definitions that a schema refers to, directly or through others.
fn reachable(schema: &Value, all: &Value) -> Map<String, Value> {
    let mut found = Map::new();
    let mut open = vec![schema.clone()];
    while let Some(next) = open.pop() {
        for name in references(&next) {
            if let (false, Some(definition)) = (found.contains_key(&name), all.get(&name)) {
                open.push(definition.clone());
                found.insert(name, definition.clone());
            }
        }
    }
    found
}

fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str);
            let own = own.and_then(|r| r.strip_prefix("#/$defs/")).map(str::to_owned);
            own.into_iter().chain(members.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// Every schema file by its path, as it is checked in.
pub fn schema_files() -> Vec<(String, Schema)> {
    all()
        .into_iter()
        .map(|event| (event.path(), Schema::try_from(event.schema).unwrap_or_default()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn types_and_files_are_a_bijection() {
        let all = all();
        let types: BTreeSet<_> = all.iter().map(|event| &event.event_type).collect();
        let paths: BTreeSet<_> = all.iter().map(Registered::path).collect();
        assert_eq!(types.len(), all.len());
        assert_eq!(paths.len(), all.len());
        assert!(
            all.iter().all(|event| !event.meaning.is_empty() && event.event_type.contains('.'))
        );
    }

    #[test]
    fn an_event_without_content_is_recorded_as_an_empty_object_and_read_back() {
        let event = ApprovalEvent::Granted {};
        let (kind, data) = recorded(&event).unwrap();
        assert_eq!((kind.as_str(), &data), ("approval.granted", &json!({})));
        let read = Event::read("approval", &kind, 1, &data).unwrap();
        assert_eq!(read, Event::Approval(event));
    }

    #[test]
    fn members_that_an_event_does_not_have_are_ignored() {
        for event_type in ["approval.granted", "approval.closed"] {
            let bare = Event::read("approval", event_type, 1, &json!({})).unwrap();
            assert_eq!(Event::read("approval", event_type, 1, &json!({"x": 1})).unwrap(), bare);
        }
        let requested = json!({"revision": 1, "x": 1});
        assert!(Event::read("change", "schema.requested", 1, &requested).is_ok());
    }

    #[test]
    fn every_event_has_a_content_even_an_empty_one() {
        for event in all() {
            assert!(event.schema.is_object(), "{} is a unit variant", event.event_type);
        }
    }

    #[test]
    fn a_rejection_names_its_envelope_as_a_blob() {
        let person = crate::given::person("bob");
        let read = |statement: Value| {
            let data = json!({"person": person, "statement": statement, "reason": null});
            Event::read("approval", "approval.rejected", 1, &data).is_ok()
        };
        assert!(read(serde_json::to_value(crate::given::blob(b"no")).unwrap()));
        assert!(!read(json!({"payloadType": "t", "payload": "", "signatures": []})));
    }

    #[test]
    fn an_event_of_another_aggregate_or_version_is_not_read() {
        assert!(Event::read("change", "approval.granted", 1, &json!({})).is_err());
        assert!(Event::read("approval", "approval.granted", 2, &json!({})).is_err());
        assert!(Event::read("job", "job.dispatched", 1, &json!({"change": 1})).is_err());
    }

    #[test]
    fn a_schema_accepts_what_is_recorded_and_refuses_a_renamed_member() {
        let event =
            ChangeEvent::Dispatched { job: crate::ids::JobId::derived("job", &["1"]), fence: 1 };
        let (kind, data) = recorded(&event).unwrap();
        let schema = all().into_iter().find(|e| e.event_type == kind).unwrap().schema;
        let validator = jsonschema::validator_for(&schema).unwrap();
        assert!(validator.is_valid(&data));
        assert!(!validator.is_valid(&json!({"job": "job_x", "fence": 1})));
        assert!(!validator.is_valid(&json!({"fence": 1})));
    }
}
