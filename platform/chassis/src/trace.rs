//! The W3C trace context that travels from HTTP through commits, jobs and results to the read models.

use crate::collector;
use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use tracing::Span;
use uuid::Uuid;

/// The header of the trace context, in requests, answers, jobs and results.
pub const TRACEPARENT: &str = "traceparent";

/// The text is not a `traceparent` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a W3C traceparent")]
pub struct MalformedTraceparent;

/// Where a request is in its trace. Source: W3C Trace Context, section 3.2.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    pub(crate) trace_id: u128,
    pub(crate) span_id: u64,
    pub(crate) flags: u8,
}

impl TraceContext {
    /// Starts a new, sampled trace.
    pub fn random() -> Self {
        Self { trace_id: random(), span_id: random_span(), flags: 1 }
    }

    /// The next span of the same trace.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { span_id: random_span(), ..*self }
    }

    /// Where a caller is; none if it does not say so once and well-formed.
    pub fn of_caller(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let caller = values.next().and_then(|value| value.to_str().ok()?.parse::<Self>().ok());
        caller.filter(|_| values.next().is_none())
    }

    /// Puts a span into the trace of what led to it, notes that in its field `trace_id` and says where it is: what it
    /// leads to names that. Without a
    /// collector no span has a place of its own, and the next one is made up.
    pub fn enter(span: &Span, cause: Option<Self>) -> Self {
        let place = collector::place(span, cause)
            .unwrap_or_else(|| cause.map_or_else(Self::random, |cause| cause.child()));
        span.record("trace_id", place.trace_id());
        place
    }

    /// As [`TraceContext::enter`] for what was led to by something recorded with this `traceparent`.
    pub fn follow(span: &Span, traceparent: &str) -> Self {
        Self::enter(span, traceparent.parse().ok())
    }

    /// 32 lower-case hexadecimal digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// As a header value.
    pub fn header(&self) -> HeaderValue {
        HeaderValue::try_from(self.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

// A UUIDv7 is random in its right-most bytes, as W3C asks, and never zero.
fn random() -> u128 {
    Uuid::now_v7().as_u128()
}

fn random_span() -> u64 {
    Uuid::now_v7().as_u64_pair().1
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TraceContext {
    type Err = MalformedTraceparent;

    fn from_str(text: &str) -> Result<Self, MalformedTraceparent> {
        let mut parts = text.split('-');
        let mut next = |digits| lower_hex(parts.next()?, digits);
        let fields = (next(2), next(32), next(16), next(2));
        let (Some(version), Some(trace_id), Some(span_id), Some(flags)) = fields else {
            return Err(MalformedTraceparent);
        };
        // Later versions may append fields; version 00 has none and ff is never valid.
        let fits = version != 0xff && (version != 0 || parts.next().is_none());
        let span_id = u64::try_from(span_id).map_err(|_| MalformedTraceparent)?;
        let flags = u8::try_from(flags & 1).map_err(|_| MalformedTraceparent)?;
        if !fits || trace_id == 0 || span_id == 0 {
            return Err(MalformedTraceparent);
        }
        Ok(Self { trace_id, span_id, flags })
    }
}

fn lower_hex(text: &str, digits: usize) -> Option<u128> {
    let lower = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (lower && text.len() == digits).then(|| u128::from_str_radix(text, 16).ok())?
}

impl<S: Send + Sync> FromRequestParts<S> for TraceContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<Self>().copied();
        let caller = || Self::of_caller(&parts.headers);
        Ok(known.or_else(caller).unwrap_or_else(Self::random))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_traceparent_is_read_or_refused(text: String, near in "[0-9a-f-]{50,60}") {
            for text in [text, near] {
                if let Ok(context) = text.parse::<TraceContext>() {
                    prop_assert_eq!(context.to_string().parse(), Ok(context));
                }
            }
        }
    }

    #[test]
    fn a_traceparent_is_read_and_written_as_w3c_says() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context: TraceContext = text.parse().unwrap();
        assert_eq!(context.to_string(), text);
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-ever";
        assert_eq!(later.parse::<TraceContext>().unwrap(), context);
        for wrong in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(wrong.parse::<TraceContext>(), Err(MalformedTraceparent), "{wrong}");
        }
    }

    #[test]
    fn a_child_stays_in_its_trace() {
        let parent = TraceContext::random();
        let child = parent.child();
        assert_eq!(child.trace_id(), parent.trace_id());
        assert_ne!(child, parent);
        assert_ne!(TraceContext::random().trace_id(), parent.trace_id());
        assert_eq!(parent.to_string().parse(), Ok(parent));
    }
}
