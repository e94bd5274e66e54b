//! What the log itself says about its keys and streams, beside the policy file, which alone decides whose keys count.
//!
//! A recorded rotation that the policy does not know is checked, and the log is read on with the new key, so that one
//! verification says both whether all of it holds together and which entries the policy lacks. It is never intact.

use super::Verifier;
use super::fault::Fault;
use super::report::{Caveat, LISTED_FINDINGS, Sealed, Weakened};
use super::sealing::Seal;
use crate::bundle::Scope;
use crate::checkpoint::{CheckpointError, CheckpointNote};
use crate::commit::Envelope;
use crate::identity::Writer;
use crate::interval::{LogKey, Sizes, Witness};
use crate::judge::Judge;
use crate::line::Line;
use crate::pairs;
use crate::policy::LogPolicy;
use crate::rotation::{KeyRole, RotationError, SignedRotation};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use trust::keys::{KeyId, PublicKey};

/// Why a recorded rotation is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum RecordedRotationError {
    /// Not of the form.
    #[error("it is not of the form of a rotation")]
    Malformed,
    /// Signed for another log.
    #[error("it was signed for another log")]
    OtherLog,
    /// Its signatures.
    #[error("it is not signed by both keys")]
    Signatures(#[from] RotationError),
    /// The log rotated that role to another key before.
    #[error("the old key is not the one that the log rotated to before")]
    NotInForce,
}

/// Entries of a policy file that a recorded rotation or revocation asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    role: KeyRole,
    name: Option<String>,
    /// Key, first and last sequence or size.
    keys: Vec<(PublicKey, u64, Option<u64>)>,
}

impl fmt::Display for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (member, unit) = match self.role {
            KeyRole::Writer => ("writers", "sequence"),
            KeyRole::Log => ("keys", "size"),
            KeyRole::Witness => ("witnesses", "size"),
        };
        let name = self.name.as_ref().map(|name| format!("\"name\":\"{name}\","));
        let name = name.unwrap_or_default();
        let entries = self.keys.iter().map(|(key, from, to)| {
            let to = to.map_or_else(|| "null".to_owned(), |to| to.to_string());
            format!("{{{name}\"spki\":\"{key}\",\"from_{unit}\":{from},\"to_{unit}\":{to}}}")
        });
        let entries: Vec<_> = entries.collect();
        write!(f, "\"{member}\": {}", entries.join(", "))
    }
}

/// Who signed a checkpoint in the log's name, as far as a part of the log tells: what an auditor asks about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Signer {
    /// The key of a rotation that the part records.
    #[error(
        "the key {0} did, to which this part says that the log's key was rotated; if your own source says the same, the \
         policy file needs it"
    )]
    Rotated(KeyId),
    /// Lines in the log's name, each with the hash by which a note hints at its key.
    #[error(
        "lines in the log's name hint at {}; a key that the policy file does not know yet, or anybody's: ask your own \
         source for a rotation to it", hints(.0)
    )]
    Hinted(Vec<String>),
}

fn hints(hashes: &[String]) -> String {
    let hashes: Vec<_> = hashes.iter().map(|hash| format!("key hash {hash}")).collect();
    if hashes.is_empty() { "no key".to_owned() } else { hashes.join(", ") }
}

impl Signer {
    /// Of a note that no key of the policy signed; `known` are the keys that the lines record beside.
    fn of(note: &CheckpointNote, known: &[LogKey]) -> Self {
        let (text, name) = (note.note().text(), note.claim().origin.as_str());
        let plain = note.note().signatures().iter();
        // A cosignature has a time before it.
        let plain =
            plain.filter(|one| one.name.as_str() == name && one.signature.len() == SIGNATURE);
        let plain: Vec<_> = plain.collect();
        let signed = |key: &&LogKey| plain.iter().any(|one| one.verifies(text, name, &key.key));
        match known.iter().find(signed) {
            Some(key) => Self::Rotated(key.key.id()),
            None => Self::Hinted(plain.iter().map(|one| hex::encode(one.key_hash)).collect()),
        }
    }
}

