//! The policy file: what a verifier trusts. It comes from the verifier's own side, never out of a bundle.
//!
//! Source: PROTOCOL.md section 1, "Evidence bundle".

use crate::identity::{LogIdentity, Writer};
use crate::interval::{LogKey, Sizes, Witness};
use crate::name::{Origin, Slug};
use crate::note::KeyName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use trust::encoding::{Sha256Digest, Timestamp};
use trust::strict::{self, StrictError};

/// The value of `format`.
pub const POLICY_FORMAT: &str = "countersign-policy/1";

/// Why a policy file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not strict JSON with exactly the members of a policy.
    #[error("not a policy file")]
    Malformed(#[source] StrictError),
    /// Another format.
    #[error("format {0:?}; this reader knows \"countersign-policy/1\"")]
    Format(String),
    /// The same log twice.
    #[error("log {0} is named twice")]
    LogTwice(Origin),
    /// A log without writers verifies nothing.
    #[error("log {0} names no writer")]
    NoWriter(Origin),
    /// A writer's interval is empty or starts at 0.
    #[error("a writer of log {0} covers no sequence")]
    WriterInterval(Origin),
    /// A log's or a witness's key covers no size.
    #[error("a key of log {0} covers no size")]
    KeyInterval(Origin),
    /// A key begins within the interval of the one before it and ends within it: no rotation leaves that. Most often
    /// the end of the old key is forgotten.
    #[error(
        "a key of log {0} begins while another counts, and does not outlast it: end the old one"
    )]
    KeyOverlap(Origin),
    /// A key is named twice, a witness's name other than by a rotation, or a log's key as its own witness.
    #[error("log {0} names a key or witness twice")]
    KeyTwice(Origin),
    /// A witness's name that no signed note can carry.
    #[error("a witness of log {0} has a name with spaces, pluses or control characters, or none")]
    WitnessName(Origin),
    /// More witnesses are asked for than are named.
    #[error("log {0} asks for more witnesses than it names")]
    WitnessQuorum(Origin),
    /// Gaps are sequences from 1, ascending, each once.
    #[error("the gaps of log {0} are not ascending sequences")]
    Gaps(Origin),
    /// A root version is 0 or named twice.
    #[error("root {version} of {tenant} is 0 or named twice")]
    Root {
        /// The tenant.
        tenant: Slug,
        /// The version.
        version: u64,
    },
    /// An authority whose time is empty.
    #[error("an authority of {0} is believed at no time")]
    Authority(String),
    /// The policy does not name this log.
    #[error("the policy does not name the log {0}")]
    UnknownLog(Origin),
}

/// What a verifier trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Always [`POLICY_FORMAT`].
    pub format: String,
    /// The logs.
    pub logs: Vec<LogPolicy>,
    /// Trust roots, by digest.
    pub roots: Vec<RootPin>,
    /// Who issues agents' identities.
    pub agent_authorities: Vec<AgentAuthority>,
}

/// What is trusted about one log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogPolicy {
    /// The log.
    pub origin: Origin,
    /// Keys that sign its checkpoints, each for its sizes.
    pub keys: Vec<LogKey>,
    /// Keys that sign its commits, each for its sequences.
    pub writers: Vec<Writer>,
    /// Who cosigns its checkpoints.
    pub witnesses: Vec<Witness>,
    /// How many of them must.
    pub witness_quorum: u32,
    /// How long a commit may stay unsealed.
    pub max_merge_delay_seconds: u64,
    /// Sequences that are known to be lost; ascending. One that a log holds all the same is a finding: either this
    /// file is wrong, or somebody filled the gap.
    pub gaps: Vec<u64>,
}

/// A trust root, pinned by the digest of its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootPin {
    /// Whose root.
    pub tenant: Slug,
    /// Which version, from 1.
    pub version: u64,
    /// SHA-256 of its payload.
    pub sha256: Sha256Digest,
}

/// A certificate authority that may issue agents' identities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentAuthority {
    /// The SPIFFE trust domain.
    pub trust_domain: String,
    /// SHA-256 of the authority's SPKI DER.
    pub spki_sha256: Sha256Digest,
    /// From when on its certificates are believed.
    pub from: Timestamp,
    /// Until when, exclusive, as in a trust root.
    pub until: Timestamp,
}

