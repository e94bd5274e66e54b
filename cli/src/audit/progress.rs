//! How far a long copy or verification is: told every few seconds, with its rate.

use crate::output::Output;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(2);

/// Something long under way.
#[derive(Debug)]
pub struct Progress<'a> {
    output: &'a Output,
    what: &'static str,
    started: Instant,
    told: Instant,
    /// What others counted before.
    before: u64,
    count: u64,
}

impl<'a> Progress<'a> {
    /// Starts counting; says nothing before it has taken a while.
    pub fn of(output: &'a Output, what: &'static str) -> Self {
        Self::going_on(output, what, 0)
    }

    /// Goes on counting; the rate is of this run alone.
    pub fn going_on(output: &'a Output, what: &'static str, before: u64) -> Self {
        let now = Instant::now();
        Self { output, what, started: now, told: now, before, count: before }
    }

    /// One more.
    pub fn step(&mut self) {
        self.count = self.count.saturating_add(1);
        if self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            let own = self.count.saturating_sub(self.before);
            self.output.talk(&line(self.count, own, self.what, self.started.elapsed()));
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }
}

fn line(count: u64, own: u64, what: &str, elapsed: Duration) -> String {
    let rate = own.saturating_mul(1_000) / u64::try_from(elapsed.as_millis().max(1)).unwrap_or(1);
    format!("{count} {what}, {rate} per second")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_per_second() {
        assert_eq!(
            line(3_000, 3_000, "commits", Duration::from_millis(1_500)),
            "3000 commits, 2000 per second"
        );
        let going_on = line(3_000, 1_500, "commits", Duration::from_millis(1_500));
        assert_eq!(going_on, "3000 commits, 1000 per second");
        assert_eq!(line(0, 0, "blobs", Duration::ZERO), "0 blobs, 0 per second");
    }
}
