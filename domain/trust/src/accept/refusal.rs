//! Refusals: the names of PROTOCOL.md, "Refusal names by line", each with a sentence for people.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a job is not run: the name that results carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Line 1: not the strict form, or another payload type.
    Malformed,
    /// Line 2: no dispatcher key of the current root signed.
    DispatcherUnknown,
    /// Line 2: another epoch than the root's dispatcher.
    EpochMismatch,
    /// Line 3: the tenants differ.
    WrongTenant,
    /// Line 3: the job is for another agent.
    WrongAudience,
    /// Line 4: the data source is not configured here.
    UnknownDataSource,
    /// Line 4: the data source does not allow the mode.
    ModeNotAllowed,
    /// Line 5: the current root has expired.
    RootExpired,
    /// Line 5: the current root is older than the change's, or than the pin.
    RootRollback,
    /// Line 5: same version, other digest.
    RootMismatch,
    /// Line 5: a development root at a site that does not allow it.
    DevelopmentRoot,
    /// Line 6: issued in the future.
    NotYetValid,
    /// Line 6: past its `not_after`.
    Expired,
    /// Line 6: the change is valid for longer than the root allows.
    ValidityTooLong,
    /// Line 6: the local clock is behind what it was, or away from the target's.
    ClockBehind,
    /// Line 7: the job names another change.
    ChangeMismatch,
    /// Line 7: the change is for another environment.
    WrongEnvironment,
    /// Line 7: the change does not name this data source.
    WrongTarget,
    /// Line 7: the root does not allow the change's policy.
    PolicyNotAllowed,
    /// Line 8: too few people.
    QuorumNotMet,
    /// Line 8: too few people of a role.
    RequirementNotMet,
    /// Line 8: the author's signature is missing.
    AuthorUnsigned,
    /// Line 8: too few people with keys outside a browser.
    NativeMinNotMet,
    /// Line 9: the bytes are not the ones that were approved.
    StepMismatch,
    /// Line 9: not the steps that are next.
    StepOrder,
    /// Line 9: a rollback that change or journal do not allow.
    RollbackNotAllowed,
    /// Line 10: already run here.
    Consumed,
    /// Line 10: a newer revision was here.
    RevisionSuperseded,
    /// Line 10: the fence is not above the last one.
    FenceReplayed,
    /// Line 10: the fence is too far above the last one.
    FenceJump,
    /// Line 10: the target's journal is behind the agent's own state.
    TargetBehind,
    /// Line 11: the live schema is another one.
    Drifted,
    /// Line 11: no base fingerprint, and none may be missing.
    BaseUnbound,
    /// Any line: a part of the protocol that this version does not have.
    NotSupported,
}

impl Reason {
    /// Every name, in the order of the lines.
    pub const ALL: [Self; 34] = [
        Self::Malformed,
        Self::DispatcherUnknown,
        Self::EpochMismatch,
        Self::WrongTenant,
        Self::WrongAudience,
        Self::UnknownDataSource,
        Self::ModeNotAllowed,
        Self::RootExpired,
        Self::RootRollback,
        Self::RootMismatch,
        Self::DevelopmentRoot,
        Self::NotYetValid,
        Self::Expired,
        Self::ValidityTooLong,
        Self::ClockBehind,
        Self::ChangeMismatch,
        Self::WrongEnvironment,
        Self::WrongTarget,
        Self::PolicyNotAllowed,
        Self::QuorumNotMet,
        Self::RequirementNotMet,
        Self::AuthorUnsigned,
        Self::NativeMinNotMet,
        Self::StepMismatch,
        Self::StepOrder,
        Self::RollbackNotAllowed,
        Self::Consumed,
        Self::RevisionSuperseded,
        Self::FenceReplayed,
        Self::FenceJump,
        Self::TargetBehind,
        Self::Drifted,
        Self::BaseUnbound,
        Self::NotSupported,
    ];

    /// The wire name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::DispatcherUnknown => "dispatcher_unknown",
            Self::EpochMismatch => "epoch_mismatch",
            Self::WrongTenant => "wrong_tenant",
            Self::WrongAudience => "wrong_audience",
            Self::UnknownDataSource => "unknown_data_source",
            Self::ModeNotAllowed => "mode_not_allowed",
            Self::RootExpired => "root_expired",
            Self::RootRollback => "root_rollback",
            Self::RootMismatch => "root_mismatch",
            Self::DevelopmentRoot => "development_root",
            Self::NotYetValid => "not_yet_valid",
            Self::Expired => "expired",
            Self::ValidityTooLong => "validity_too_long",
            Self::ClockBehind => "clock_behind",
            Self::ChangeMismatch => "change_mismatch",
            Self::WrongEnvironment => "wrong_environment",
            Self::WrongTarget => "wrong_target",
            Self::PolicyNotAllowed => "policy_not_allowed",
            Self::QuorumNotMet => "quorum_not_met",
            Self::RequirementNotMet => "requirement_not_met",
            Self::AuthorUnsigned => "author_unsigned",
            Self::NativeMinNotMet => "native_min_not_met",
            Self::StepMismatch => "step_mismatch",
            Self::StepOrder => "step_order",
            Self::RollbackNotAllowed => "rollback_not_allowed",
            Self::Consumed => "consumed",
            Self::RevisionSuperseded => "revision_superseded",
            Self::FenceReplayed => "fence_replayed",
            Self::FenceJump => "fence_jump",
            Self::TargetBehind => "target_behind",
            Self::Drifted => "drifted",
            Self::BaseUnbound => "base_unbound",
            Self::NotSupported => "not_supported",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The first line of the predicate that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Refusal {
    reason: Reason,
    line: u8,
    sentence: String,
}

impl Refusal {
    /// A refusal of the predicate's line `line`, 1 to 11.
    pub(crate) fn new(line: u8, reason: Reason, sentence: impl Into<String>) -> Self {
        Self { reason, line, sentence: sentence.into() }
    }

    /// A part of the protocol that this version does not have, for the agent's own limits on what it runs.
    pub fn not_supported(line: u8, sentence: impl Into<String>) -> Self {
        Self::new(line, Reason::NotSupported, sentence)
    }

    /// The reason, as a result carries it.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The wire name.
    pub fn name(&self) -> &'static str {
        self.reason.name()
    }

    /// Which line of the predicate failed, 1 to 11.
    pub fn line(&self) -> u8 {
        self.line
    }

    /// What to tell people.
    pub fn sentence(&self) -> &str {
        &self.sentence
    }
}
