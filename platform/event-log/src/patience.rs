//! How long an outcome may stay unknown, and the pauses between tries to learn it.

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use std::future::Future;
use std::time::{Duration, Instant};

const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(2);
/// Well below what a request may take, so that the caller is told.
const TOGETHER: Duration = Duration::from_secs(15);

tokio::task_local! {
    static UNTIL: Instant;
}

/// Runs one request: everything that it waits for here has one patience together, not each its own.
pub async fn patiently<F: Future>(request: F) -> F::Output {
    UNTIL.scope(Instant::now() + TOGETHER, request).await
}

/// The pauses of one append or read.
#[derive(Debug)]
pub(crate) struct Patience {
    until: Instant,
    pauses: ExponentialBackoff,
}

impl Patience {
    pub(crate) fn new() -> Self {
        let builder = ExponentialBuilder::default()
            .with_min_delay(SHORTEST)
            .with_max_delay(LONGEST)
            .without_max_times()
            .with_jitter();
        let until = UNTIL.try_with(|until| *until);
        let until = until.unwrap_or_else(|_| Instant::now() + TOGETHER);
        Self { until, pauses: builder.build() }
    }

    /// Waits; false once it has taken too long.
    pub(crate) async fn pause(&mut self) -> bool {
        let Some(pause) = self.pauses.next().filter(|_| self.lasts()) else { return false };
        tokio::time::sleep(pause).await;
        true
    }

    pub(crate) fn lasts(&self) -> bool {
        Instant::now() < self.until
    }
}