/// Bytes of a plain signature.
const SIGNATURE: usize = 64;

/// No further rotation that the policy lacks is read on with: a log has few, and a thief of a key can record any number.
/// What comes after them is judged by the policy alone.
const MOST_ANNOUNCED: u32 = 64;

/// What was read so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct KeyStory {
    /// By role and witness: the key of the last recorded rotation.
    #[serde(with = "pairs")]
    in_force: BTreeMap<(KeyRole, Option<String>), PublicKey>,
    /// A checkpoint that no key of the policy signed, until the log is read.
    unbelieved: Option<CheckpointNote>,
    /// The policy with the rotations that it lacks.
    announced: Option<LogPolicy>,
    /// By stream: the sequence and the weaknesses of its last recorded configuration.
    configured: BTreeMap<String, (u64, Vec<String>)>,
    weakened: Vec<Weakened>,
    announcements: u32,
}

#[derive(Deserialize)]
struct Configuration {
    stream: String,
    weaknesses: Vec<String>,
}

#[derive(Deserialize)]
struct Revocation {
    role: KeyRole,
    name: Option<String>,
    spki: PublicKey,
    last_trusted: u64,
}

fn is_the_logs(envelope: &Envelope) -> bool {
    envelope.tenant.as_str() == "system" && envelope.aggregate.kind.as_str() == "log"
}

impl Verifier {
    /// Takes in what a good commit says about keys and streams.
    pub(super) fn take_in_keys(&mut self, line: &Line, envelope: &Envelope) {
        if !is_the_logs(envelope) {
            return;
        }
        for event in &envelope.events {
            match event.kind.as_str() {
                "log.key_rotated" => match self.rotation(&event.data) {
                    Ok(rotation) => self.rotated(line, &rotation),
                    Err(error) => self.add_for(line, Fault::RotationInvalid(error)),
                },
                "log.key_revoked" => self.revoked(line, &event.data),
                "log.configuration_changed" => self.configured(line.sequence, &event.data),
                _ => {}
            }
        }
    }

    /// A message by a key that the policy does not know as a writer is read again if it records, with the old writer's
    /// signature, that this key is the writer from here on.
    pub(super) fn announces_its_writer(&mut self, line: &Line) -> bool {
        let Ok(envelope) = Envelope::parse(&line.payload) else { return false };
        if !is_the_logs(&envelope) {
            return false;
        }
        let rotations =
            envelope.events.iter().filter(|event| event.kind.as_str() == "log.key_rotated");
        let rotations: Vec<_> =
            rotations.filter_map(|event| self.rotation(&event.data).ok()).collect();
        let own = rotations.iter().find(|rotation| {
            rotation.role == KeyRole::Writer
                && rotation.new.id() == envelope.writer
                && rotation.from <= line.sequence
        });
        own.is_some_and(|rotation| self.announce(rotation).is_some())
    }

    fn rotation(&self, data: &Value) -> Result<SignedRotation, RecordedRotationError> {
        let rotation: SignedRotation =
            serde_json::from_value(data.clone()).map_err(|_| RecordedRotationError::Malformed)?;
        if rotation.log != self.judge.log().origin {
            return Err(RecordedRotationError::OtherLog);
        }
        rotation.check()?;
        let place = (rotation.role, rotation.name.clone());
        match self.keys.in_force.get(&place) {
            Some(current) if *current != rotation.old => Err(RecordedRotationError::NotInForce),
            Some(_) | None => Ok(rotation),
        }
    }

