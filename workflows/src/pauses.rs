//! How long to wait before something is tried again: longer each time, a little at random, without an end.

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);

/// The pauses of one attempt.
#[derive(Debug)]
pub struct Pauses(ExponentialBackoff);

impl Pauses {
    /// From the shortest on.
    pub fn new() -> Self {
        let builder = ExponentialBuilder::default()
            .with_min_delay(SHORTEST)
            .with_max_delay(LONGEST)
            .without_max_times()
            .with_jitter();
        Self(builder.build())
    }

    /// Waits.
    pub async fn pause(&mut self) {
        tokio::time::sleep(self.0.next().unwrap_or(LONGEST)).await;
    }
}
