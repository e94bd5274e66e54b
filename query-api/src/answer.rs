//! What a read answers: JSON or exact bytes, with how far the tables were.

use crate::reading::Reading;
use axum::Json;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chassis::Problem;
use client::reads::Page;
use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use ledger::{POSITION_HEADER, PositionMark};
use serde::Serialize;

/// An answer in the making.
#[derive(Debug)]
pub struct Answer {
    response: Response,
}

impl Answer {
    /// A document.
    pub fn json<T: Serialize>(reading: &Reading, body: T) -> Self {
        Self { response: Json(body).into_response() }.at(&reading.served)
    }

    /// The document of one aggregate, or 304 if the caller has this version.
    pub fn document<T: Serialize>(
        reading: &Reading,
        headers: &HeaderMap,
        version: u64,
        body: T,
    ) -> Self {
        Self::tagged(reading, headers, &version.to_string(), body)
    }

    /// A document under an entity tag, or 304 if the caller has it.
    pub fn tagged<T: Serialize>(
        reading: &Reading,
        headers: &HeaderMap,
        tag: &str,
        body: T,
    ) -> Self {
        if has_tag(headers, tag) {
            let response = StatusCode::NOT_MODIFIED.into_response();
            return Self { response }.at(&reading.served).tag(tag);
        }
        Self::json(reading, body).tag(tag)
    }

    /// A page of a list.
    pub fn page<T: Serialize>(reading: &Reading, page: Page<T>) -> Self {
        Self::json(reading, page)
    }

    /// Exact bytes. Browsers must not take SQL for anything else.
    pub fn bytes(reading: &Reading, media_type: &'static str, bytes: Bytes) -> Self {
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static(media_type)),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        Self { response: (headers, bytes).into_response() }.at(&reading.served)
    }

    /// Says up to which position everything is in the answer.
    #[must_use]
    pub fn at(mut self, position: &PositionMark) -> Self {
        // An origin is visible ASCII.
        if let Ok(value) = HeaderValue::try_from(position.to_string()) {
            self.response.headers_mut().insert(POSITION_HEADER, value);
        }
        self
    }

    /// Adds the strong `ETag`.
    fn tag(mut self, tag: &str) -> Self {
        if let Ok(value) = HeaderValue::try_from(format!("\"{tag}\"")) {
            self.response.headers_mut().insert(ETAG, value);
        }
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        self.response
    }
}

/// What handlers return.
pub type Answered = Result<Answer, Problem>;

/// Whether `If-None-Match` names this tag; weak and strong tags compare alike (RFC 9110 section 13.1.2).
pub fn has_tag(headers: &HeaderMap, tag: &str) -> bool {
    let wanted = format!("\"{tag}\"");
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_if_none_match_is_read(value in "[ -~]{0,40}", version: u64) {
            let value = HeaderValue::from_str(&value).unwrap();
            has_tag(&HeaderMap::from_iter([(IF_NONE_MATCH, value)]), &version.to_string());
        }
    }

    #[test]
    fn a_version_is_recognised_in_every_spelling_of_if_none_match() {
        for (value, has) in [
            ("\"7\"", true),
            ("W/\"7\"", true),
            ("\"6\", \"7\"", true),
            ("*", true),
            ("\"77\"", false),
            ("7", false),
        ] {
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static(value))]);
            assert_eq!(has_tag(&headers, "7"), has, "{value}");
        }
    }
}
