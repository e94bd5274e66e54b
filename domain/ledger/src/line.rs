//! One line of `commits.ndjson`: a stored message with its exact bytes, in one spelling only.
//!
//! A line is good only if writing it again gives the same bytes, so that no byte of the file is free to change
//! unnoticed (but for the value of `received_at`, which nobody attests). Source: PROTOCOL.md, "Evidence bundle".

use crate::condemn::Stored;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use trust::encoding::{Timestamp, from_base64, to_base64};
use trust::strict::{self, StrictError};

/// Longest line, bytes: the largest message the server takes (8 MiB) in base64, and the other members.
pub const MAX_LINE_BYTES: usize = 12 * 1024 * 1024;

/// Why a line is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
pub enum LineError {
    /// It does not end with a newline.
    #[error("it does not end with a newline")]
    NoNewline,
    /// Longer than [`MAX_LINE_BYTES`].
    #[error("it is longer than any commit can be")]
    TooLong,
    /// Not strict JSON with exactly the members of a line.
    #[error("it is not a line's JSON")]
    Malformed(#[source] StrictError),
    /// Sequences count from 1.
    #[error("its sequence is 0")]
    Sequence,
    /// The same content in another spelling: other spaces, order or escapes.
    #[error("it is not spelled as the format spells it")]
    Spelling,
}

/// A stored message and when the stream says that it took it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Stream sequence, from 1.
    pub sequence: u64,
    /// The subject.
    pub subject: String,
    /// Text of `Cs-Hash`; empty if the message has none (it is condemned then).
    pub hash: String,
    /// Text of `Cs-Signature`; empty if the message has none.
    pub signature: String,
    /// When the server stored it. Not attested by anything.
    pub received_at: Timestamp,
    /// The exact bytes.
    #[serde(serialize_with = "write_bytes", deserialize_with = "read_bytes")]
    pub payload: Vec<u8>,
}

impl Line {
    /// The line of a stored message.
    pub fn of(stored: &Stored<'_>, received_at: Timestamp) -> Self {
        Self {
            sequence: stored.sequence,
            subject: stored.subject.to_owned(),
            hash: stored.hash.unwrap_or_default().to_owned(),
            signature: stored.signature.unwrap_or_default().to_owned(),
            received_at,
            payload: stored.payload.to_vec(),
        }
    }

    /// The message it holds.
    pub fn stored(&self) -> Stored<'_> {
        Stored {
            sequence: self.sequence,
            subject: &self.subject,
            hash: Some(self.hash.as_str()).filter(|text| !text.is_empty()),
            signature: Some(self.signature.as_str()).filter(|text| !text.is_empty()),
            payload: &self.payload,
        }
    }

    /// The exact bytes of the line, newline included.
    pub fn encode(&self) -> Result<Vec<u8>, LineError> {
        let mut bytes = serde_json::to_vec(self)
            .map_err(|error| LineError::Malformed(StrictError::Json(error.to_string())))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Parses the exact bytes of one line, newline included.
    pub fn parse(bytes: &[u8]) -> Result<Self, LineError> {
        if bytes.len() > MAX_LINE_BYTES {
            return Err(LineError::TooLong);
        }
        if let Some(line) = Self::as_spelled(bytes) {
            return Ok(line);
        }
        let text = bytes.strip_suffix(b"\n").ok_or(LineError::NoNewline)?;
        let line: Self = strict::parse(text).map_err(LineError::Malformed)?;
        if line.sequence == 0 {
            return Err(LineError::Sequence);
        }
        if line.encode()? == bytes { Ok(line) } else { Err(LineError::Spelling) }
    }

    /// A good line in the one spelling: each text stands between the marks before and after it and needs no escape.
    fn as_spelled(bytes: &[u8]) -> Option<Self> {
        let rest = std::str::from_utf8(bytes).ok()?.strip_prefix("{\"sequence\":")?;
        let (digits, rest) = rest.split_once(",\"subject\":\"")?;
        let (subject, rest) = rest.split_once("\",\"hash\":\"")?;
        let (hash, rest) = rest.split_once("\",\"signature\":\"")?;
        let (signature, rest) = rest.split_once("\",\"received_at\":\"")?;
        let (received_at, rest) = rest.split_once("\",\"payload\":\"")?;
        let payload = rest.strip_suffix("\"}\n")?;
        let sequence = exact_integer(digits).filter(|sequence| *sequence > 0)?;
        let are_plain = [subject, hash, signature].into_iter().all(is_plain);
        are_plain.then_some(())?;
        Some(Self {
            sequence,
            subject: subject.to_owned(),
            hash: hash.to_owned(),
            signature: signature.to_owned(),
            // Both have one spelling for each value.
            received_at: received_at.parse().ok()?,
            payload: from_base64(payload).ok()?,
        })
    }
}

/// An integer below 2^53 without a leading zero.
fn exact_integer(digits: &str) -> Option<u64> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let has_one_spelling = is_plain && (!digits.starts_with('0') || digits == "0");
    has_one_spelling.then(|| digits.parse().ok())?.filter(|integer| *integer <= strict::MAX_INTEGER)
}

/// Stands in JSON as it is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
}

fn write_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&to_base64(bytes))
}

fn read_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    from_base64(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line() -> Vec<u8> {
        let stored = Stored {
            sequence: 7,
            subject: "cs.log.main.acme.change.chg_01j5a3z9xv7q0c4n8k2m6t1r3w",
            hash: Some("blake3:00"),
            signature: None,
            payload: b"{\"a\":1}",
        };
        let received_at = "2026-11-20T07:00:00.000000Z".parse().unwrap();
        Line::of(&stored, received_at).encode().unwrap()
    }

    /// What the strict parser alone says.
    fn strictly(bytes: &[u8]) -> Option<Line> {
        let line: Line = strict::parse(bytes.strip_suffix(b"\n")?).ok()?;
        (line.sequence > 0 && line.encode().ok()? == bytes).then_some(line)
    }

    #[test]
    fn a_second_spelling_is_refused_whichever_parser_meets_it_first() {
        let text = String::from_utf8(line()).unwrap();
        assert!(Line::parse(text.as_bytes()).is_ok());
        for other in [
            text.replacen("\"sequence\":7", "\"sequence\":7,\"sequence\":7", 1),
            text.replacen(":7", ":7.0", 1),
            text.replacen(":7", ":9007199254740992", 1),
            text.replacen(":7", ":0", 1),
            text.replacen("acme", "\\u0061cme", 1),
            text.replacen('{', "{ ", 1),
            text.replacen("\"subject\"", "\"Subject\"", 1),
        ] {
            assert_ne!(other, text);
            assert!(Line::parse(other.as_bytes()).is_err(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn the_fast_way_takes_what_the_strict_one_takes(at in 0_usize..300, byte in any::<u8>()) {
            let mut bytes = line();
            let length = bytes.len();
            bytes[at % length] = byte;
            prop_assert_eq!(Line::parse(&bytes).ok(), strictly(&bytes));
        }
    }
}
