//! Problem details: the one error answer of every API (RFC 9457, PROTOCOL.md section 5).
//!
//! [`Problem`] is made from an [`Entry`] of a catalogue, or from a domain refusal; no other error reaches a caller.

mod catalogue;

pub use catalogue::*;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use cqrs_es::AggregateError;
use domain::refusal::{Kind, Refusal};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use utoipa::openapi::{Content, Ref, RefOr, Response as ApiResponse, ResponseBuilder};

/// The media type of every error answer.
pub const MEDIA_TYPE: &str = "application/problem+json";
const TYPE_BASE: &str = "https://countersign.dev/problems/";

/// One line of a catalogue of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The stable code, `<context>.<reason>`.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The sentence shown to people.
    pub sentence: &'static str,
}

/// Declares problems as constants of type [`Entry`](crate::problem::Entry), one line each, and their `CATALOGUE`.
#[macro_export]
macro_rules! problems {
    ($($name:ident = $code:literal, $status:literal, $sentence:literal;)+) => {
        $(
            #[doc = concat!("`", $code, "` (", stringify!($status), "): ", $sentence, ".")]
            pub const $name: $crate::problem::Entry =
                $crate::problem::Entry { code: $code, status: $status, sentence: $sentence };
        )+

        /// Every problem declared here.
        pub const CATALOGUE: &[$crate::problem::Entry] = &[$($name),+];
    };
}

/// The JSON of an error answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `https://countersign.dev/problems/<code>`.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The catalogue's sentence for the code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request.
    pub detail: String,
    /// The stable code, `<context>.<reason>`.
    pub code: String,
    /// The W3C trace id of the request, 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// What is wrong with single members of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<MemberError>,
}

/// What is wrong with one member of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MemberError {
    /// JSON pointer (RFC 6901) into the request body.
    pub pointer: String,
    /// The stable code.
    pub code: String,
    /// For people.
    pub detail: String,
}

#[derive(Debug, Clone)]
struct Answer {
    body: ProblemBody,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// An error answer.
#[derive(Debug, Clone)]
pub struct Problem(Box<Answer>);

impl Problem {
    /// The problem of a catalogue entry; its sentence is also the detail until [`Problem::detail`] says more.
    pub fn of(entry: &Entry) -> Self {
        Self::new(entry.code, entry.status, entry.sentence)
    }

    /// A domain refusal.
    pub fn refusal(refusal: &impl Refusal) -> Self {
        let status = match refusal.kind() {
            Kind::NotFound => 404,
            Kind::Forbidden => 403,
            Kind::Conflict => 409,
            Kind::Invalid => 422,
        };
        Self::new(refusal.code(), status, &refusal.to_string())
    }

    /// A failure of ours: logged here, once, with its causes; the caller learns only the trace id.
    pub fn internal(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = %Chain(error), "request failed");
        Self::of(&INTERNAL)
    }

    fn new(code: &str, status: u16, sentence: &str) -> Self {
        let body = ProblemBody {
            type_uri: format!("{TYPE_BASE}{code}"),
            title: sentence.to_owned(),
            status,
            detail: sentence.to_owned(),
            code: code.to_owned(),
            trace_id: None,
            errors: Vec::new(),
        };
        Self(Box::new(Answer { body, headers: Vec::new() }))
    }

    /// Says what is wrong with this request. Never put a secret or another tenant's data here.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.body.detail = detail.into();
        self
    }

    /// Names a member of the request (JSON pointer) and what is wrong with it.
    #[must_use]
    pub fn member(mut self, pointer: &str, code: &str, detail: impl Into<String>) -> Self {
        let error = MemberError {
            pointer: pointer.to_owned(),
            code: code.to_owned(),
            detail: detail.into(),
        };
        self.0.body.errors.push(error);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Adds `Retry-After` in seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Adds the `WWW-Authenticate` challenge that every 401 must carry (RFC 6750 section 3).
    #[must_use]
    pub fn challenge(self, challenge: &'static str) -> Self {
        self.header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.0.body.code
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.body.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The JSON that is answered.
    pub fn body(&self) -> &ProblemBody {
        &self.0.body
    }

    pub(crate) fn traced(mut self, trace_id: String) -> Body {
        self.0.body.trace_id = Some(trace_id);
        self.json()
    }

    fn json(&self) -> Body {
        // Strings and numbers only: this cannot fail to serialize.
        Body::from(serde_json::to_vec(&self.0.body).unwrap_or_default())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.body.code, self.0.body.detail)
    }
}

impl Error for Problem {}

