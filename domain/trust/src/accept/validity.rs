//! Lines 5 and 6: a current root, and every time in order.

use super::{Moment, Reason, Refusal, Site};
use crate::encoding::Timestamp;
use crate::pinned::PinnedRoot;
use crate::statement::{Change, Job, RootRef};

/// How far ahead of the local clock a statement may be issued, in seconds.
const SKEW_SECONDS: i64 = 120;
/// How far the target's clock may be from the local one, in seconds.
const TARGET_CLOCK_SECONDS: i64 = 300;

/// Line 5: the current root is unexpired, not older than the change's, and allowed here.
pub(super) fn root(
    change: &Change,
    site: &Site,
    current: &PinnedRoot,
    now: Timestamp,
) -> Result<(), Refusal> {
    let root = current.root();
    if now >= root.expires {
        let sentence = format!("root {} expired at {}", root.version, root.expires);
        return Err(Refusal::new(5, Reason::RootExpired, sentence));
    }
    not_before(current.reference(), site.root, "the site's pin")?;
    not_before(current.reference(), change.root, "the change")?;
    if root.development && !site.development {
        let sentence = "the root is for development, which this site does not allow";
        return Err(Refusal::new(5, Reason::DevelopmentRoot, sentence));
    }
    Ok(())
}

fn not_before(current: RootRef, named: RootRef, by: &str) -> Result<(), Refusal> {
    if current.version < named.version {
        let sentence =
            format!("{by} names root {}, the current one is {}", named.version, current.version);
        return Err(Refusal::new(5, Reason::RootRollback, sentence));
    }
    if current.version == named.version && current.sha256 != named.sha256 {
        let sentence = format!("{by} names another root {} than the current one", named.version);
        return Err(Refusal::new(5, Reason::RootMismatch, sentence));
    }
    Ok(())
}

/// Line 6 for a job alone: its own times, and a clock that has not gone back.
pub(super) fn job_times(job: &Job, moment: &Moment) -> Result<(), Refusal> {
    begun("job", job.issued_at, moment.now)?;
    not_over("job", job.not_after, moment.now)?;
    floor(moment)
}

/// Line 6 for a job with a change.
pub(super) fn times(
    job: &Job,
    change: &Change,
    current: &PinnedRoot,
    moment: &Moment,
) -> Result<(), Refusal> {
    begun("job", job.issued_at, moment.now)?;
    begun("change", change.issued_at, moment.now)?;
    not_over("job", job.not_after, moment.now)?;
    not_over("change", change.not_after, moment.now)?;
    // An environment that the root does not have is line 7's to refuse.
    if let Some(environment) = current.root().environments.get(&change.environment) {
        let longest = i64::try_from(environment.max_validity_seconds).unwrap_or(i64::MAX);
        let validity = change.not_after.datetime() - change.issued_at.datetime();
        if validity > chrono::Duration::try_seconds(longest).unwrap_or(chrono::Duration::MAX) {
            let sentence = format!("the change is valid for more than {longest} s");
            return Err(Refusal::new(6, Reason::ValidityTooLong, sentence));
        }
    }
    floor(moment)?;
    near_target(moment)
}

fn begun(what: &str, issued_at: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    if issued_at > now.plus_seconds(SKEW_SECONDS) {
        let sentence = format!("the {what} is issued at {issued_at}, it is {now}");
        return Err(Refusal::new(6, Reason::NotYetValid, sentence));
    }
    Ok(())
}

fn not_over(what: &str, not_after: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    if now >= not_after {
        let sentence = format!("the {what} expired at {not_after}, it is {now}");
        return Err(Refusal::new(6, Reason::Expired, sentence));
    }
    Ok(())
}

fn floor(moment: &Moment) -> Result<(), Refusal> {
    if moment.now < moment.time_floor {
        let sentence = format!("the clock says {}, it was {}", moment.now, moment.time_floor);
        return Err(Refusal::new(6, Reason::ClockBehind, sentence));
    }
    Ok(())
}

fn near_target(moment: &Moment) -> Result<(), Refusal> {
    let refused = |sentence: String| Err(Refusal::new(6, Reason::ClockBehind, sentence));
    let Some(target) = moment.target_clock else {
        return refused("the target's clock was not read".to_owned());
    };
    let apart = (moment.now.datetime() - target.datetime()).abs();
    if apart > chrono::Duration::seconds(TARGET_CLOCK_SECONDS) {
        return refused(format!("the clock says {}, the target's {target}", moment.now));
    }
    Ok(())
}
