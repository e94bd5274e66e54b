//! One publish with an expectation, and what its answer means.

use async_nats::HeaderMap;
use bytes::Bytes;
use nats::Connection;
use serde::Deserialize;

/// The last message of the subject must have this stream sequence.
const EXPECTED_HEADER: &str = "Nats-Expected-Last-Subject-Sequence";
/// The stream's last message must have this sequence.
const EXPECTED_STREAM_HEADER: &str = "Nats-Expected-Last-Sequence";
/// Wrong last sequence: the leader compared (R1 and R3).
const WRONG_LAST_SEQUENCE: u64 = 10_071;
/// Wrong last sequence: another append is in flight (R3), also without a conflict.
const WRONG_LAST_SEQUENCE_IN_FLIGHT: u64 = 10_164;

/// What became of a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Published {
    /// It is stored at this stream sequence.
    Stored(u64),
    /// The expectation did not hold; an earlier try of ours may be the reason.
    Conflict,
    /// Nobody knows.
    Unknown(String),
}

#[derive(Deserialize)]
struct Ack {
    #[serde(default)]
    seq: Option<u64>,
    #[serde(default)]
    duplicate: bool,
    #[serde(default)]
    error: Option<AckError>,
}

#[derive(Deserialize)]
struct AckError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// Publishes once, expecting `last` as the subject's last stream sequence (0: none).
pub(crate) async fn publish(
    connection: &Connection,
    subject: &str,
    mut headers: HeaderMap,
    payload: Bytes,
    last: u64,
) -> Published {
    headers.insert(EXPECTED_HEADER, last.to_string().as_str());
    send(connection, subject, headers, payload).await
}

/// Publishes once, expecting `last` as the stream's last sequence (0: an empty stream).
pub(crate) async fn publish_after(
    connection: &Connection,
    subject: &str,
    mut headers: HeaderMap,
    payload: Bytes,
    last: u64,
) -> Published {
    headers.insert(EXPECTED_STREAM_HEADER, last.to_string().as_str());
    send(connection, subject, headers, payload).await
}

async fn send(
    connection: &Connection,
    subject: &str,
    headers: HeaderMap,
    payload: Bytes,
) -> Published {
    let request = connection.client().request_with_headers(subject.to_owned(), headers, payload);
    match request.await {
        Ok(answer) => understand(&answer.payload),
        Err(error) => Published::Unknown(error.to_string()),
    }
}

/// Only an ack without `duplicate` is success; 10071 and 10164 are conflicts; everything else is unknown.
fn understand(payload: &[u8]) -> Published {
    match serde_json::from_slice::<Ack>(payload) {
        Ok(Ack { error: Some(error), .. }) => match error.err_code {
            WRONG_LAST_SEQUENCE | WRONG_LAST_SEQUENCE_IN_FLIGHT => Published::Conflict,
            code => Published::Unknown(format!("{} ({code})", error.description)),
        },
        Ok(Ack { seq: Some(sequence), duplicate: false, .. }) if sequence > 0 => {
            Published::Stored(sequence)
        }
        Ok(_) => Published::Unknown("an acknowledgement that is none".to_owned()),
        Err(error) => Published::Unknown(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_acknowledgement_without_duplicate_is_success() {
        assert_eq!(understand(br#"{"stream":"S","seq":7}"#), Published::Stored(7));
        for unknown in [
            r#"{"stream":"S","seq":7,"duplicate":true}"#,
            r#"{"stream":"S","seq":0}"#,
            r#"{"error":{"code":503,"err_code":10158,"description":"x"}}"#,
            r#"{"error":{"code":500,"err_code":10163,"description":"x"}}"#,
            "",
        ] {
            assert!(matches!(understand(unknown.as_bytes()), Published::Unknown(_)), "{unknown}");
        }
        for code in [10_071, 10_164] {
            let answer = format!(r#"{{"error":{{"code":400,"err_code":{code}}},"seq":0}}"#);
            assert_eq!(understand(answer.as_bytes()), Published::Conflict);
        }
    }
}
