//! `audit verify`: the ledger's report on the record, then every claim in it against people's and agents' signatures.

use super::approvals;
use super::blobs::OfBundle;
use super::changes;
use super::commits;
use super::conclusion::Conclusion;
use super::copies;
use super::executions;
use super::roots::Roots;
use crate::error::CliError;
use ledger::{BundleError, BundleSource, Caveat, Policy, Slug, verify_bundle};

/// Verifies a bundle under a policy, and against an earlier bundle where there is one.
pub fn verify(
    source: &dyn BundleSource,
    policy: &Policy,
    shard: &Slug,
    earlier: Option<&dyn BundleSource>,
) -> Result<Conclusion, CliError> {
    let mut report = verify_bundle(source, policy, shard, earlier)?;
    let evidence = commits::evidence(source, policy, &report.origin, shard)?;
    let blobs = OfBundle(source);
    let roots = Roots::open(&evidence, policy, &blobs);
    let approvals = approvals::check(&evidence, &roots, &blobs);
    let executions = executions::check(&evidence, policy, &blobs);
    let changes = changes::check(&evidence, &approvals, &executions);
    let own = copies::of(&evidence, &blobs);
    let differing = copies::differing(source, &own).map_err(BundleError::List)?;
    // They are checked now.
    report.caveats.retain(|caveat| *caveat != Caveat::StatementsNotChecked);
    Ok(Conclusion::new(report, &roots, approvals, executions, changes, &differing, &evidence))
}
