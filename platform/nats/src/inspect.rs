//! Looking at what stands in an account beside what should stand there: every difference, and nothing is changed.
//!
//! It reads the server's own JSON: a field that the client library does not know weakens a stream all the same.

use async_nats::jetstream::stream::Config;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use crate::Connection;
use crate::batch::{ReadError, last_of_each};
use crate::streams::{agents_stream, control_streams, origin_streams};
use crate::subjects::{self, NameError};
use crate::weakness::Weakness;

/// The server's code for a stream that is not there.
const STREAM_NOT_FOUND: u64 = 10_059;
/// In place of a setting: there is no such stream.
pub const MISSING: &str = "stream_missing";
/// The most settings that are shown.
const MOST_SHOWN: usize = 200;

/// Why an account could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// A shard that must not reach a subject.
    #[error("cannot name what is to be looked at")]
    Name(#[from] NameError),
    /// The server did not answer.
    #[error("cannot ask for {what}")]
    Ask {
        /// Stream or durables.
        what: String,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server refused.
    #[error("the server does not show {what}: {why}")]
    Refused {
        /// Stream or durables.
        what: String,
        /// In its words.
        why: String,
    },
    /// The stored positions could not be read.
    #[error("cannot read the stored positions")]
    Positions(#[from] ReadError),
}

/// One field of a configuration that is not as wanted. What is absent, null, false, 0 or empty is equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The field, as the server names it.
    pub field: String,
    /// Its value on the server, as JSON.
    pub existing: String,
    /// The value that we ask for, as JSON.
    pub wanted: String,
}

/// A stream as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFound {
    /// Its name.
    pub name: String,
    /// What differs from the wanted configuration.
    pub differences: Vec<Difference>,
    /// How many messages it holds.
    pub messages: u64,
    /// The first sequence; 0 if it never had a message.
    pub first_sequence: u64,
    /// The last sequence; 0 if it never had a message.
    pub last_sequence: u64,
    /// Sequences after the first that hold no message.
    pub deleted: Vec<u64>,
}

/// A stream that should be there, and what stands in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// Its name.
    pub name: String,
    /// The stream; none if it is missing.
    pub found: Option<StreamFound>,
}

/// How one stream of the record is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configured {
    /// Its name.
    pub name: String,
    /// Every setting that says something, as JSON text; of a long value the beginning and its length. Empty if the
    /// stream is missing.
    pub settings: BTreeMap<String, String>,
    /// What differs from the wanted configuration and lets messages be lost, erased or come from elsewhere.
    pub weaknesses: Vec<Difference>,
}

/// A durable consumer as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durable {
    /// Its name.
    pub name: String,
    /// Pull requests that wait for a message: 0 if nobody pulls.
    pub waiting: u64,
    /// Messages that were not delivered yet.
    pub pending: u64,
}

/// What a service has saved under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedPosition {
    /// The service.
    pub service: String,
    /// The name.
    pub name: String,
    /// The saved document.
    pub value: Value,
}

/// Looks at the log, its blobs and checkpoints. `operator` is the LOG account's operator.
pub async fn log(
    operator: &Connection,
    shard: &str,
    replicas: usize,
) -> Result<Vec<Inspected>, InspectError> {
    inspect(operator, origin_streams(shard, replicas)?).await
}

/// Looks at how the streams of the record are configured: the log, its blobs and checkpoints. Whoever may read them may
/// ask. How many replicas there should be it cannot know, and takes those that there are.
pub async fn record(connection: &Connection, shard: &str) -> Result<Vec<Configured>, InspectError> {
    let mut configured = Vec::new();
    for wanted in origin_streams(shard, 1)? {
        let name = wanted.name.clone();
        let what = format!("the stream {name}");
        let subject = format!("$JS.API.STREAM.INFO.{name}");
        let answer = ask(connection, &what, subject, &json!({})).await?;
        configured.push(match answer {
            Some(answer) => configured_as(answer.get("config").unwrap_or(&Value::Null), wanted),
            None => Configured { name, settings: BTreeMap::new(), weaknesses: vec![missing()] },
        });
    }
    Ok(configured)
}

/// Looks at the mirrors, jobs, results and positions. `operator` is the CTL account's operator.
pub async fn control(
    operator: &Connection,
    shard: &str,
    replicas: usize,
) -> Result<Vec<Inspected>, InspectError> {
    inspect(operator, control_streams(shard, replicas)?).await
}

