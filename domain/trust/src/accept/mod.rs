//! The acceptance predicate: everything that must hold before an agent runs a job. The first failing line refuses.
//!
//! Lines 1 to 4 hold for every job, then a redelivered attempt gets its stored answer; an introspection needs its own
//! times (6) on top, a migration needs all lines. Line 11 needs the live schema: [`Accepted::check_base`].
//! Source: PROTOCOL.md section 3, "Acceptance predicate".

mod accepted;
mod addressee;
mod approval;
mod cancel;
mod consumption;
mod form;
mod refusal;
mod scope;
mod site;
mod steps;
mod validity;

pub use accepted::{Accepted, Migration};
pub use addressee::dispatcher_signed;
pub use cancel::cancels;
pub use refusal::{Reason, Refusal};
pub use site::{JournalView, LocalDataSource, Moment, Site, StoredResult};
pub use steps::AcceptedStep;

use crate::message::JobMessage;
use crate::pinned::PinnedRoot;
use crate::statement::Mode;

/// What to do with a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was answered before: sign and publish this again, run nothing.
    Redelivered(StoredResult),
    /// It may run, once line 11 holds.
    Accepted(Box<Accepted>),
}

/// Judges a job by lines 1 to 10.
pub fn judge(
    message: &JobMessage,
    site: &Site,
    current: &PinnedRoot,
    moment: &Moment,
    journal: &JournalView,
) -> Result<Verdict, Refusal> {
    let statements = form::read(message)?;
    let job = &message.job;
    // A newer root would replace the one that line 2 reads its keys from; walking to it is not built yet.
    if statements.newest_root.is_some_and(|newest| newest > current.reference().version) {
        return Err(Refusal::not_supported(2, "walking to a newer root is not supported yet"));
    }
    addressee::dispatcher(job, site, current)?;
    addressee::addressee(job.statement(), statements.change.as_ref(), site, current)?;
    let source = addressee::data_source(job.statement(), site)?;
    if let Some(stored) = consumption::redelivered(job, journal) {
        return Ok(Verdict::Redelivered(stored));
    }
    let migration = match (job.statement().mode, &statements.change, &message.sql) {
        (Mode::Migrate, Some(change), Some(sql)) => {
            let said = change.statement();
            validity::root(said, site, current, moment.now)?;
            validity::times(job.statement(), said, current, moment)?;
            let environment = scope::scope(job.statement(), change, source, current)?;
            let counted = approval::approval(change, &statements, current, &site.rules(source))?;
            let steps = steps::steps(job.statement(), said, sql)?;
            consumption::consumption(job, said, change.sha256(), journal)?;
            Some(Migration {
                change: said.clone(),
                change_sha256: change.sha256(),
                sql: sql.clone(),
                steps,
                counted: counted.people().cloned().collect(),
                unbound_base_allowed: environment.allow_unbound_base && source.allow_unbound_base,
            })
        }
        (Mode::Introspect, None, None) => {
            validity::job_times(job.statement(), moment)?;
            consumption::attempt_is_new(job, journal)?;
            None
        }
        // Line 1 has seen to it that these do not come here; whatever does is refused.
        _ => return Err(Refusal::not_supported(4, "this mode is not supported yet")),
    };
    Ok(Verdict::Accepted(Box::new(Accepted {
        job: job.statement().clone(),
        job_sha256: job.sha256(),
        root: current.reference(),
        migration,
    })))
}
