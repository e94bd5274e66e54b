//! This machine's clock against another one: a span in which the difference lies, never one number that nobody knows.

use super::finding::Finding;
use chrono::{DateTime, Duration, Utc};

/// Beyond it somebody should look.
const NOTICED: Duration = Duration::seconds(5);
/// An agent refuses a job that was issued further in its future.
const REFUSED: Duration = Duration::seconds(120);

/// How far another clock is from ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// Whose.
    pub of: String,
    /// The least difference that explains what was seen; positive if theirs is ahead.
    pub ahead: Duration,
}

impl Clock {
    /// Asked between `before` and `after`, it said a time between `earliest` and `latest`.
    pub fn seen(
        of: impl Into<String>,
        (before, after): (DateTime<Utc>, DateTime<Utc>),
        (earliest, latest): (DateTime<Utc>, DateTime<Utc>),
    ) -> Self {
        let (least, most) = (earliest - after, latest - before);
        let zero = Duration::zero();
        let ahead = if least > zero {
            least
        } else if most < zero {
            most
        } else {
            zero
        };
        Self { of: of.into(), ahead }
    }
}

/// Judges it.
pub fn judge(clock: &Clock) -> Finding {
    let (code, of) = ("doctor.clock_offset", &clock.of);
    let apart = clock.ahead.abs();
    if apart <= NOTICED {
        return Finding::ok(code, format!("the clock of {of} agrees with this machine's"));
    }
    let side = if clock.ahead > Duration::zero() { "ahead of" } else { "behind" };
    let sentence = format!("the clock of {of} is {} s {side} this machine's", apart.num_seconds());
    let mend = "timedatectl set-ntp true    # on both machines, then `timedatectl timesync-status`";
    if apart > REFUSED {
        let refused = format!("{sentence}: agents refuse jobs and changes outside their time");
        Finding::problem(code, refused, mend)
    } else {
        Finding::warning(code, sentence, mend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn severity(seen: (i64, i64), asked: (i64, i64)) -> (Severity, String) {
        let asked = (at(asked.0), at(asked.1));
        let finding = judge(&Clock::seen("x", asked, (at(seen.0), at(seen.1))));
        (finding.severity, finding.sentence)
    }

    #[test]
    fn a_slow_answer_is_no_offset() {
        assert_eq!(severity((20, 21), (0, 30)).0, Severity::Ok);
    }

    #[test]
    fn an_offset_is_found_on_either_side() {
        let (found, sentence) = severity((40, 41), (0, 1));
        assert_eq!((found, sentence.contains("39 s ahead of")), (Severity::Warning, true));
        let (found, sentence) = severity((-400, -399), (0, 1));
        assert_eq!((found, sentence.contains("399 s behind")), (Severity::Problem, true));
        assert_eq!(severity((130, 131), (0, 1)).0, Severity::Problem);
    }
}
