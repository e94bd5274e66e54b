//! What a measurement says: figures with their peers, ratios and targets.

use crate::callers::{Run, middle};
use crate::machine::Machine;
use crate::statistics::median;
use serde::Serialize;

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// The measurement it belongs to.
    pub measurement: &'static str,
    /// What was measured.
    pub name: String,
    /// Under which circumstances.
    pub configuration: String,
    /// Of the value.
    pub unit: &'static str,
    /// How many pieces of work a run had.
    pub n: u64,
    /// How many runs there were.
    pub runs: usize,
    /// The median of the runs.
    pub median: f64,
    /// Milliseconds, the median of the runs.
    pub p50_ms: Option<f64>,
    /// Milliseconds, the median of the runs.
    pub p99_ms: Option<f64>,
    /// What it is compared with.
    pub peer: Option<Peer>,
    /// What it should reach.
    pub targets: Vec<Judged>,
}

/// What a figure is compared with.
#[derive(Debug, Clone, Serialize)]
pub struct Peer {
    /// Which.
    pub name: String,
    /// Its median in the same unit.
    pub median: f64,
    /// Ours by its.
    pub ratio: f64,
    /// Who is ahead: `ours` or `the peer`; nobody of a thing compared with itself.
    pub ahead: Option<&'static str>,
}

/// A target, and whether it was reached.
#[derive(Debug, Clone, Serialize)]
pub struct Judged {
    /// In words.
    pub target: String,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was reached.
    Met,
    /// It was not.
    Missed,
    /// It is about more than this run had.
    NotJudged,
}

impl Verdict {
    /// For people.
    pub fn shown(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::NotJudged => "not judged at this size",
        }
    }
}

/// What a figure should reach.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// This many in its unit.
    AtLeast(f64),
    /// This part of its peer.
    OfPeer(f64),
    /// This many times its peer.
    TimesPeer(f64),
    /// Less than this in its unit.
    Below(f64),
    /// Milliseconds of its p99.
    P99Below(f64),
}

