//! A cancel is believed if the dispatcher signed it and it names this very job.

use super::addressee::dispatcher_signed;
use super::{Reason, Refusal, Site};
use crate::dsse::Parsed;
use crate::pinned::PinnedRoot;
use crate::statement::{Cancel, Job};

/// Whether this cancel takes back this job.
pub fn cancels(
    cancel: &Parsed<Cancel>,
    job: &Parsed<Job>,
    site: &Site,
    current: &PinnedRoot,
) -> Result<(), Refusal> {
    if !dispatcher_signed(cancel.envelope(), site, current) {
        return Err(Refusal::new(
            2,
            Reason::DispatcherUnknown,
            "no dispatcher key of the current root signed the cancel",
        ));
    }
    let said = cancel.statement();
    if said.job != job.statement().job || said.job_sha256 != job.sha256() {
        let sentence = "the cancel names another job";
        return Err(Refusal::new(3, Reason::WrongAudience, sentence));
    }
    Ok(())
}
