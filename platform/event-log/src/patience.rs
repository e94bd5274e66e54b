//! How long an outcome may stay unknown, and the pauses between tries to learn it.

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use std::time::{Duration, Instant};

const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(2);
/// Well below what a request may take, so that the caller is told.
const TOGETHER: Duration = Duration::from_secs(15);

/// The pauses of one append.
#[derive(Debug)]
pub(crate) struct Patience {
    started: Instant,
    pauses: ExponentialBackoff,
}

impl Patience {
    pub(crate) fn new() -> Self {
        let builder = ExponentialBuilder::default()
            .with_min_delay(SHORTEST)
            .with_max_delay(LONGEST)
            .without_max_times()
            .with_jitter();
        Self { started: Instant::now(), pauses: builder.build() }
    }

    /// Waits; false once it has taken too long.
    pub(crate) async fn pause(&mut self) -> bool {
        let Some(pause) = self.pauses.next().filter(|_| self.started.elapsed() < TOGETHER) else {
            return false;
        };
        tokio::time::sleep(pause).await;
        true
    }
}