/// Looks at the mirror of the jobs. `operator` is the AGENTS account's operator.
pub async fn agents(
    operator: &Connection,
    replicas: usize,
) -> Result<Vec<Inspected>, InspectError> {
    inspect(operator, [agents_stream(replicas)]).await
}

/// The durables of a stream.
pub async fn durables(operator: &Connection, stream: &str) -> Result<Vec<Durable>, InspectError> {
    #[derive(Deserialize)]
    struct Listed {
        total: usize,
        consumers: Option<Vec<Info>>,
    }
    #[derive(Deserialize)]
    struct Info {
        name: String,
        #[serde(default)]
        num_waiting: u64,
        #[serde(default)]
        num_pending: u64,
    }
    let what = format!("the durables of {stream}");
    let mut durables: Vec<Durable> = Vec::new();
    loop {
        let subject = format!("$JS.API.CONSUMER.LIST.{stream}");
        let page = json!({ "offset": durables.len() });
        let answer = ask(operator, &what, subject, &page).await?;
        let answer = answer.ok_or_else(|| refused(&what, "there is no such stream"))?;
        let listed: Listed =
            serde_json::from_value(answer).map_err(|error| refused(&what, &error.to_string()))?;
        let page = listed.consumers.unwrap_or_default();
        let is_last = page.is_empty();
        durables.extend(page.into_iter().map(|Info { name, num_waiting, num_pending }| Durable {
            name,
            waiting: num_waiting,
            pending: num_pending,
        }));
        if is_last || durables.len() >= listed.total {
            return Ok(durables);
        }
    }
}

/// Everything that services have saved in the bucket of positions. What is no JSON is left out.
pub async fn saved_positions(operator: &Connection) -> Result<Vec<SavedPosition>, InspectError> {
    let prefix = format!("$KV.{}.", subjects::BUCKET_POSITIONS);
    let all = format!("{prefix}>");
    let last = last_of_each(operator, subjects::STREAM_POSITIONS, &[&all], None).await?;
    let saved = last.messages.iter().filter_map(|message| {
        let (service, name) = message.subject.strip_prefix(&prefix)?.split_once('.')?;
        let value = serde_json::from_slice(&message.payload).ok()?;
        Some(SavedPosition { service: service.to_owned(), name: name.to_owned(), value })
    });
    Ok(saved.collect())
}

async fn inspect(
    operator: &Connection,
    wanted: impl IntoIterator<Item = Config>,
) -> Result<Vec<Inspected>, InspectError> {
    let mut inspected = Vec::new();
    for config in wanted {
        let name = config.name.clone();
        let what = format!("the stream {name}");
        let subject = format!("$JS.API.STREAM.INFO.{name}");
        let answer = ask(operator, &what, subject, &json!({"deleted_details": true})).await?;
        let found = answer.map(|answer| found(&name, &answer, &config));
        inspected.push(Inspected { name, found });
    }
    Ok(inspected)
}

fn found(name: &str, answer: &Value, wanted: &Config) -> StreamFound {
    let number = |pointer| answer.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let deleted = answer.pointer("/state/deleted").and_then(Value::as_array);
    let wanted = serde_json::to_value(wanted).unwrap_or_default();
    StreamFound {
        name: name.to_owned(),
        differences: differences(answer.get("config").unwrap_or(&Value::Null), &wanted),
        messages: number("/state/messages"),
        first_sequence: number("/state/first_seq"),
        last_sequence: number("/state/last_seq"),
        deleted: deleted.into_iter().flatten().filter_map(Value::as_u64).collect(),
    }
}

fn configured_as(existing: &Value, mut wanted: Config) -> Configured {
    let replicas = existing.get("num_replicas").and_then(Value::as_u64);
    let replicas = replicas.and_then(|replicas| usize::try_from(replicas).ok());
    wanted.num_replicas = replicas.unwrap_or(wanted.num_replicas);
    let name = wanted.name.clone();
    let wanted = serde_json::to_value(wanted).unwrap_or_default();
    let weak = |difference: &Difference| Weakness::of(&difference.field).is_some();
    let weaknesses = differences(existing, &wanted).into_iter().filter(weak).collect();
    let settings = fields(existing).into_iter().take(MOST_SHOWN);
    let settings = settings.map(|(field, value)| (field, value.to_string())).collect();
    Configured { name, settings, weaknesses }
}

fn missing() -> Difference {
    let (existing, wanted) = ("null".to_owned(), "true".to_owned());
    Difference { field: MISSING.to_owned(), existing, wanted }
}

