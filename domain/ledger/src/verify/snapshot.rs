//! A verification under way, written down by one process and gone on with by another.
//!
//! [`Verifier`] writes itself by serde, without what it trusts. A snapshot is believed as it stands: it says what was
//! found in lines that nobody reads again. It is worth as much as the machine that it was kept on.

use super::Verifier;
use super::blobs::NamedBlobs;
use super::expected::Expected;
use super::keys::KeyStory;
use super::links::{Links, Lost};
use super::order::Order;
use super::proofs::Proofs;
use super::report::{Caveat, Findings, Sealed};
use super::sealing::Sealing;
use super::times::Clocks;
use crate::bundle::Scope;
use crate::hash::CommitHash;
use crate::name::{Origin, Slug};
use crate::policy::{Policy, PolicyError};
use crate::receipt::Receipt;
use crate::tree::TreeHead;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What a [`Verifier`] wrote.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    scope: Scope,
    tree_size: Option<u64>,
    sealed: Option<Sealed>,
    has_checkpoint: bool,
    sealing: Sealing,
    proofs: Option<Proofs>,
    expected: Option<Expected>,
    kept: Vec<TreeHead>,
    receipts: BTreeMap<u64, Vec<Receipt>>,
    clocks: Clocks,
    complete_to: BTreeMap<String, u64>,
    order: Order,
    links: Links,
    keys: KeyStory,
    blobs: NamedBlobs,
    findings: Findings,
    caveats: Vec<Caveat>,
    lines: u64,
    commits: u64,
    last_hash: Option<CommitHash>,
    lost: Lost,
    seen: Option<BTreeMap<u64, CommitHash>>,
    is_ended: bool,
}

impl Snapshot {
    /// Goes on from it. The policy, the log and the shard must be those that it was begun with: whoever keeps it, keeps
    /// with it which they were.
    pub fn resume(
        self,
        policy: &Policy,
        origin: &Origin,
        shard: &Slug,
    ) -> Result<Verifier, PolicyError> {
        let Verifier { judge, policy, gaps, .. } = Verifier::new(policy, origin, shard)?;
        let mut verifier = Verifier {
            judge,
            policy,
            gaps,
            scope: self.scope,
            tree_size: self.tree_size,
            sealed: self.sealed,
            has_checkpoint: self.has_checkpoint,
            sealing: self.sealing,
            proofs: self.proofs,
            expected: self.expected,
            kept: self.kept,
            receipts: self.receipts,
            clocks: self.clocks,
            complete_to: self.complete_to,
            order: self.order,
            links: self.links,
            keys: self.keys,
            blobs: self.blobs,
            findings: self.findings,
            caveats: self.caveats,
            lines: self.lines,
            commits: self.commits,
            last_hash: self.last_hash,
            lost: self.lost,
            seen: self.seen,
            is_ended: self.is_ended,
        };
        verifier.restore_judge();
        Ok(verifier)
    }
}
