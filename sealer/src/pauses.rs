//! Pauses between tries that time may mend: longer each time, never for ever.

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// The pauses of one row of tries.
#[derive(Debug)]
pub struct Pauses(ExponentialBackoff);

impl Default for Pauses {
    fn default() -> Self {
        let pauses = ExponentialBuilder::default().with_min_delay(SHORTEST).with_max_delay(LONGEST);
        Self(pauses.with_jitter().without_max_times().build())
    }
}

impl Pauses {
    /// The next one.
    pub fn longer(&mut self) -> Duration {
        self.0.next().unwrap_or(LONGEST)
    }
}
