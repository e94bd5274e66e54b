//! Lines 2 to 4: the dispatcher's own word, to this agent, about a data source that is here.

use super::{LocalDataSource, Reason, Refusal, Site};
use crate::dsse::{Envelope, Parsed};
use crate::pinned::{PinnedRoot, usable_keys};
use crate::statement::{Change, Job, Mode};

/// Line 2: signed by a dispatcher key of the current root, in its epoch.
pub(super) fn dispatcher(
    job: &Parsed<Job>,
    site: &Site,
    current: &PinnedRoot,
) -> Result<(), Refusal> {
    if !dispatcher_signed(job.envelope(), site, current) {
        return Err(Refusal::new(
            2,
            Reason::DispatcherUnknown,
            "no dispatcher key of the current root signed the job",
        ));
    }
    let (said, epoch) = (job.statement().dispatcher_epoch, current.root().roles.dispatcher.epoch);
    if said != epoch {
        return Err(Refusal::new(
            2,
            Reason::EpochMismatch,
            format!("the job is of dispatcher epoch {said}, the root's is {epoch}"),
        ));
    }
    Ok(())
}

/// Whether a dispatcher key of the current root signed it, one that counts at this site.
pub fn dispatcher_signed(envelope: &Envelope, site: &Site, current: &PinnedRoot) -> bool {
    let keys = usable_keys(&current.root().roles.dispatcher.keys)
        .filter(|key| !site.revoked_keys.contains(&key.id()));
    !envelope.verified_by(keys).is_empty()
}

/// Line 3: one tenant everywhere, and this agent.
pub(super) fn addressee(
    job: &Job,
    change: Option<&Parsed<Change>>,
    site: &Site,
    current: &PinnedRoot,
) -> Result<(), Refusal> {
    let wrong = |what: &str| {
        let sentence = format!("{what} is not of the tenant {}", site.tenant);
        Err(Refusal::new(3, Reason::WrongTenant, sentence))
    };
    if job.tenant != site.tenant {
        return wrong("the job");
    }
    if change.is_some_and(|change| change.statement().tenant != site.tenant) {
        return wrong("the change");
    }
    if current.root().tenant != site.tenant {
        return wrong("the root");
    }
    if site.agent.tenant().as_ref() != Some(&site.tenant) {
        return wrong("this agent's own SPIFFE id");
    }
    if job.audience != site.agent {
        return Err(Refusal::new(
            3,
            Reason::WrongAudience,
            format!("the job is for {}, this is {}", job.audience, site.agent),
        ));
    }
    Ok(())
}

/// Line 4: configured here, for this mode.
pub(super) fn data_source<'s>(job: &Job, site: &'s Site) -> Result<&'s LocalDataSource, Refusal> {
    let Some(source) = site.data_sources.get(&job.data_source) else {
        return Err(Refusal::new(
            4,
            Reason::UnknownDataSource,
            format!("{} is not configured here", job.data_source),
        ));
    };
    let mode = job.mode.name();
    if !source.modes.contains(&job.mode) {
        return Err(Refusal::new(
            4,
            Reason::ModeNotAllowed,
            format!("{} does not allow {mode} here", source.name),
        ));
    }
    match job.mode {
        Mode::Introspect | Mode::Migrate => Ok(source),
        Mode::Validate | Mode::Rollback => {
            Err(Refusal::not_supported(4, format!("the mode {mode} is not supported yet")))
        }
    }
}
