//! The commits of a bundle, one after the other, for whoever wants to know what they say.

use super::evidence::Evidence;
use crate::error::CliError;
use ledger::bundle::COMMITS_FILE;
use ledger::line::MAX_LINE_BYTES;
use ledger::verify::manifest_of;
use ledger::{BundleError, BundleSource, Commit, EntryKind, Origin, Policy, Slug, Verifier};
use std::io::{BufRead as _, Read as _};

/// What the good commits of a bundle say; those that an honest reader skips say nothing.
pub fn evidence(
    source: &dyn BundleSource,
    policy: &Policy,
    origin: &Origin,
    shard: &Slug,
) -> Result<Evidence, CliError> {
    let mut evidence = Evidence::default();
    each(source, policy, origin, shard, |commit| evidence.take_in(&commit))?;
    Ok(evidence)
}

/// Gives every good commit of a bundle, in the order of its lines.
pub fn each(
    source: &dyn BundleSource,
    policy: &Policy,
    origin: &Origin,
    shard: &Slug,
    mut take: impl FnMut(Commit),
) -> Result<(), CliError> {
    let verifier = Verifier::new(policy, origin, shard)
        .map_err(|error| CliError::Verify(ledger::VerifyError::Policy(error)))?;
    let mut verifier = verifier.within(manifest_of(source)?.scope()?);
    let unreadable =
        |source| CliError::Bundle(BundleError::Read { name: COMMITS_FILE.to_owned(), source });
    let entries = source.entries().map_err(BundleError::List)?;
    // The ledger's report says that it is missing, or something else than a file.
    if !entries.iter().any(|e| e.name == COMMITS_FILE && e.kind == EntryKind::File) {
        return Ok(());
    }
    let mut reader = source.open(COMMITS_FILE).map_err(unreadable)?;
    let longest = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut reader).take(longest).read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            return Ok(());
        }
        if let Some(commit) = verifier.line(&line) {
            take(commit);
        }
    }
}
