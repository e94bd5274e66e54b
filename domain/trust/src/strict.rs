//! The one strict JSON parser: for statements, commits, HTTP bodies and the agent.
//!
//! Refuses what two readers could understand differently: a BOM, duplicate keys, numbers that are not integers
//! below 2^53, nesting deeper than [`MAX_DEPTH`], anything after the value. Source: PROTOCOL.md, "Encoding, everywhere".

use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Deepest nesting of arrays and objects.
pub const MAX_DEPTH: usize = 64;
/// Integers lie strictly between -2^53 and 2^53, so that every JSON reader agrees on them.
const INTEGER_LIMIT: u64 = 1 << 53;
/// The largest of them.
pub const MAX_INTEGER: u64 = INTEGER_LIMIT - 1;

/// Why a text was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
pub enum StrictError {
    /// Not UTF-8, or it starts with a byte order mark.
    #[error("not UTF-8 without a byte order mark")]
    Encoding,
    /// Not JSON of the strict form; the text says where and why.
    #[error("{0}")]
    Json(String),
    /// Strict JSON, but not of the expected shape; the text says which member.
    #[error("{0}")]
    Shape(String),
}

/// Parses strict JSON into a value.
pub fn parse_value(bytes: &[u8]) -> Result<Value, StrictError> {
    let text = std::str::from_utf8(bytes).map_err(|_| StrictError::Encoding)?;
    if text.starts_with('\u{feff}') {
        return Err(StrictError::Encoding);
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict { depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| StrictError::Json(error.to_string()))?;
    Ok(value)
}

/// Parses strict JSON into `T`. Whether unknown members are refused is `T`'s to say (`deny_unknown_fields`);
/// statements always say so, commits never do.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StrictError> {
    let value = parse_value(bytes)?;
    serde_json::from_value(value).map_err(|error| StrictError::Shape(error.to_string()))
}

/// As [`parse`], for what must say exactly what `T` writes: serde takes an array for a struct and `{"a":null}` for a
/// unit variant, so that one statement would have several spellings of its shape.
pub fn parse_exact<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, StrictError> {
    exact(&parse_value(bytes)?)
}

/// A strict value as `T`, if `T` writes that very value.
pub fn exact<T: DeserializeOwned + Serialize>(value: &Value) -> Result<T, StrictError> {
    let shape = |error: serde_json::Error| StrictError::Shape(error.to_string());
    let parsed: T = serde_json::from_value(value.clone()).map_err(shape)?;
    let written = serde_json::to_value(&parsed).map_err(shape)?;
    if written == *value {
        Ok(parsed)
    } else {
        Err(StrictError::Shape("a member is not of the form that the format has".to_owned()))
    }
}

/// Refuses a value that [`parse_value`] would not read back as it is, `depth` levels inside a text.
pub fn check_value(value: &Value, depth: usize) -> Result<(), StrictError> {
    let inner = depth + 1;
    let fits = || {
        let detail = || StrictError::Json(format!("nested deeper than {MAX_DEPTH}"));
        if depth < MAX_DEPTH { Ok(()) } else { Err(detail()) }
    };
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
        Value::Number(number) if is_exact(number) => Ok(()),
        Value::Number(number) => Err(StrictError::Json(format!("{number} is no exact integer"))),
        Value::Array(items) => {
            fits()?;
            items.iter().try_for_each(|item| check_value(item, inner))
        }
        Value::Object(members) => {
            fits()?;
            members.values().try_for_each(|item| check_value(item, inner))
        }
    }
}

fn is_exact(number: &Number) -> bool {
    let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
    magnitude.is_some_and(|magnitude| magnitude < INTEGER_LIMIT)
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH}")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        if value >= INTEGER_LIMIT {
            return Err(E::custom("integer of 2^53 or more"));
        }
        Ok(Value::Number(Number::from(value)))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() >= INTEGER_LIMIT {
            return Err(E::custom("integer of 2^53 or more"));
        }
        Ok(Value::Number(Number::from(value)))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Value, E> {
        Err(E::custom("a number that is not an integer"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if members.contains_key(&key) {
                return Err(A::Error::custom(format_args!("duplicate member {key:?}")));
            }
            let value = access.next_value_seed(inner)?;
            members.insert(key, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_two_readers_could_understand_differently_is_refused() {
        for wrong in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"{"a":1,"\u0061":2}"#,
            "1.5",
            "1e3",
            "9007199254740992",
            "-9007199254740992",
            "18446744073709551616",
            "{} {}",
            "\u{feff}{}",
            "",
        ] {
            assert!(parse_value(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(parse_value(&[b'"', 0xff, b'"']).is_err());
        let deep = format!("{}{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
        assert!(parse_value(deep.as_bytes()).is_err());
        let fits = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(parse_value(fits.as_bytes()).is_ok());
        assert_eq!(
            parse_value(b"9007199254740991").unwrap(),
            Value::from(9_007_199_254_740_991_u64)
        );
    }

    #[test]
    fn an_array_for_an_object_is_not_exact() {
        #[derive(Debug, serde::Serialize, serde::Deserialize)]
        struct Pair {
            a: u8,
            b: Option<u8>,
        }
        assert!(parse::<Pair>(b"[1,null]").is_ok(), "serde takes it");
        assert!(parse_exact::<Pair>(b"[1,null]").is_err());
        assert!(parse_exact::<Pair>(br#"{"b":null,"a":1}"#).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _answer = parse_value(&bytes);
        }
    }
}