    fn rotated(&mut self, line: &Line, rotation: &SignedRotation) {
        let place = (rotation.role, rotation.name.clone());
        self.keys.in_force.insert(place, rotation.new);
        let known = intervals(&self.policy, rotation.role, rotation.name.as_ref());
        let of = |key: PublicKey| known.iter().filter(move |(known, ..)| *known == key);
        let (from, last) = (rotation.from, rotation.from.saturating_sub(1));
        if of(rotation.new).next().is_none() {
            // Of a key that the policy does not trust, nobody has to know who follows it.
            if let Some(began) = self.announce(rotation) {
                let keys = vec![(rotation.old, began, Some(last)), (rotation.new, from, None)];
                let entries = Entries { role: rotation.role, name: rotation.name.clone(), keys };
                self.add_for(line, Fault::RotationUnknown(entries));
            }
            return;
        }
        // Whoever trusts less than the log says has their reasons.
        let is_old_longer = of(rotation.old).any(|(_, _, to)| to.is_none_or(|to| to > last));
        let is_new_earlier = of(rotation.new).any(|(_, began, _)| *began < from);
        if is_old_longer || is_new_earlier {
            let fault = Fault::RotationContradicted { role: rotation.role, from };
            self.add_for(line, fault);
        }
    }

    /// Reads on with the new key, if the old one counts up to there; answers since when it does. What the policy trusts is
    /// not changed.
    fn announce(&mut self, rotation: &SignedRotation) -> Option<u64> {
        let (last, from) = (rotation.from.saturating_sub(1), rotation.from);
        let policy = self.keys.announced.get_or_insert_with(|| self.policy.clone());
        let known = intervals(policy, rotation.role, rotation.name.as_ref());
        if known.iter().all(|(key, ..)| *key != rotation.new) {
            self.keys.announcements = self.keys.announcements.saturating_add(1);
            if self.keys.announcements > MOST_ANNOUNCED {
                return None;
            }
        }
        let sizes = Sizes { from, to: None };
        let began = match rotation.role {
            KeyRole::Writer => {
                let mut writers = policy.writers.iter_mut();
                let old = writers.find(|one| one.key == rotation.old && one.covers(last))?;
                old.to_sequence = Some(last);
                let began = old.from_sequence;
                if policy.writers.iter().all(|one| one.key != rotation.new) {
                    let (key, from_sequence, to_sequence) = (rotation.new, from, None);
                    policy.writers.push(Writer { key, from_sequence, to_sequence });
                }
                let mut log = self.judge.log().clone();
                log.writers.clone_from(&policy.writers);
                self.judge = Arc::new(Judge::new(log));
                began
            }
            KeyRole::Log => {
                let mut keys = policy.keys.iter_mut();
                let old = keys.find(|one| one.key == rotation.old && one.sizes.covers(last))?;
                old.sizes.to = Some(last);
                let began = old.sizes.from;
                policy.keys.push(LogKey { key: rotation.new, sizes });
                began
            }
            KeyRole::Witness => {
                let mut witnesses = policy.witnesses.iter_mut();
                let old = witnesses.find(|one| {
                    Some(&one.name) == rotation.name.as_ref()
                        && one.key == rotation.old
                        && one.sizes.covers(last)
                })?;
                old.sizes.to = Some(last);
                let (name, began) = (old.name.clone(), old.sizes.from);
                policy.witnesses.push(Witness { name, key: rotation.new, sizes });
                began
            }
        };
        Some(began)
    }

    fn revoked(&mut self, line: &Line, data: &Value) {
        let Ok(Revocation { role, name, spki, last_trusted }) =
            serde_json::from_value(data.clone())
        else {
            return;
        };
        // As the log's own rules have it: what follows need not follow from a key that nobody trusts.
        self.keys.in_force.retain(|_, current| *current != spki);
        let known = intervals(&self.policy, role, name.as_ref());
        let longer = known.into_iter().filter(|(key, from, to)| {
            *key == spki && *from <= last_trusted && to.is_none_or(|to| to > last_trusted)
        });
        let keys: Vec<_> = longer.map(|(key, from, _)| (key, from, Some(last_trusted))).collect();
        if !keys.is_empty() {
            self.add_for(line, Fault::RevocationUnknown(Entries { role, name, keys }));
        }
    }

