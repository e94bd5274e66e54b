//! `change.v1`, the manifest: what exactly is to run where. A signature on it means "I approve".

use super::{Invalid, Requirement, RootRef, Statement, at_least_one, check_name};
use crate::encoding::{Sha256Digest, Timestamp, or_null};
use crate::names::{ChangeId, DataSourceId, Fingerprint, PrincipalId, TenantSlug};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The manifest of one revision of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Whose change.
    pub tenant: TenantSlug,
    /// Its id.
    pub change: ChangeId,
    /// From 1; any other manifest of the same change is another revision.
    pub revision: u64,
    /// Who asks for it, and therefore is not counted.
    pub author: PrincipalId,
    /// The environment of its targets.
    pub environment: String,
    /// The root under which it was prepared.
    pub root: RootRef,
    /// When it was prepared.
    pub issued_at: Timestamp,
    /// From when on it may not run.
    pub not_after: Timestamp,
    /// From which schema to which.
    pub transition: Transition,
    /// The data sources by id and name, or null with a selector.
    #[serde(deserialize_with = "or_null")]
    pub targets: Option<Vec<Target>>,
    /// The data sources by labels, or null with targets.
    #[serde(deserialize_with = "or_null")]
    pub selector: Option<Selector>,
    /// What runs, by digest.
    pub steps: Vec<Step>,
    /// When a rollback may run.
    pub rollback: RollbackRule,
    /// Roles demanded on top of the root's.
    pub requirements: Vec<Requirement>,
    /// The policy under which it was approved.
    pub policy: PolicyRef,
    /// Set for an emergency.
    #[serde(deserialize_with = "or_null")]
    pub break_glass: Option<BreakGlass>,
}

/// The schema before and after, by fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// Before; null only where root and site allow an unbound base.
    #[serde(deserialize_with = "or_null")]
    pub from: Option<Fingerprint>,
    /// After, if it is known.
    #[serde(deserialize_with = "or_null")]
    pub to: Option<Fingerprint>,
}

/// A data source, by both of its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its id.
    pub id: DataSourceId,
    /// Its name, which is what a person recognises.
    pub name: String,
}

/// Data sources that carry all of these labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selector {
    /// Label names and values.
    pub labels: BTreeMap<String, String>,
}

/// One contiguous byte range of the submitted file, run as one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its place, from 1.
    pub ordinal: u32,
    /// SHA-256 of its exact bytes.
    pub sha256: Sha256Digest,
    /// Whether it runs in one transaction.
    pub transactional: bool,
    /// Which way it goes.
    pub kind: StepKind,
}

/// Which way a step goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Makes the change.
    Forward,
    /// Takes it back.
    Rollback,
}

/// When rollback steps may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollbackRule {
    /// Never.
    Never,
    /// After a failed step.
    OnFailure,
    /// Whenever a job says so.
    Signed,
}

/// A version of a policy, by number and by the digest of its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRef {
    /// The version, from 1.
    pub version: u64,
    /// SHA-256 of the policy's text.
    pub sha256: Sha256Digest,
}

/// Why the ordinary rule was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakGlass {
    /// SHA-256 of the reason's text.
    pub reason_sha256: Sha256Digest,
}

impl Statement for Change {
    const PAYLOAD_TYPE: &'static str = "application/vnd.countersign.change.v1+json";

    fn check(&self) -> Result<(), Invalid> {
        at_least_one("revision", self.revision)?;
        at_least_one("root version", self.root.version)?;
        at_least_one("policy version", self.policy.version)?;
        check_name("environment", &self.environment)?;
        if self.targets.is_some() == self.selector.is_some() {
            return Err(Invalid::TargetsXorSelector);
        }
        if self.steps.is_empty() {
            return Err(Invalid::NoStep);
        }
        self.steps.iter().try_for_each(|step| at_least_one("ordinal", step.ordinal.into()))?;
        self.requirements.iter().try_for_each(Requirement::check)?;
        self.targets.iter().flatten().try_for_each(|target| check_name("target", &target.name))
    }
}
