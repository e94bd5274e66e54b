//! The `Idempotency-Key` header: the caller's name for one command, so that a retry meets its first try.

use crate::problem::{IDEMPOTENCY_KEY_MALFORMED, IDEMPOTENCY_KEY_MISSING, Problem};
use axum::extract::FromRequestParts;
use http::request::Parts;

const HEADER: &str = "idempotency-key";
const LONGEST: usize = 255;

/// 1 to 255 visible ASCII characters, chosen by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(HEADER).iter();
        let value = values.next().ok_or_else(|| Problem::of(&IDEMPOTENCY_KEY_MISSING))?;
        let fits = (1..=LONGEST).contains(&value.len())
            && value.as_bytes().iter().all(u8::is_ascii_graphic);
        match value.to_str() {
            Ok(text) if fits && values.next().is_none() => Ok(Self(text.to_owned())),
            _ => Err(Problem::of(&IDEMPOTENCY_KEY_MALFORMED)),
        }
    }
}
