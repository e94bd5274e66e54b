//! What a request carries: strict JSON bodies, ids in paths, query strings. Anything unexpected has its own code.

use crate::problem::{
    BODY_INCOMPLETE, BODY_TIMEOUT, BODY_TOO_LARGE, INVALID_BODY, INVALID_QUERY, MALFORMED_ID,
    MALFORMED_JSON, Problem, UNSUPPORTED_MEDIA_TYPE,
};
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use std::fmt::Write as _;
use std::time::Duration;
use trust::strict::{StrictError, parse_value};

/// How long a body may take to arrive; `http::api` puts the configured one into the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyDeadline(pub(crate) Duration);

impl Default for BodyDeadline {
    fn default() -> Self {
        Self(Duration::from_secs(10))
    }
}

/// A strict JSON body as `T`, with its exact bytes for the command's digest.
///
/// `T` says `#[serde(deny_unknown_fields)]`. A route raises its limit with `axum::extract::DefaultBodyLimit::max`.
#[derive(Debug, Clone)]
pub struct StrictJson<T> {
    /// The parsed body.
    pub value: T,
    /// The body as it was sent.
    pub bytes: Bytes,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for StrictJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::of(&UNSUPPORTED_MEDIA_TYPE));
        }
        let deadline = request.extensions().get::<BodyDeadline>().copied().unwrap_or_default();
        let reading = tokio::time::timeout(deadline.0, Bytes::from_request(request, state));
        let bytes =
            reading.await.map_err(|_| Problem::of(&BODY_TIMEOUT))?.map_err(|rejection| {
                match rejection.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => Problem::of(&BODY_TOO_LARGE),
                    _ => Problem::of(&BODY_INCOMPLETE),
                }
            })?;
        let value = parse(&bytes)?;
        Ok(Self { value, bytes })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let value = parse_value(bytes).map_err(|error| match error {
        StrictError::Encoding | StrictError::Json(_) | StrictError::Shape(_) => {
            Problem::of(&MALFORMED_JSON).detail(error.to_string())
        }
    })?;
    if !value.is_object() {
        // Serde would read an array as the members of a struct in their order.
        let detail = "the body is not a JSON object";
        return Err(Problem::of(&INVALID_BODY).detail(detail).member("", "invalid", detail));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let message = error.inner().to_string();
        let (code, member) = classify(&message);
        let pointer = pointer(error.path(), member);
        Problem::of(&INVALID_BODY).detail(message.clone()).member(&pointer, code, message)
    })
}

/// The code of a member's error, and the member's name where only serde's message has it.
fn classify(message: &str) -> (&'static str, Option<&str>) {
    let named = |start| message.strip_prefix(start).and_then(|rest: &str| rest.split('`').next());
    if let Some(member) = named("missing field `") {
        return ("missing", Some(member));
    }
    if let Some(member) = named("unknown field `") {
        return ("unknown", Some(member));
    }
    ("invalid", None)
}

/// JSON pointer (RFC 6901) of a path; `member` is added unless the path ends with it already.
fn pointer(path: &serde_path_to_error::Path, member: Option<&str>) -> String {
    let mut pointer = String::new();
    let mut last = None;
    for segment in path {
        let step = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.clone(),
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        push(&mut pointer, &step);
        last = Some(step);
    }
    if let Some(member) = member.filter(|member| last.as_deref() != Some(*member)) {
        push(&mut pointer, member);
    }
    pointer
}

fn push(pointer: &mut String, step: &str) {
    // Writing to a string cannot fail.
    write!(pointer, "/{}", step.replace('~', "~0").replace('/', "~1")).unwrap_or_default();
}

/// Typed path parameters (one id, or a tuple of them): a malformed one is 400 `http.malformed_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathId<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathId<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(PathRejection::FailedToDeserializePathParams(error))
                if error.status().is_client_error() =>
            {
                Err(Problem::of(&MALFORMED_ID).detail(error.body_text()))
            }
            // A route without the parameter that its handler asks for.
            Err(error) => Err(Problem::internal(&error)),
        }
    }
}

/// A query string as `T`, which says `#[serde(deny_unknown_fields)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrictQuery<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for StrictQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        let refused = |error: axum::extract::rejection::QueryRejection| {
            Problem::of(&INVALID_QUERY).detail(error.body_text())
        };
        query.map(|Query(value)| Self(value)).map_err(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    proptest! {
        #[test]
        fn any_body_is_taken_or_refused_with_a_code(bytes: Vec<u8>, text in r#"[{}\[\]":,a/b0-9 ]{0,40}"#) {
            for bytes in [bytes.as_slice(), text.as_bytes()] {
                if let Err(problem) = parse::<Outer>(bytes) {
                    prop_assert!(["http.malformed_json", "http.invalid_body"].contains(&problem.code()));
                }
            }
        }
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(rename = "a/b")]
        #[expect(dead_code, reason = "only its parsing is tested")]
        items: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only its parsing is tested")]
        count: u8,
    }

    #[test]
    fn the_member_that_is_wrong_is_pointed_at() {
        for (body, pointer, code) in [
            (r#"{"a/b":[{"count":1},{"count":"x"}]}"#, "/a~1b/1/count", "invalid"),
            (r#"{"a/b":[{"count":1},{}]}"#, "/a~1b/1/count", "missing"),
            (r#"{"a/b":[{"count":1,"colour":2}]}"#, "/a~1b/0/colour", "unknown"),
            (r"{}", "/a~1b", "missing"),
            (r#"{"a/b":[],"x":1}"#, "/x", "unknown"),
            ("[1]", "", "invalid"),
        ] {
            let problem = parse::<Outer>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.code(), "http.invalid_body", "{body}");
            let error = &problem.body().errors[0];
            assert_eq!((error.pointer.as_str(), error.code.as_str()), (pointer, code), "{body}");
        }
    }

    #[test]
    fn what_is_not_strict_json_is_refused_with_its_position() {
        let problem = parse::<Outer>(b"{\"a/b\":\n[}").unwrap_err();
        assert_eq!(problem.code(), "http.malformed_json");
        assert!(problem.body().detail.contains("line 2 column 2"), "{problem}");
        let twice = parse::<Outer>(br#"{"a/b":[],"a/b":[]}"#).unwrap_err();
        assert_eq!(twice.code(), "http.malformed_json");
    }
}