impl Policy {
    /// Parses and checks a policy file.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        let policy: Self = strict::parse_exact(bytes).map_err(PolicyError::Malformed)?;
        policy.check()?;
        Ok(policy)
    }

    /// The file, indented for people, newline at the end. Refuses what [`Self::parse`] would.
    pub fn encode(&self) -> Result<Vec<u8>, PolicyError> {
        self.check()?;
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| PolicyError::Malformed(StrictError::Json(error.to_string())))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// What is trusted about this log.
    pub fn log(&self, origin: &Origin) -> Result<&LogPolicy, PolicyError> {
        self.logs
            .iter()
            .find(|log| log.origin == *origin)
            .ok_or_else(|| PolicyError::UnknownLog(origin.clone()))
    }

    fn check(&self) -> Result<(), PolicyError> {
        if self.format != POLICY_FORMAT {
            return Err(PolicyError::Format(self.format.clone()));
        }
        let mut origins = BTreeSet::new();
        for log in &self.logs {
            if !origins.insert(&log.origin) {
                return Err(PolicyError::LogTwice(log.origin.clone()));
            }
            log.check()?;
        }
        let mut roots = BTreeSet::new();
        for RootPin { tenant, version, .. } in &self.roots {
            if *version == 0 || !roots.insert((tenant, version)) {
                return Err(PolicyError::Root { tenant: tenant.clone(), version: *version });
            }
        }
        match self.agent_authorities.iter().find(|authority| authority.until <= authority.from) {
            Some(authority) => Err(PolicyError::Authority(authority.trust_domain.clone())),
            None => Ok(()),
        }
    }
}

impl LogPolicy {
    /// The log with the writers that this policy trusts.
    pub fn identity(&self, shard: &Slug) -> LogIdentity {
        LogIdentity {
            origin: self.origin.clone(),
            shard: shard.clone(),
            writers: self.writers.clone(),
            gaps: self.gaps.clone(),
        }
    }

    fn check(&self) -> Result<(), PolicyError> {
        let origin = || self.origin.clone();
        if self.writers.is_empty() {
            return Err(PolicyError::NoWriter(origin()));
        }
        let empty = |writer: &Writer| {
            writer.from_sequence == 0
                || writer.to_sequence.is_some_and(|last| last < writer.from_sequence)
        };
        if self.writers.iter().any(empty) {
            return Err(PolicyError::WriterInterval(origin()));
        }
        self.check_keys()?;
        if self.witnesses.iter().any(|witness| witness.name.parse::<KeyName>().is_err()) {
            return Err(PolicyError::WitnessName(origin()));
        }
        let names: BTreeSet<_> = self.witnesses.iter().map(|witness| &witness.name).collect();
        if usize::try_from(self.witness_quorum).is_ok_and(|quorum| quorum > names.len()) {
            return Err(PolicyError::WitnessQuorum(origin()));
        }
        let from_one = self.gaps.first().is_none_or(|first| *first >= 1);
        if from_one && self.gaps.is_sorted_by(|a, b| a < b) {
            Ok(())
        } else {
            Err(PolicyError::Gaps(origin()))
        }
    }
    /// Every key once, with an interval that holds something and that another one of its role does not swallow.
    fn check_keys(&self) -> Result<(), PolicyError> {
        let origin = || self.origin.clone();
        let of_log = self.keys.iter().map(|key| (None, key.key, key.sizes));
        let of_witnesses =
            self.witnesses.iter().map(|witness| (Some(&witness.name), witness.key, witness.sizes));
        let all: Vec<(Option<&String>, _, Sizes)> = of_log.chain(of_witnesses).collect();
        let keys: BTreeSet<_> = all.iter().map(|(_, key, _)| key).collect();
        if keys.len() != all.len() {
            return Err(PolicyError::KeyTwice(origin()));
        }
        if all.iter().any(|(_, _, sizes)| sizes.is_empty()) {
            return Err(PolicyError::KeyInterval(origin()));
        }
        for (n, (role, _, sizes)) in all.iter().enumerate() {
            let others = all.iter().enumerate().filter(|(m, (other, ..))| *m != n && other == role);
            for (_, (_, _, other)) in others {
                // Two keys of a log may count side by side; a witness has one key, but for its rotation.
                if role.is_some() && other.from == sizes.from {
                    return Err(PolicyError::KeyTwice(origin()));
                }
                if sizes.swallows(other) {
                    return Err(PolicyError::KeyOverlap(origin()));
                }
            }
        }
        Ok(())
    }
}
