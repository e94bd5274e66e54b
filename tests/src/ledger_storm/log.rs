//! The log that is attacked: real-shaped, sealed and archived in memory, with everything that people keep of it.

use super::memory::Memory;
use anyhow::Context as _;
use fastrand::Rng;
use ledger::policy::POLICY_FORMAT;
use ledger::tree::inclusion_proof;
use ledger::{
    Actor, ActorKind, AggregateRef, Auth, BlobRef, Checkpoint, CheckpointNote, CommandRef, Commit,
    CommitHash, Envelope, EventEntry, Head, IdText, Line, LogPolicy, Manifest, Origin, Policy,
    ProofLine, Receipt, RequestDigest, SPEC, Scope, Slug, Stored, TilePath, Tree, TreeHead,
    VerifiedCheckpoint, Witness, Writer, blob_file, cosign,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use trust::encoding::Timestamp;
use trust::keys::PrivateKey;

/// When the log begins, unix seconds; every commit takes a second, and is sealed in the next.
const BEGINS: u64 = 1_795_158_000;
/// How many of three witnesses must cosign.
const QUORUM: u32 = 2;

/// Everybody's keys.
pub struct Keys {
    /// The writer's, before and after its rotation.
    pub writers: [PrivateKey; 2],
    /// The log's.
    pub log: PrivateKey,
    /// The witnesses', by name.
    pub witnesses: [(&'static str, PrivateKey); 3],
    /// Of nobody whom the policy knows.
    pub stranger: PrivateKey,
}

impl Keys {
    fn new() -> Self {
        let key = |seed: u8| PrivateKey::from_seed(&[seed; 32]);
        Self {
            writers: [key(1), key(2)],
            log: key(3),
            witnesses: [
                ("north.example", key(4)),
                ("south.example", key(5)),
                ("west.example", key(6)),
            ],
            stranger: key(7),
        }
    }
}

/// A tree's heads at every size, and the tiles of its last one.
pub struct Sealed {
    /// By size, from 0.
    pub heads: Vec<TreeHead>,
    /// What proofs are made of.
    pub tiles: BTreeMap<TilePath, Vec<u8>>,
}

/// The log.
pub struct Log {
    /// Its name.
    pub origin: Origin,
    /// The shard in its subjects.
    pub shard: Slug,
    /// Everybody's keys.
    pub keys: Keys,
    /// The last sequence of the first writer's key.
    pub rotated: u64,
    /// What a verifier trusts: both writers in their intervals, the log's key, two of three witnesses.
    pub policy: Policy,
    /// Every message.
    pub lines: Vec<Line>,
    /// The same as bundles hold them.
    pub encoded: Vec<Arc<[u8]>>,
    /// Every blob, by the name of its file.
    pub blobs: BTreeMap<String, Arc<[u8]>>,
    /// Its tree.
    pub sealed: Sealed,
    /// The checkpoints that an archive keeps, the last one included.
    pub kept: Vec<VerifiedCheckpoint>,
    /// A receipt of every commit.
    pub receipts: Vec<Receipt>,
}

impl Log {
    /// A log of that many commits, whose shape and content follow from the seed.
    pub fn new(commits: u64, seed: u64) -> anyhow::Result<Self> {
        let mut random = Rng::with_seed(seed);
        let keys = Keys::new();
        let rotated = random.u64(commits / 3..=commits * 2 / 3);
        let origin: Origin = "storm.log.example".parse()?;
        let policy = policy(&origin, &keys, rotated);
        let mut log = Self {
            origin,
            shard: "main".parse()?,
            keys,
            rotated,
            policy,
            lines: Vec::new(),
            encoded: Vec::new(),
            blobs: BTreeMap::new(),
            sealed: Sealed { heads: Vec::new(), tiles: BTreeMap::new() },
            kept: Vec::new(),
            receipts: Vec::new(),
        };
        log.grow(commits, &mut random)?;
        log.encoded = log.lines.iter().map(encode).collect::<anyhow::Result<_>>()?;
        log.sealed = sealed(&log.lines)?;
        log.keep(&mut random)?;
        Ok(log)
    }

    fn grow(&mut self, commits: u64, random: &mut Rng) -> anyhow::Result<()> {
        let (tenants, aggregates) = (random.u64(2..=5), random.u64(3..=commits / 6 + 3));
        let mut heads: BTreeMap<String, Head> = BTreeMap::new();
        for sequence in 1..=commits {
            let mut envelope = if sequence == 1 {
                let data = json!({"nonce": "00", "spec": 1, "predecessor": null});
                self.envelope(1, "system", ("log", id("log", 1)?), ("log.opened", data))?
            } else {
                let tenant = format!("tenant-{}", random.u64(..tenants));
                let (kind, prefix) = [("change", "chg"), ("approval", "apr"), ("job", "job")]
                    .get(random.usize(..3))
                    .copied()
                    .unwrap_or(("change", "chg"));
                let data = self.data(sequence, random);
                let aggregate = (kind, id(prefix, random.u64(..aggregates))?);
                self.envelope(sequence, &tenant, aggregate, ("schema.requested", data))?
            };
            let subject = envelope.subject(&self.shard).to_string();
            if let Some(head) = heads.get(&subject) {
                (envelope.version, envelope.prev) = (head.version + 1, head.hash);
            }
            let line = self.line(sequence, envelope.clone(), self.writer_at(sequence))?;
            let hash = CommitHash::of(&line.payload);
            heads.insert(subject, Head { version: envelope.version, hash });
            self.lines.push(line);
            let commit = Commit { sequence, hash, envelope };
            self.receipts.push(Receipt::sign(&commit, self.writer_at(sequence)));
        }
        Ok(())
    }

    fn data(&mut self, sequence: u64, random: &mut Rng) -> Value {
        match random.u8(..5) {
            0 | 1 => {
                let sql = format!("alter table t{} add c int; -- {sequence}", random.u64(..9));
                let blob = BlobRef::of(sql.as_bytes(), "application/sql");
                self.blobs.insert(blob_file(&blob.sha256), sql.into_bytes().into());
                json!({"sql": blob, "note": "ä\u{1}"})
            }
            2 => json!({"n": random.u64(..1 << 40), "deep": [{"a": [null, true]}]}),
            3 => json!({"text": "0123456789".repeat(random.usize(..120))}),
            _ => json!({}),
        }
    }

    /// Version 1 of an aggregate; the caller knows better.
    pub fn envelope(
        &self,
        sequence: u64,
        tenant: &str,
        (kind, aggregate): (&str, IdText),
        (event, data): (&str, Value),
    ) -> anyhow::Result<Envelope> {
        Ok(Envelope {
            spec: SPEC,
            log: self.origin.clone(),
            writer: self.writer_at(sequence).id(),
            tenant: tenant.parse()?,
            aggregate: AggregateRef { kind: kind.parse()?, id: aggregate },
            version: 1,
            prev: CommitHash::ZERO,
            command: CommandRef {
                id: id("cmd", sequence)?,
                kind: "submit_change".parse()?,
                digest: RequestDigest::of(b"{}"),
            },
            actor: Actor { kind: ActorKind::Person, id: id("prn", 1)?, auth: Auth::Token },
            correlation_id: "11111111111111111111111111111111".to_owned(),
            causation_id: None,
            traceparent: "00-11111111111111111111111111111111-2222222222222222-01".to_owned(),
            time: time(sequence)?,
            events: vec![EventEntry {
                id: id("evt", sequence)?,
                kind: event.parse()?,
                schema: 1,
                data,
            }],
        })
    }

    /// The message that a key makes of an envelope.
    pub fn line(
        &self,
        sequence: u64,
        mut envelope: Envelope,
        key: &PrivateKey,
    ) -> anyhow::Result<Line> {
        envelope.writer = key.id();
        let signed = envelope.sign(&self.shard, key)?;
        let (hash, signature) = (signed.hash.to_string(), signed.signature.to_string());
        let stored = Stored {
            sequence,
            subject: &signed.subject,
            hash: Some(&hash),
            signature: Some(&signature),
            payload: &signed.payload,
        };
        Ok(Line::of(&stored, time(sequence)?))
    }

    /// Whose turn it is.
    pub fn writer_at(&self, sequence: u64) -> &PrivateKey {
        let [first, second] = &self.keys.writers;
        if sequence <= self.rotated { first } else { second }
    }

    /// How many messages it has.
    pub fn size(&self) -> u64 {
        u64::try_from(self.lines.len()).unwrap_or_default()
    }

    /// What is trusted about it.
    pub fn trusted(&self) -> anyhow::Result<&LogPolicy> {
        Ok(self.policy.log(&self.origin)?)
    }

    /// A checkpoint that the log's key signs, and as many witnesses.
    pub fn note(&self, head: &TreeHead, witnesses: usize) -> anyhow::Result<CheckpointNote> {
        self.note_at(head, BEGINS + head.size + 1, witnesses)
    }

    /// The same at a time that the log's key chooses.
    pub fn note_at(
        &self,
        head: &TreeHead,
        sealed_at: u64,
        witnesses: usize,
    ) -> anyhow::Result<CheckpointNote> {
        let mut note =
            Checkpoint::new(self.origin.clone(), head).seal(&self.keys.log, sealed_at)?;
        let text = note.note().text().to_owned();
        for (name, key) in self.keys.witnesses.iter().take(witnesses) {
            note.add(cosign(&text, &name.parse()?, key, BEGINS + head.size + 2))?;
        }
        Ok(note)
    }

    /// Its head at a size.
    pub fn head(&self, size: u64) -> anyhow::Result<&TreeHead> {
        self.sealed.heads.get(usize::try_from(size)?).context("the log has no such size")
    }

    /// Checkpoints at random sizes, at most a tenth of the log apart, and one of the whole.
    fn keep(&mut self, random: &mut Rng) -> anyhow::Result<()> {
        let mut size = 0;
        while size < self.size() {
            size = (size + random.u64(1..=self.size() / 10 + 1)).min(self.size());
            let note = self.note(self.head(size)?, 2)?;
            self.kept.push(note.verify(self.trusted()?)?);
        }
        Ok(())
    }

    /// The whole log under its checkpoint.
    pub fn whole(&self) -> anyhow::Result<Memory> {
        let mut bundle = Memory { lines: self.encoded.clone(), files: self.blobs.clone() };
        bundle.put("checkpoint", self.note(self.head(self.size())?, 2)?.to_string());
        bundle.put("bundle.json", self.manifest(self.size(), &Scope::Log)?);
        Ok(bundle)
    }

    /// What a bundle says about itself.
    pub fn manifest(&self, size: u64, scope: &Scope) -> anyhow::Result<Vec<u8>> {
        let manifest = Manifest::sealed(self.origin.clone(), size, scope, time(size)?);
        Ok(manifest.encode()?)
    }

    /// A range with its proofs.
    pub fn range(&self, from: u64, to: u64) -> anyhow::Result<Memory> {
        let mut bundle = self.whole()?;
        let lines = bundle.lines.into_iter().zip(1..);
        let within = lines.filter(|(_, sequence)| (from..=to).contains(sequence));
        bundle.lines = within.map(|(line, _)| line).collect();
        let taken = self.lines.iter().filter(|line| (from..=to).contains(&line.sequence));
        bundle.keep_named_blobs(taken);
        let mut proofs = Vec::new();
        for sequence in from..=to {
            let head = self.head(self.size())?;
            let (_, inclusion) = inclusion_proof(sequence - 1, head, &self.sealed.tiles)?;
            proofs.extend(ProofLine { inclusion }.encode()?);
        }
        bundle.put("proofs.ndjson", proofs);
        bundle.put("bundle.json", self.manifest(self.size(), &Scope::Range { from, to })?);
        Ok(bundle)
    }
}

fn policy(origin: &Origin, keys: &Keys, rotated: u64) -> Policy {
    let [first, second] = &keys.writers;
    let witness = |(name, key): &(&str, PrivateKey)| Witness::always(*name, key.public());
    Policy {
        format: POLICY_FORMAT.to_owned(),
        logs: vec![LogPolicy {
            origin: origin.clone(),
            keys: vec![keys.log.public().into()],
            writers: vec![
                Writer { key: first.public(), from_sequence: 1, to_sequence: Some(rotated) },
                Writer { key: second.public(), from_sequence: rotated + 1, to_sequence: None },
            ],
            witnesses: keys.witnesses.iter().map(witness).collect(),
            witness_quorum: QUORUM,
            max_merge_delay_seconds: 60,
            gaps: vec![],
        }],
        roots: vec![],
        agent_authorities: vec![],
    }
}

/// Seals messages, whatever they are.
pub fn sealed(lines: &[Line]) -> anyhow::Result<Sealed> {
    let mut tree = Tree::empty();
    let mut made = Sealed { heads: vec![tree.head()], tiles: BTreeMap::new() };
    for line in lines {
        let completed = tree.push(line.sequence, &CommitHash::of(&line.payload))?;
        made.tiles.extend(completed.into_iter().map(|tile| (tile.path, tile.bytes)));
        made.heads.push(tree.head());
    }
    made.tiles.extend(tree.edge_tiles(0).into_iter().map(|tile| (tile.path, tile.bytes)));
    Ok(made)
}

/// A line as bundles hold it.
pub fn encode(line: &Line) -> anyhow::Result<Arc<[u8]>> {
    Ok(line.encode()?.into())
}

/// Decimal digits are base32 digits too.
pub fn id(prefix: &str, number: u64) -> anyhow::Result<IdText> {
    Ok(format!("{prefix}_{number:026}").parse()?)
}

/// When the commit of a sequence was written.
pub fn time(sequence: u64) -> anyhow::Result<Timestamp> {
    let begins: Timestamp = "2026-11-20T07:00:00.000000Z".parse()?;
    Ok(begins.plus_seconds(i64::try_from(sequence)?))
}
