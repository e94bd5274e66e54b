//! The layers that every API gets: trace and access log, limits, problems for everything that goes wrong.

use crate::body::BodyDeadline;
use crate::problem::{INTERNAL, METHOD_NOT_ALLOWED, NOT_FOUND, OVERLOADED, Problem, TIMEOUT};
use crate::trace::{TRACEPARENT, TraceContext};
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use domain::ids::CommandId;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;
use tracing::field::Empty;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_REQUEST_ID: usize = 128;
/// Seconds that a caller waits before it tries an overloaded server again.
const RETRY_OVERLOADED: u32 = 1;

/// What one API accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest body in bytes; a route raises its own with `DefaultBodyLimit::max`.
    pub body_bytes: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long a handler may take until it answers; a streamed answer may then last longer.
    pub request_timeout: Duration,
    /// So many requests may be in flight; more are refused at once.
    pub concurrent_requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 * 1024,
            body_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            concurrent_requests: 1024,
        }
    }
}

/// The command that a request turned out to be, once its handler knows: a timeout names it.
#[derive(Debug, Clone, Default)]
pub struct CommandName(Arc<OnceLock<String>>);

impl CommandName {
    /// Notes it; the first one stays.
    pub fn note(&self, command: CommandId) {
        self.0.get_or_init(|| command.to_string());
    }
}

#[derive(Clone)]
struct Admission {
    slots: Arc<Semaphore>,
    limits: Limits,
}

/// Wraps the complete router of an API; call it last.
pub fn api(router: Router, limits: Limits) -> Router {
    let slots = Arc::new(Semaphore::new(limits.concurrent_requests));
    // The last layer is the outermost: an answer of any inner one is traced and logged.
    router
        .fallback(|| async { Problem::of(&NOT_FOUND) })
        .method_not_allowed_fallback(|| async { Problem::of(&METHOD_NOT_ALLOWED) })
        .layer(DefaultBodyLimit::max(limits.body_bytes))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Admission { slots, limits }, admit))
        .layer(from_fn(observe))
}

async fn admit(State(admission): State<Admission>, mut request: Request, next: Next) -> Response {
    let Ok(_slot) = admission.slots.try_acquire() else {
        return Problem::of(&OVERLOADED).retry_after(RETRY_OVERLOADED).into_response();
    };
    request.extensions_mut().insert(BodyDeadline(admission.limits.body_timeout));
    let command = CommandName::default();
    request.extensions_mut().insert(command.clone());
    let answer = tokio::time::timeout(admission.limits.request_timeout, next.run(request)).await;
    answer.unwrap_or_else(|_| timed_out(&command).into_response())
}

fn timed_out(command: &CommandName) -> Problem {
    let problem = Problem::of(&TIMEOUT).retry_after(RETRY_OVERLOADED);
    let Some(command) = command.0.get() else { return problem };
    let sentence = problem.body().detail.clone();
    problem.detail(format!("command {command}: {sentence}"))
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that the layer asks for")]
fn panicked(payload: Box<dyn Any + Send + 'static>) -> Response {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let reason = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
    tracing::error!(reason, "a handler panicked");
    Problem::of(&INTERNAL).into_response()
}

/// Continues the caller's trace, logs the request and completes the answer. Neither headers nor the query string are
/// logged: they carry tokens and personal data.
async fn observe(mut request: Request, next: Next) -> Response {
    let method = method_label(request.method());
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = matched.unwrap_or_else(|| "unmatched".to_owned());
    let span = tracing::info_span!(
        "request",
        otel.kind = "server",
        otel.name = format!("{method} {route}"),
        trace_id = Empty,
        request_id = Empty,
        method,
        route,
        status = Empty
    );
    let context = TraceContext::enter(&span, TraceContext::of_caller(request.headers()));
    let request_id = request_id(request.headers(), &context);
    span.record("request_id", request_id.to_str().unwrap_or_default());
    request.extensions_mut().insert(context);
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    span.record("status", status);
    let seconds = started.elapsed().as_secs_f64();
    let mut code = None;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        code = Some(problem.code().to_owned());
        *response.body_mut() = problem.traced(context.trace_id());
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    response.headers_mut().insert(TRACEPARENT, context.header());
    response.headers_mut().insert(REQUEST_ID, request_id.clone());
    let labels = [("method", method.to_owned()), ("route", route), ("status", status.to_string())];
    metrics::counter!("http_requests_total", &labels).increment(1);
    metrics::histogram!("http_request_duration_seconds", &labels).record(seconds);
    span.in_scope(|| tracing::info!(status, code, seconds, "answered"));
    response
}

/// The caller's own id if it is short visible ASCII, else the trace id.
fn request_id(headers: &HeaderMap, context: &TraceContext) -> HeaderValue {
    let fits = |value: &&HeaderValue| {
        (1..=LONGEST_REQUEST_ID).contains(&value.len())
            && value.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    let own = headers.get(REQUEST_ID).filter(fits).cloned();
    own.or_else(|| HeaderValue::try_from(context.trace_id()).ok())
        .unwrap_or_else(|| context.header())
}

/// Callers can invent methods; a metric's labels must stay few.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