    fn configured(&mut self, sequence: u64, data: &Value) {
        let Ok(Configuration { stream, weaknesses }) = serde_json::from_value(data.clone()) else {
            return;
        };
        let before = self.keys.configured.insert(stream.clone(), (sequence, weaknesses.clone()));
        let open = self.keys.weakened.iter_mut().rev().find(|weak| weak.stream == stream);
        if let Some(open) = open.filter(|weak| weak.to_sequence.is_none()) {
            open.to_sequence = Some(sequence);
        }
        if !weaknesses.is_empty() && self.keys.weakened.len() < LISTED_FINDINGS {
            // Since when is not known: after the configuration before it was seen.
            let from_sequence = before.map_or(0, |(sequence, _)| sequence);
            let weakened = Weakened { stream, weaknesses, from_sequence, to_sequence: None };
            self.keys.weakened.push(weakened);
        }
    }

    /// As [`Self::announce`] leaves it, from what was written down.
    pub(super) fn restore_judge(&mut self) {
        if let Some(policy) = &self.keys.announced {
            let mut log = self.judge.log().clone();
            log.writers.clone_from(&policy.writers);
            self.judge = Arc::new(Judge::new(log));
        }
    }

    pub(super) fn weakened(&mut self) -> Vec<Weakened> {
        let weakened = std::mem::take(&mut self.keys.weakened);
        if !weakened.is_empty() {
            self.caveats.insert(0, Caveat::StreamWeakened);
        }
        weakened
    }

    /// A checkpoint that no key of the policy signed: a rotation in the log may explain it.
    pub(super) fn put_off(&mut self, note: CheckpointNote) {
        self.sealing.want(&note.claim().head(), Seal::Unbelieved);
        self.keys.unbelieved = Some(note);
    }

    /// Once all lines are in: whether a recorded rotation explains the checkpoint that was put off.
    pub(super) fn settle(&mut self) {
        let held = self.sealing.take_held();
        let Some(note) = self.keys.unbelieved.take() else { return };
        // The lines of a part were not held against it.
        let announced = self.keys.announced.as_ref().filter(|_| self.scope == Scope::Log);
        let verified = announced.map(|policy| note.clone().verify(policy));
        let (sealed, fault) = match verified {
            Some(Ok(verified)) => {
                self.clocks.add(&verified);
                (Some(Sealed::of(&verified)), None)
            }
            Some(Err(error @ CheckpointError::Quorum { .. })) => {
                (Some(Sealed::unwitnessed(&note)), Some(error))
            }
            Some(Err(_)) | None => (None, Some(CheckpointError::Unsigned)),
        };
        if self.scope != Scope::Log {
            let known = self.keys.announced.as_ref().map(|policy| policy.keys.as_slice());
            let signer = Signer::of(&note, known.unwrap_or_default());
            self.add(None, None, None, Fault::UnknownSigner(signer));
            return;
        }
        if let Some(error) = fault {
            self.add(None, None, None, Fault::Checkpoint(error));
        }
        if sealed.is_some() {
            for fault in held {
                self.add(None, None, None, fault);
            }
        }
        self.sealed = sealed;
    }
}

/// What the policy says of the keys of a role: each with its first and last sequence or size.
fn intervals(
    policy: &LogPolicy,
    role: KeyRole,
    name: Option<&String>,
) -> Vec<(PublicKey, u64, Option<u64>)> {
    match role {
        KeyRole::Writer => {
            let writers = policy.writers.iter();
            writers.map(|one| (one.key, one.from_sequence, one.to_sequence)).collect()
        }
        KeyRole::Log => {
            policy.keys.iter().map(|one| (one.key, one.sizes.from, one.sizes.to)).collect()
        }
        KeyRole::Witness => {
            let named = policy.witnesses.iter().filter(|one| Some(&one.name) == name);
            named.map(|one| (one.key, one.sizes.from, one.sizes.to)).collect()
        }
    }
}
