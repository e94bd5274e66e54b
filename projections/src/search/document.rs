//! An event as a document.

use super::fields::Fields;
use domain::changes::ChangeEvent;
use domain::registry::Event;
use event_log::{Recorded, RecordedEvent};
use serde_json::Value;
use tantivy::schema::Facet;
use tantivy::{DateTime, TantivyDocument};

/// So much of an SQL file is searched, bytes.
const LONGEST_SQL: usize = 256 * 1024;
/// So much of the text can be shown, bytes.
const LONGEST_SHOWN: usize = 16 * 1024;
/// Longer members are signatures, certificates or documents, not words.
const LONGEST_MEMBER: usize = 8 * 1024;
/// Events of one commit: the lower part of the order.
const PLACES: u64 = 1 << 10;

/// What is known of a commit beside what it says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// The name of whom acted.
    pub actor: Option<String>,
    /// The SQL file that the draft in the commit names.
    pub sql: Option<Vec<u8>>,
}

/// Newer is larger; also the cursor of a page.
pub(crate) fn order(sequence: u64, index: usize) -> u64 {
    let place = u64::try_from(index).unwrap_or(PLACES).min(PLACES - 1);
    sequence.saturating_mul(PLACES).saturating_add(place)
}

/// The place in the log of an order.
pub(crate) fn sequence(order: u64) -> u64 {
    order / PLACES
}

/// The document of one event.
pub(crate) fn document(
    fields: &Fields,
    recorded: &Recorded,
    event: &RecordedEvent,
    known: &Known,
) -> Result<TantivyDocument, serde_json::Error> {
    let actor = recorded.actor.id.to_string();
    let text = text(recorded, event, known)?;
    let mut document = TantivyDocument::new();
    for (field, value) in [
        (fields.id, event.id.as_str()),
        (fields.tenant, &recorded.tenant),
        (fields.actor, &actor),
        (fields.action, &event.kind),
        (fields.kind, &recorded.aggregate_type),
        (fields.entity, &recorded.aggregate_id),
        (fields.hash, &recorded.hash.to_string()),
        (fields.text, &text),
        (fields.shown, cut(&text, LONGEST_SHOWN)),
    ] {
        document.add_text(field, value);
    }
    document.add_u64(fields.order, order(recorded.sequence, event.index));
    let micros = recorded.time.datetime().timestamp_micros();
    document.add_date(fields.time, DateTime::from_timestamp_micros(micros));
    for path in [["actor", &actor], ["action", &event.kind], ["type", &recorded.aggregate_type]] {
        document.add_facet(fields.facet, Facet::from_path(path));
    }
    Ok(document)
}

/// One line for each member with words in it, then the SQL.
fn text(
    recorded: &Recorded,
    event: &RecordedEvent,
    known: &Known,
) -> Result<String, serde_json::Error> {
    let mut lines = vec![format!("{} {} {}", event.kind, recorded.aggregate_id, recorded.hash)];
    let actor = known.actor.as_deref().unwrap_or_default();
    lines.push(format!("by {} {actor}", recorded.actor.id).trim_end().to_owned());
    members(None, &data(&event.event)?, &mut lines);
    let drafts = matches!(&event.event, Event::Change(ChangeEvent::Drafted(_)));
    if let Some(sql) = known.sql.as_ref().filter(|_| drafts) {
        let sql = String::from_utf8_lossy(sql);
        lines.push(cut(&sql, LONGEST_SQL).to_owned());
    }
    Ok(lines.join("\n"))
}

fn data(event: &Event) -> Result<Value, serde_json::Error> {
    let value = match event {
        Event::Tenant(event) => serde_json::to_value(event),
        Event::Principal(event) => serde_json::to_value(event),
        Event::TrustRoot(event) => serde_json::to_value(event),
        Event::DataSource(event) => serde_json::to_value(event),
        Event::Change(event) => serde_json::to_value(event),
        Event::Approval(event) => serde_json::to_value(event),
        Event::Job(event) => serde_json::to_value(event),
        Event::Agent(event) => serde_json::to_value(event),
        Event::Log(event) => serde_json::to_value(event),
    }?;
    Ok(value.get("data").cloned().unwrap_or_default())
}

fn members(name: Option<&str>, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::String(text) if is_words(text) => match name {
            Some(name) => lines.push(format!("{name}: {text}")),
            None => lines.push(text.clone()),
        },
        Value::Array(values) => values.iter().for_each(|value| members(name, value, lines)),
        Value::Object(object) => {
            object.iter().for_each(|(name, value)| members(Some(name), value, lines));
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Digests stay: people look for the one that they hold. Signatures and certificates do not.
fn is_words(text: &str) -> bool {
    let is_base64 = text.len() > 80 && text.is_ascii() && !text.contains([' ', '\n', '.']);
    !text.is_empty() && text.len() <= LONGEST_MEMBER && !is_base64
}

/// At most so many bytes, whole characters.
pub(crate) fn cut(text: &str, longest: usize) -> &str {
    text.get(..text.floor_char_boundary(longest)).unwrap_or(text)
}
