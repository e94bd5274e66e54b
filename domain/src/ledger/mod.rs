//! The log's own story: when it was opened, its keys, the configuration of its streams, and its gaps.

mod event;
mod keys;
#[cfg(test)]
mod tests;

pub use event::{ConfigurationChanged, GapDeclared, KeyRevoked, LogEvent, Opened};
pub use keys::Keys;

use crate::Issued;
use crate::aggregate::aggregate;
use crate::refusal::refusals;
use ::ledger::{Origin, SignedRotation};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use trust::encoding::Sha256Digest;

/// So many sequences one declaration names.
pub const MAX_GAPS: usize = 1_000;

refusals! {
    /// Why a command on a log was refused.
    LogError {
        AlreadyOpen = "ledger.already_open", Conflict, "the log was opened already";
        NotOpen = "ledger.not_open", NotFound, "there is no open log of this name here";
        RotationOfOtherLog = "ledger.rotation_of_other_log", Invalid, "the rotation was signed for another log";
        RotationMalformed = "ledger.rotation_malformed", Invalid, "a rotation or revocation names a witness and nobody else, a rotation two keys and a beginning after 1";
        RotationUnsigned = "ledger.rotation_signature_wrong", Invalid, "the rotation is not signed by both the old and the new key";
        RotationContradicted = "ledger.rotation_contradicted", Conflict, "the configured writers, or the newest checkpoint, give one of the keys another interval";
        RotationInterval = "ledger.rotation_interval", Conflict, "the new key does not begin after the key before it began";
        KeyNotInForce = "ledger.key_not_in_force", Conflict, "the old key is not the one in force";
        KeyEnded = "ledger.key_ended", Conflict, "the old key was rotated or revoked before";
        KeyReused = "ledger.key_reused", Conflict, "the new key is in force already, or was rotated or revoked before";
        KeyRevokedBefore = "ledger.key_revoked_before", Conflict, "the key was revoked already, and not later than this";
        GapMalformed = "ledger.gap_malformed", Invalid, "the lost sequences are 1 to 1000 ascending numbers after 1";
        GapKnown = "ledger.gap_known", Conflict, "one of the sequences was declared lost already";
        ConfigurationKnown = "ledger.configuration_known", Conflict, "this configuration of the streams is recorded already";
    }
}

/// A command on a log.
#[derive(Debug, Clone, PartialEq)]
pub enum LogCommand {
    /// Write the first commit.
    Open(Opened),
    /// Record how streams are configured.
    RecordConfiguration(Vec<ConfigurationChanged>),
    /// Record a rotation.
    RotateKey {
        /// This log.
        origin: Origin,
        /// What both keys signed.
        rotation: SignedRotation,
        /// Whether the old key is known to be in force; none where nobody here can tell.
        is_in_force: Option<bool>,
        /// What is configured or sealed already gives one of the keys another interval.
        is_contradicted: bool,
    },
    /// Trust a key no longer.
    RevokeKey(KeyRevoked),
    /// Declare messages lost.
    DeclareGap(GapDeclared),
}

/// The state that decisions need.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Log {
    /// What opened it.
    pub opened: Option<Opened>,
    /// The digest of each stream's configuration that was recorded last.
    #[serde(default)]
    pub configurations: BTreeMap<String, Sha256Digest>,
    /// What rotations and revocations have left.
    #[serde(default)]
    pub keys: Keys,
    /// Sequences that were declared lost.
    #[serde(default)]
    pub gaps: BTreeSet<u64>,
}

aggregate!(Log, "log", LogCommand, LogEvent, LogError);

impl Log {
    fn decide(&self, issued: Issued<LogCommand>) -> Result<Vec<LogEvent>, LogError> {
        match (&self.opened, issued.command) {
            (None, LogCommand::Open(opened)) => Ok(vec![LogEvent::Opened(opened)]),
            (Some(_), LogCommand::Open(_)) => Err(LogError::AlreadyOpen),
            (None, _) => Err(LogError::NotOpen),
            (Some(_), LogCommand::RecordConfiguration(all)) => self.reconfigured(all),
            (Some(_), LogCommand::RotateKey { origin, rotation, is_in_force, is_contradicted }) => {
                if rotation.log != origin {
                    return Err(LogError::RotationOfOtherLog);
                }
                self.keys.check_rotation(&rotation, is_in_force)?;
                if is_contradicted {
                    return Err(LogError::RotationContradicted);
                }
                Ok(vec![LogEvent::KeyRotated(rotation)])
            }
            (Some(_), LogCommand::RevokeKey(revoked)) => {
                self.keys.check_revocation(&revoked)?;
                Ok(vec![LogEvent::KeyRevoked(revoked)])
            }
            (Some(_), LogCommand::DeclareGap(gap)) => self.lost(gap),
        }
    }

    fn reconfigured(&self, all: Vec<ConfigurationChanged>) -> Result<Vec<LogEvent>, LogError> {
        let known = |one: &ConfigurationChanged| self.configurations.get(&one.stream);
        let changed = all.into_iter().filter(|one| known(one) != Some(&one.digest));
        let events: Vec<_> = changed.map(LogEvent::ConfigurationChanged).collect();
        if events.is_empty() { Err(LogError::ConfigurationKnown) } else { Ok(events) }
    }

    fn lost(&self, gap: GapDeclared) -> Result<Vec<LogEvent>, LogError> {
        let sequences = &gap.sequences;
        let is_after_one = sequences.first().is_some_and(|first| *first > 1);
        if !is_after_one || sequences.len() > MAX_GAPS || !sequences.is_sorted_by(|a, b| a < b) {
            return Err(LogError::GapMalformed);
        }
        if sequences.iter().any(|sequence| self.gaps.contains(sequence)) {
            return Err(LogError::GapKnown);
        }
        Ok(vec![LogEvent::GapDeclared(gap)])
    }

    fn evolve(&mut self, event: LogEvent) {
        match event {
            LogEvent::Opened(opened) => self.opened = Some(opened),
            LogEvent::ConfigurationChanged(changed) => {
                self.configurations.insert(changed.stream, changed.digest);
            }
            LogEvent::KeyRotated(rotation) => self.keys.rotate(&rotation),
            LogEvent::KeyRevoked(revoked) => self.keys.revoke(&revoked),
            LogEvent::GapDeclared(gap) => self.gaps.extend(gap.sequences),
        }
    }
}