impl<E: Refusal> From<AggregateError<E>> for Problem {
    fn from(error: AggregateError<E>) -> Self {
        match error {
            AggregateError::UserError(refusal) => Self::refusal(&refusal),
            AggregateError::AggregateConflict => Self::of(&LOG_CONFLICT),
            AggregateError::DatabaseConnectionError(error)
            | AggregateError::DeserializationError(error)
            | AggregateError::UnexpectedError(error) => Self::internal(&*error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.json());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        for (name, value) in &self.0.headers {
            headers.append(name, value.clone());
        }
        // The outermost layer (`http::api`) fills in the trace id, which handlers do not know.
        response.extensions_mut().insert(self);
        response
    }
}

/// Lets a handler list `Problem` among its `responses(...)`. The document must name the schema once:
/// `components(schemas(chassis::problem::ProblemBody))`.
impl utoipa::IntoResponses for Problem {
    fn responses() -> BTreeMap<String, RefOr<ApiResponse>> {
        let content = Content::new(Some(RefOr::<utoipa::openapi::Schema>::Ref(
            Ref::from_schema_name("Problem"),
        )));
        let response = ResponseBuilder::new()
            .description("Problem details (RFC 9457); `code` says which")
            .content(MEDIA_TYPE, content)
            .build();
        BTreeMap::from([("default".to_owned(), RefOr::T(response))])
    }
}

/// Prints an error and its causes on one line.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::identity::PrincipalError;
    use std::collections::BTreeSet;

    #[test]
    fn a_code_is_listed_once_and_has_an_error_status() {
        let codes: BTreeSet<&str> = CATALOGUE.iter().map(|entry| entry.code).collect();
        assert_eq!(codes.len(), CATALOGUE.len());
        assert!(CATALOGUE.iter().all(|entry| (400..600).contains(&entry.status)));
    }

    #[test]
    fn the_type_of_a_problem_leads_to_the_page_of_its_code() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        for entry in CATALOGUE {
            let body = Problem::of(entry).body().clone();
            let page = body.type_uri.strip_prefix("https://countersign.dev/").unwrap();
            assert_eq!(page, format!("problems/{}", entry.code));
            assert!(docs.join(format!("{page}.md")).exists(), "{page}");
        }
    }

    #[test]
    fn every_kind_of_refusal_has_its_status() {
        for entry in PrincipalError::CATALOGUE {
            let expected = match entry.kind {
                Kind::NotFound => 404,
                Kind::Forbidden => 403,
                Kind::Conflict => 409,
                Kind::Invalid => 422,
            };
            let refusals = [
                PrincipalError::NotFound,
                PrincipalError::AlreadyExists,
                PrincipalError::TokenKnown,
                PrincipalError::TokenUnknown,
                PrincipalError::TooManyTokens,
            ];
            let refusal = refusals.into_iter().find(|it| it.code() == entry.code).unwrap();
            let problem = Problem::from(AggregateError::UserError(refusal));
            assert_eq!((problem.status().as_u16(), problem.code()), (expected, entry.code));
            assert_eq!(problem.body().detail, entry.sentence);
        }
    }

    #[test]
    fn a_failure_of_ours_tells_the_caller_nothing() {
        let secret = std::io::Error::other("password=hunter2");
        let problem =
            Problem::from(AggregateError::<PrincipalError>::UnexpectedError(secret.into()));
        assert_eq!(problem.code(), "internal");
        assert!(!serde_json::to_string(problem.body()).unwrap().contains("hunter2"));
        let conflict = Problem::from(AggregateError::<PrincipalError>::AggregateConflict);
        assert_eq!((conflict.code(), conflict.status()), ("log.conflict", StatusCode::CONFLICT));
    }

    #[test]
    fn a_chain_prints_every_cause_once() {
        let error = anyhow::anyhow!("disk full").context("cannot store").context("cannot append");
        assert_eq!(Chain(error.as_ref()).to_string(), "cannot append: cannot store: disk full");
    }

    /// Read an example.
    #[utoipa::path(get, path = "/example", responses((status = 200, body = String), Problem))]
    #[expect(dead_code, reason = "only its documentation is tested")]
    fn example() -> Result<String, Problem> {
        Err(Problem::of(&NOT_FOUND))
    }

    #[derive(utoipa::OpenApi)]
    #[openapi(paths(example), components(schemas(ProblemBody)))]
    struct Document;

    #[test]
    fn a_handler_documents_its_problems() {
        let document = serde_json::to_value(<Document as utoipa::OpenApi>::openapi()).unwrap();
        let response = &document["paths"]["/example"]["get"]["responses"]["default"];
        let schema = &response["content"][MEDIA_TYPE]["schema"]["$ref"];
        assert_eq!(schema, "#/components/schemas/Problem");
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["Problem"]["properties"]["status"]["type"], "integer");
        assert!(schemas["MemberError"].is_object(), "{schemas}");
    }
}
