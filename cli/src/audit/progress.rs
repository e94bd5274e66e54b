//! How far a long copy is: told every few seconds, with its rate.

use crate::output::Output;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(2);

/// A copy under way.
#[derive(Debug)]
pub struct Progress<'a> {
    output: &'a Output,
    what: &'static str,
    started: Instant,
    told: Instant,
    count: u64,
}

impl<'a> Progress<'a> {
    /// Starts counting; says nothing before it has taken a while.
    pub fn of(output: &'a Output, what: &'static str) -> Self {
        let now = Instant::now();
        Self { output, what, started: now, told: now, count: 0 }
    }

    /// One more.
    pub fn step(&mut self) {
        self.count = self.count.saturating_add(1);
        if self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            self.output.talk(&line(self.count, self.what, self.started.elapsed()));
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }
}

fn line(count: u64, what: &str, elapsed: Duration) -> String {
    let rate = count.saturating_mul(1_000) / u64::try_from(elapsed.as_millis().max(1)).unwrap_or(1);
    format!("{count} {what}, {rate} per second")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_per_second() {
        assert_eq!(
            line(3_000, "commits", Duration::from_millis(1_500)),
            "3000 commits, 2000 per second"
        );
        assert_eq!(line(0, "blobs", Duration::ZERO), "0 blobs, 0 per second");
    }
}