/// `None` if there is no such stream.
async fn ask(
    operator: &Connection,
    what: &str,
    subject: String,
    request: &Value,
) -> Result<Option<Value>, InspectError> {
    let failed = |source| InspectError::Ask { what: what.to_owned(), source };
    let answer = operator.client().request(subject, request.to_string().into()).await;
    let answer = answer.map_err(|error| failed(error.into()))?;
    let answer: Value =
        serde_json::from_slice(&answer.payload).map_err(|error| failed(error.into()))?;
    match answer.get("error") {
        None => Ok(Some(answer)),
        Some(error) if error.get("err_code") == Some(&json!(STREAM_NOT_FOUND)) => Ok(None),
        Some(error) => Err(refused(what, &error.to_string())),
    }
}

fn refused(what: &str, why: &str) -> InspectError {
    InspectError::Refused { what: what.to_owned(), why: why.to_owned() }
}

/// Every differing field, in alphabetical order.
fn differences(existing: &Value, wanted: &Value) -> Vec<Difference> {
    let (existing, wanted) = (fields(existing), fields(wanted));
    let mut names: Vec<&String> = existing.keys().chain(wanted.keys()).collect();
    names.sort();
    names.dedup();
    let value = |from: &Map<String, Value>, name: &str| from.get(name).cloned().unwrap_or_default();
    let compared = names.into_iter().filter_map(|name| {
        let (is, should) = (value(&existing, name), value(&wanted, name));
        let (is, should) = (is.to_string(), should.to_string());
        (is != should).then(|| Difference { field: name.clone(), existing: is, wanted: should })
    });
    compared.collect()
}

/// The fields that say something, without the metadata that the server adds (`_nats.*`).
fn fields(config: &Value) -> Map<String, Value> {
    let mut config = config.clone();
    if let Some(Value::Object(metadata)) = config.get_mut("metadata") {
        metadata.retain(|key, _| !key.starts_with("_nats."));
    }
    match said(config) {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// The value without members that say nothing; `None` if nothing is left.
fn said(value: Value) -> Option<Value> {
    match value {
        Value::Object(members) => {
            let said = members.into_iter().filter_map(|(name, value)| Some((name, said(value)?)));
            let said: Map<_, _> = said.collect();
            (!said.is_empty()).then_some(Value::Object(said))
        }
        Value::Array(items) if items.is_empty() => None,
        Value::String(text) if text.is_empty() => None,
        Value::Number(number) if number.as_i64() == Some(0) => None,
        Value::Null | Value::Bool(false) => None,
        value => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_named_even_in_a_field_that_we_do_not_know() {
        let existing = json!({"name": "S", "max_age": 5, "discard": "old", "allow_oblivion": true});
        let wanted = json!({"name": "S", "max_age": 0, "discard": "new"});
        let found = differences(&existing, &wanted);
        let named: Vec<&str> = found.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(named, ["allow_oblivion", "discard", "max_age"]);
        let discard = found.iter().find(|one| one.field == "discard").unwrap();
        assert_eq!((discard.existing.as_str(), discard.wanted.as_str()), ("\"old\"", "\"new\""));
    }

    #[test]
    fn what_weakens_the_record_is_told_apart_from_what_only_differs() {
        let wanted = || origin_streams("main", 1).unwrap()[0].clone();
        let mut existing = serde_json::to_value(Config { num_replicas: 3, ..wanted() }).unwrap();
        let good = configured_as(&existing, wanted());
        assert_eq!(good.weaknesses, [], "replicas are as there are");
        assert_eq!(good.settings.get("discard").unwrap(), "\"new\"");
        for (field, value) in [("max_msgs", json!(10)), ("description", json!("d".repeat(9_000)))] {
            existing[field] = value;
        }
        existing["discard"] = json!("old");
        let weak = configured_as(&existing, wanted());
        let fields: Vec<_> = weak.weaknesses.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(fields, ["discard", "max_msgs"]);
        assert_eq!(weak.settings.get("description").unwrap().len(), 9_002, "the quotes too");
    }

    #[test]
    fn what_says_nothing_and_what_the_server_adds_is_no_difference() {
        let existing = json!({"name": "S", "sealed": false, "consumer_limits": {}, "subjects": [],
            "metadata": {"_nats.ver": "2.15.1"}, "mirror": {"name": "S", "external": null}});
        let wanted = json!({"name": "S", "max_age": 0, "mirror": {"name": "S"}});
        assert_eq!(differences(&existing, &wanted), []);
        let foreign = json!({"name": "S", "metadata": {"owner": "x"}, "mirror": {"name": "S"}});
        assert_eq!(differences(&foreign, &wanted).len(), 1);
    }
}
