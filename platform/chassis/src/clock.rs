//! The one clock. Tests hold a [`TestClock`] and move it.

use chrono::{DateTime, Utc};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use trust::encoding::Timestamp;

/// Tells the time, in microseconds as on the wire.
#[derive(Clone, Default)]
pub struct Clock {
    /// Microseconds since 1970 when a test moves time; `None` is the system's clock.
    moved: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// The time.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    pub fn now(&self) -> Timestamp {
        let moved = self.moved.as_ref().map(|micros| micros.load(Ordering::SeqCst));
        let time = moved.and_then(DateTime::from_timestamp_micros);
        time.unwrap_or_else(Utc::now).into()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.moved.is_some() { "Clock(moved by a test)" } else { "Clock(system)" })
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug, Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    /// Stands at this time.
    pub fn at(time: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(time.datetime().timestamp_micros())))
    }

    /// The clock to hand out.
    pub fn clock(&self) -> Clock {
        Clock { moved: Some(Arc::clone(&self.0)) }
    }

    /// Moves the time by whole seconds, backwards too.
    pub fn advance_seconds(&self, seconds: i64) {
        self.0.fetch_add(seconds.saturating_mul(1_000_000), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_clock_moves_every_clock_it_handed_out() {
        let start: Timestamp = "2026-11-20T07:00:00.000000Z".parse().unwrap();
        let hand = TestClock::at(start);
        let clock = hand.clock().clone();
        assert_eq!(clock.now(), start);
        hand.advance_seconds(90);
        assert_eq!(clock.now(), start.plus_seconds(90));
    }

    #[test]
    fn the_system_clock_runs() {
        let clock = Clock::system();
        assert!(clock.now() > "2024-01-01T00:00:00.000000Z".parse().unwrap());
    }
}
