//! `schemas/released.json`: the SHA-256 of every schema and sample of an event that was ever released.
//!
//! It only grows. Whoever renames a member in the code, its schema and its sample at once still meets the digest, and
//! whoever takes the digest out meets the commits that had it.

use crate::compatibility::{breaks, shape};
use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Where it is checked in.
pub const PATH: &str = "schemas/released.json";
const GUIDE: &str = "docs/how-to/add-an-event.md";

/// One version of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    /// Of its schema's shape, first as it was released, then with members that it gained.
    schema: Vec<String>,
    /// Of its golden sample, which never changes.
    sample: String,
}

/// What was released, by place: `jobs/job.failed.v1`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Released(BTreeMap<String, Version>);

/// A schema as it is generated now, with what is checked in for it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// `jobs/job.failed.v1`.
    pub place: &'a str,
    /// What the code says.
    pub generated: &'a Value,
    /// The golden sample.
    pub sample: Option<&'a Value>,
    /// The schema file, and whatever earlier commits had in its place.
    pub known: &'a [Value],
}

impl Released {
    /// From the text of the file.
    pub fn read(text: &str) -> Result<Self> {
        let wrong = || format!("{PATH} is not {{place: {{schema: [digest], sample: digest}}}}");
        let members: Map<String, Value> = serde_json::from_str(text).with_context(wrong)?;
        let version = |(place, value): (String, Value)| {
            let list = value.get("schema").and_then(Value::as_array);
            let digests = list.into_iter().flatten().map(digest_text).collect::<Option<Vec<_>>>();
            let sample = value.get("sample").and_then(digest_text).with_context(wrong)?;
            let schema = digests.filter(|list| !list.is_empty()).with_context(wrong)?;
            Ok((place, Version { schema, sample }))
        };
        members.into_iter().map(version).collect::<Result<_>>().map(Self)
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let version =
            |version: &Version| json!({"sample": version.sample, "schema": version.schema});
        let members: Map<String, Value> =
            self.0.iter().map(|(place, one)| (place.clone(), version(one))).collect();
        format!("{:#}\n", Value::Object(members))
    }

    /// The places of every version that was released.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Takes in what is generated now, or says why it may not be released in this place.
    pub fn take(&mut self, candidate: Candidate<'_>) -> Result<()> {
        let Candidate { place, generated, sample, known } = candidate;
        let Some(sample) = sample else {
            bail!("{place}: no golden sample: write schemas/samples/{place}.json ({GUIDE})");
        };
        let (shape, sample) = (shape(generated), digest(sample));
        let now = digest(&shape);
        let Some(version) = self.0.get_mut(place) else {
            self.0.insert(place.to_owned(), Version { schema: vec![now], sample });
            return Ok(());
        };
        let mut wrong = Vec::new();
        if version.sample != sample {
            wrong.push(format!("schemas/samples/{place}.json was edited, and a sample never is"));
        }
        let is_new = version.schema.last() != Some(&now);
        if is_new {
            let mut shapes = known.iter().map(crate::compatibility::shape);
            match shapes.find(|one| version.schema.last() == Some(&digest(one))) {
                Some(last) => wrong.extend(breaks(&last, &shape).iter().map(ToString::to_string)),
                None => wrong.push("neither code nor checked-in schema is what it was".to_owned()),
            }
        }
        if !wrong.is_empty() {
            bail!(refused(place, &wrong));
        }
        if is_new {
            version.schema.push(now);
        }
        Ok(())
    }

    /// What an earlier state of this file had and this one has not, or has otherwise.
    pub fn lost_since(&self, earlier: &Self) -> Vec<String> {
        let is_kept = |place: &str, then: &Version| {
            let now = self.0.get(place);
            now.is_some_and(|now| now.sample == then.sample && now.schema.starts_with(&then.schema))
        };
        let lost = earlier.0.iter().filter(|(place, then)| !is_kept(place, then));
        lost.map(|(place, _)| format!("{place}: {PATH} only grows, and a commit had other digests"))
            .collect()
    }
}

fn refused(place: &str, wrong: &[String]) -> String {
    format!(
        "{place}: this version was released, and is broken:\n  {}\n  \
         Take the change back, or make it a new version with an upcaster: {GUIDE}",
        wrong.join("\n  ")
    )
}

fn digest_text(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest.then(|| text.to_owned())
}

/// SHA-256 of a value's JSON without blanks, members in order.
fn digest(value: &Value) -> String {
    let mut text = String::new();
    write_in_order(value, &mut text);
    format!("{:x}", Sha256::digest(text.as_bytes()))
}

