//! Line 7: this change, for this environment and this data source, under an allowed policy.

use super::{LocalDataSource, Reason, Refusal};
use crate::dsse::Parsed;
use crate::names::DataSourceId;
use crate::pinned::PinnedRoot;
use crate::statement::{Change, Environment, Job};

/// Line 7; answers with what the root demands in the change's environment.
pub(super) fn scope<'r>(
    job: &Job,
    change: &Parsed<Change>,
    source: &LocalDataSource,
    current: &'r PinnedRoot,
) -> Result<&'r Environment, Refusal> {
    let manifest = change.statement();
    if job.change_sha256 != Some(change.sha256()) {
        let sentence = "the change is not the one that the job names";
        return Err(Refusal::new(7, Reason::ChangeMismatch, sentence));
    }
    let environment = current
        .root()
        .environments
        .get(&manifest.environment)
        .filter(|_| manifest.environment == source.environment)
        .ok_or_else(|| {
            let sentence = format!(
                "the change is for {}, {} belongs to {}",
                manifest.environment, source.name, source.environment
            );
            Refusal::new(7, Reason::WrongEnvironment, sentence)
        })?;
    if !names(manifest, &job.data_source, source) {
        let sentence = format!("the change does not name {}", source.name);
        return Err(Refusal::new(7, Reason::WrongTarget, sentence));
    }
    let allowed = environment.policies.as_ref();
    if allowed.is_some_and(|policies| !policies.contains(&manifest.policy.sha256)) {
        let sentence = format!("the root does not allow policy {}", manifest.policy.sha256);
        return Err(Refusal::new(7, Reason::PolicyNotAllowed, sentence));
    }
    Ok(environment)
}

/// Listed by id and name, or all of at least one label equal.
fn names(change: &Change, id: &DataSourceId, source: &LocalDataSource) -> bool {
    let listed = change.targets.iter().flatten().any(|t| t.id == *id && t.name == source.name);
    let selected = change.selector.as_ref().is_some_and(|selector| {
        !selector.labels.is_empty()
            && selector.labels.iter().all(|(name, value)| source.labels.get(name) == Some(value))
    });
    listed || selected
}
