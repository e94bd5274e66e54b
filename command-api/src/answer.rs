//! A command's answer: the receipt, where to read on, and whether it answers an earlier try.

use axum::Json;
use axum::response::{IntoResponse, Response};
use client::{ReceiptBody, receipt_body};
use event_log::Answered;
use http::{HeaderName, HeaderValue, StatusCode, header};

/// The answer to an executed command.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    location: Option<String>,
    body: ReceiptBody,
    replayed: bool,
}

impl Answer {
    /// Something was made: 201, and where it is read.
    pub fn created(collection: &str, answered: &Answered) -> Self {
        let location = format!("/v1/{collection}/{}", answered.commit.envelope.aggregate.id);
        Self { location: Some(location), ..Self::new(StatusCode::CREATED, answered) }
    }

    /// As [`Answer::created`], of what no route reads.
    pub fn created_unread(answered: &Answered) -> Self {
        Self::new(StatusCode::CREATED, answered)
    }

    /// As [`Answer::accepted`], of what no route reads.
    pub fn accepted_unread(answered: &Answered) -> Self {
        Self::new(StatusCode::ACCEPTED, answered)
    }

    /// Work follows: 202, and where to watch it.
    pub fn accepted(collection: &str, answered: &Answered) -> Self {
        let location = format!("/v1/{collection}/{}", answered.commit.envelope.aggregate.id);
        Self { location: Some(location), ..Self::new(StatusCode::ACCEPTED, answered) }
    }

    fn new(status: StatusCode, answered: &Answered) -> Self {
        let body = receipt_body(&answered.receipt());
        Self { status, location: None, body, replayed: answered.replayed }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let position = self.body.position();
        let etag = format!("\"{}\"", self.body.version);
        let mut response = (self.status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        let mut put = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        put(HeaderName::from_static("cs-position"), &position);
        put(header::ETAG, &etag);
        if let Some(location) = &self.location {
            put(header::LOCATION, location);
        }
        if self.replayed {
            put(HeaderName::from_static("idempotent-replayed"), "true");
        }
        response
    }
}