impl Figure {
    /// A figure of single values, one for each run.
    pub fn of(
        measurement: &'static str,
        name: impl Into<String>,
        configuration: impl Into<String>,
        (values, unit): (&[f64], &'static str),
        n: u64,
    ) -> Self {
        Self {
            measurement,
            name: name.into(),
            configuration: configuration.into(),
            unit,
            n,
            runs: values.len(),
            median: median(values),
            p50_ms: None,
            p99_ms: None,
            peer: None,
            targets: Vec::new(),
        }
    }

    /// A figure of rates with latencies.
    pub fn of_runs(
        measurement: &'static str,
        name: impl Into<String>,
        configuration: impl Into<String>,
        (runs, unit): (&[Run], &'static str),
    ) -> Self {
        let rates: Vec<_> = runs.iter().map(|run| run.rate).collect();
        let middle = middle(runs);
        let n = middle.map_or(0, |run| run.count);
        let figure = Self::of(measurement, name, configuration, (&rates, unit), n);
        let (p50_ms, p99_ms) = (middle.map(|run| run.p50), middle.map(|run| run.p99));
        Self { p50_ms, p99_ms, ..figure }
    }

    /// Compares it with a peer of the same run.
    #[must_use]
    pub fn against(self, name: impl Into<String>, median: f64) -> Self {
        let is_ahead = self.median >= median;
        let ahead = Some(if is_ahead { "ours" } else { "the peer" });
        self.compared(name.into(), median, ahead)
    }

    /// Compares it with what it was before.
    #[must_use]
    pub fn since(self, name: &str, median: f64) -> Self {
        self.compared(format!("itself, {name}"), median, None)
    }

    /// Shows what another one needs for the same, without a winner.
    #[must_use]
    pub fn beside(self, name: &str, median: f64) -> Self {
        self.compared(name.to_owned(), median, None)
    }

    fn compared(mut self, name: String, median: f64, ahead: Option<&'static str>) -> Self {
        let ratio = self.median / median.max(f64::MIN_POSITIVE);
        self.peer = Some(Peer { name, median, ratio, ahead });
        self
    }

    /// Judges it.
    #[must_use]
    pub fn should(self, target: Target) -> Self {
        self.should_if(true, target)
    }

    /// Judges it if this run had what the target is about.
    #[must_use]
    pub fn should_if(mut self, is_whole: bool, target: Target) -> Self {
        let ratio = self.peer.as_ref().map_or(0.0, |peer| peer.ratio);
        let (words, met) = match target {
            Target::AtLeast(least) => {
                (format!(">= {} {}", shown(least), self.unit), self.median >= least)
            }
            Target::OfPeer(part) => {
                (format!(">= {:.0} % of the peer", part * 100.0), ratio >= part)
            }
            Target::TimesPeer(times) => (format!(">= {times}x the peer"), ratio >= times),
            Target::Below(most) => (format!("< {} {}", shown(most), self.unit), self.median < most),
            Target::P99Below(most) => {
                (format!("p99 < {most} ms"), self.p99_ms.is_some_and(|p99| p99 < most))
            }
        };
        let verdict = match (is_whole, met) {
            (false, _) => Verdict::NotJudged,
            (true, true) => Verdict::Met,
            (true, false) => Verdict::Missed,
        };
        self.targets.push(Judged { target: words, verdict });
        self
    }
}

/// Everything of one run of the program.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// `full` or `quick`.
    pub mode: &'static str,
    /// What it ran on.
    pub machine: Machine,
    /// How long it took, seconds.
    pub took_seconds: f64,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// Measurements that failed, and why.
    pub failed: Vec<String>,
}

impl Report {
    /// Figures with a target that was missed.
    pub fn missed(&self) -> usize {
        let misses = |figure: &&Figure| figure.targets.iter().any(|t| t.verdict == Verdict::Missed);
        self.figures.iter().filter(misses).count()
    }
}

/// A number as people read it: three digits that mean something, thousands apart.
pub fn shown(value: f64) -> String {
    let decimals = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        small if small >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let whole = grouped(whole);
    if rest.is_empty() { whole } else { format!("{whole}.{rest}") }
}

/// A count as people read it.
pub fn counted(count: impl std::fmt::Display) -> String {
    grouped(&format!("{count}"))
}

fn grouped(digits: &str) -> String {
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        let left = digits.len() - index;
        if index > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_with_three_digits_that_mean_something() {
        for (value, text) in [
            (0.1234, "0.123"),
            (1.5, "1.50"),
            (17.04, "17.0"),
            (999.4, "999"),
            (12_345.6, "12,346"),
            (1_234_567.0, "1,234,567"),
            (-1_234.0, "-1,234"),
        ] {
            assert_eq!(shown(value), text);
        }
        assert_eq!(counted(1_000_000_u64), "1,000,000");
    }

    #[test]
    fn a_target_is_met_missed_or_not_judged() {
        let figure = || Figure::of("m", "n", "c", (&[10.0, 30.0, 20.0], "x/s"), 1);
        let verdict = |figure: Figure| figure.targets.first().map(|t| t.verdict);
        let half = figure().against("peer", 40.0);
        assert_eq!(half.peer.as_ref().and_then(|peer| peer.ahead), Some("the peer"));
        assert_eq!(verdict(half.clone().should(Target::OfPeer(0.5))), Some(Verdict::Met));
        assert_eq!(verdict(half.should(Target::TimesPeer(5.0))), Some(Verdict::Missed));
        assert_eq!(verdict(figure().should(Target::AtLeast(20.0))), Some(Verdict::Met));
        assert_eq!(verdict(figure().should(Target::P99Below(1.0))), Some(Verdict::Missed));
        let small = figure().should_if(false, Target::AtLeast(1.0));
        assert_eq!(verdict(small), Some(Verdict::NotJudged));
    }
}