fn write_in_order(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            text.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_in_order(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                write_in_order(item, text);
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "jobs/job.ended.v1";

    fn schema(member: &str) -> Value {
        json!({"type": "object", "properties": {member: {"type": "string"}}, "required": [member]})
    }

    fn candidate<'a>(generated: &'a Value, sample: &'a Value, known: &'a [Value]) -> Candidate<'a> {
        Candidate { place: PLACE, generated, sample: Some(sample), known }
    }

    fn one_released() -> (Released, Value, Value) {
        let (schema, sample) = (schema("code"), json!({"code": "42P01"}));
        let mut released = Released::default();
        released.take(candidate(&schema, &sample, &[])).unwrap();
        (released, schema, sample)
    }

    #[test]
    fn what_was_released_is_written_and_read() {
        let (mut released, schema, sample) = one_released();
        assert_eq!(Released::read(&released.text()).unwrap(), released);
        let before = released.clone();
        released.take(candidate(&schema, &sample, std::slice::from_ref(&schema))).unwrap();
        assert_eq!(released, before, "nothing new");
        for text in ["[]", r#"{"a": {"schema": [], "sample": ""}}"#, r#"{"a": {}}"#] {
            assert!(Released::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_digest_is_of_what_is_said_and_not_of_its_order() {
        let sorted = digest(&json!({"a": [1, "x"], "b": null}));
        let text = r#"{"b": null, "a": [1, "x"]}"#;
        assert_eq!(digest(&serde_json::from_str(text).unwrap()), sorted);
        assert_eq!(
            digest(&json!({})),
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
    }

    #[test]
    fn a_renamed_member_is_refused_with_its_place_and_what_to_do() {
        let (mut released, old, sample) = one_released();
        let before = released.clone();
        let renamed = schema("sqlstate");
        let error = released.take(candidate(&renamed, &sample, &[old])).unwrap_err().to_string();
        assert_eq!(
            error,
            "jobs/job.ended.v1: this version was released, and is broken:\n  \
             /properties/code: removed or renamed\n  \
             /required: sqlstate is required now and was not\n  \
             Take the change back, or make it a new version with an upcaster: docs/how-to/add-an-event.md"
        );
        assert_eq!(released, before);
    }

    #[test]
    fn a_member_renamed_in_code_and_schema_is_refused_too() {
        let (mut released, old, sample) = one_released();
        let renamed = schema("sqlstate");
        let both = [renamed.clone()];
        let error = released.take(candidate(&renamed, &sample, &both)).unwrap_err().to_string();
        assert!(error.contains("neither code nor checked-in schema"), "{error}");
        let with_history = [renamed.clone(), old];
        let error = released.take(candidate(&renamed, &sample, &with_history)).unwrap_err();
        assert!(error.to_string().contains("/properties/code: removed or renamed"), "{error}");
    }

    #[test]
    fn a_sample_that_is_missing_or_edited_is_refused() {
        let (mut released, schema, _) = one_released();
        let edited = json!({"code": "42P07"});
        let error = released.take(candidate(&schema, &edited, &[])).unwrap_err().to_string();
        assert!(error.contains("was edited, and a sample never is"), "{error}");
        let none = Candidate { place: PLACE, generated: &schema, sample: None, known: &[] };
        let error = released.take(none).unwrap_err().to_string();
        assert!(error.contains("no golden sample"), "{error}");
    }

    #[test]
    fn a_version_may_gain_a_member_and_the_digest_before_stays() {
        let (mut released, old, sample) = one_released();
        let before = released.clone();
        let mut more = old.clone();
        more["properties"]["note"] = json!({"type": "string"});
        released.take(candidate(&more, &sample, std::slice::from_ref(&old))).unwrap();
        assert!(released.lost_since(&before).is_empty());
        assert_eq!(released.0[PLACE].schema.len(), 2);
        let error = released.take(candidate(&old, &sample, &[more])).unwrap_err().to_string();
        assert!(error.contains("/properties/note: removed or renamed"), "{error}");
    }

    #[test]
    fn a_digest_that_a_commit_had_is_missed() {
        let (before, _, sample) = one_released();
        let mut other = Released::default();
        other.take(candidate(&schema("sqlstate"), &sample, &[])).unwrap();
        for now in [Released::default(), other] {
            let lost = now.lost_since(&before);
            assert_eq!(lost.len(), 1, "{lost:?}");
            assert!(lost[0].starts_with("jobs/job.ended.v1: "), "{lost:?}");
        }
        assert!(before.lost_since(&Released::default()).is_empty());
    }
}
