//! Makes logs, bundles and policies for the tests: everything follows from fixed seeds.
#![allow(dead_code, reason = "each test file uses its own part of the workbench")]

pub mod independent;
pub mod resumed;
pub mod sealed;
pub mod tiles;

use anyhow::Context as _;
use countersign_ledger::policy::POLICY_FORMAT;
use countersign_ledger::{
    Actor, ActorKind, AggregateRef, Auth, BlobRef, BundleSource, CommandRef, Commit, CommitHash,
    Condemned, Entry, EntryKind, Envelope, EventEntry, Head, IdText, Kept, Line, LogIdentity,
    LogPolicy, Manifest, Origin, Policy, Report, RequestDigest, SignedCommit, Slug, Stored, Writer,
    blob_file, judge,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Cursor};
use trust::encoding::{Sha256Digest, Timestamp};
use trust::keys::PrivateKey;

/// The seed of the golden vectors' writer.
pub const GOLDEN_SEED: &[u8; 32] = b"countersign ledger golden writer";
/// The log of all tests.
pub const ORIGIN: &str = "main.log.example";

/// A `TypeID` for tests: decimal digits are base32 digits too.
pub fn id(prefix: &str, number: u64) -> anyhow::Result<IdText> {
    Ok(format!("{prefix}_{number:026}").parse()?)
}

/// The last good commit of every aggregate, by subject, as a follower keeps it.
#[derive(Default)]
pub struct Heads(BTreeMap<String, Head>);

impl Heads {
    pub fn get(&self, subject: &str) -> Option<Head> {
        self.0.get(subject).copied()
    }

    /// Judges the log's next message; a good one becomes the head of its aggregate.
    pub fn take_in(&mut self, log: &LogIdentity, stored: &Stored<'_>) -> Result<Commit, Condemned> {
        let commit = judge(log, self.get(stored.subject), stored)?;
        let head = Head { version: commit.envelope.version, hash: commit.hash };
        self.0.insert(stored.subject.to_owned(), head);
        Ok(commit)
    }
}

/// A log that grows in memory.
#[derive(Clone)]
pub struct Workbench {
    pub writer: PrivateKey,
    pub origin: Origin,
    pub shard: Slug,
    pub lines: Vec<Line>,
    pub blobs: BTreeMap<Sha256Digest, Vec<u8>>,
    heads: BTreeMap<String, Head>,
}

impl Workbench {
    /// A log with its first commit, `log.opened`.
    pub fn opened() -> anyhow::Result<Self> {
        let mut bench = Self::empty()?;
        let nonce = json!({"nonce": "00", "spec": 1, "predecessor": null});
        bench.append("system", "log", id("log", 1)?, "log.opened", nonce)?;
        Ok(bench)
    }

    pub fn empty() -> anyhow::Result<Self> {
        Ok(Self {
            writer: PrivateKey::from_seed(GOLDEN_SEED),
            origin: ORIGIN.parse()?,
            shard: "main".parse()?,
            lines: Vec::new(),
            blobs: BTreeMap::new(),
            heads: BTreeMap::new(),
        })
    }

    /// `commits` commits of a few aggregates of two tenants, some of which name blobs.
    pub fn grown(commits: u64) -> anyhow::Result<Self> {
        let mut bench = Self::opened()?;
        for n in 2..=commits {
            let tenant = if n.is_multiple_of(3) { "globex" } else { "acme" };
            let data = if n.is_multiple_of(4) {
                json!({"sql": bench.store(format!("select {n};").as_bytes())?, "ä": [n, "\u{1}"]})
            } else if n % 8 == 6 {
                // Several chunks of BLAKE3.
                json!({"n": n, "long": "0123456789".repeat(500)})
            } else {
                json!({"n": n})
            };
            bench.append(tenant, "change", id("chg", n % 5)?, "schema.requested", data)?;
        }
        Ok(bench)
    }

    pub fn identity(&self) -> LogIdentity {
        LogIdentity {
            origin: self.origin.clone(),
            shard: self.shard.clone(),
            writers: vec![Writer {
                key: self.writer.public(),
                from_sequence: 1,
                to_sequence: None,
            }],
            gaps: Vec::new(),
        }
    }

    pub fn policy(&self) -> Policy {
        Policy {
            format: POLICY_FORMAT.to_owned(),
            logs: vec![LogPolicy {
                origin: self.origin.clone(),
                keys: vec![],
                writers: self.identity().writers,
                witnesses: vec![],
                witness_quorum: 0,
                max_merge_delay_seconds: 60,
                gaps: vec![],
            }],
            roots: vec![],
            agent_authorities: vec![],
        }
    }

    /// Stores a blob; answers the JSON that names it.
    pub fn store(&mut self, bytes: &[u8]) -> anyhow::Result<Value> {
        let blob = BlobRef::of(bytes, "application/sql");
        self.blobs.insert(blob.sha256, bytes.to_vec());
        Ok(serde_json::to_value(blob)?)
    }

    pub fn next_sequence(&self) -> u64 {
        self.lines.last().map_or(1, |line| line.sequence.saturating_add(1))
    }

    /// The next envelope of an aggregate.
    pub fn envelope(
        &self,
        tenant: &str,
        kind: &str,
        aggregate: IdText,
        event: &str,
        data: Value,
    ) -> anyhow::Result<Envelope> {
        let n = self.next_sequence();
        let tenant: Slug = tenant.parse()?;
        let aggregate = AggregateRef { kind: kind.parse()?, id: aggregate };
        let mut envelope = Envelope {
            spec: countersign_ledger::SPEC,
            log: self.origin.clone(),
            writer: self.writer.id(),
            tenant,
            aggregate,
            version: 1,
            prev: CommitHash::ZERO,
            command: CommandRef {
                id: id("cmd", n)?,
                kind: "submit_change".parse()?,
                digest: RequestDigest::of(b"{}"),
            },
            actor: Actor { kind: ActorKind::Person, id: id("prn", 1)?, auth: Auth::Token },
            correlation_id: "11111111111111111111111111111111".to_owned(),
            causation_id: if n.is_multiple_of(2) { Some(id("evt", n)?) } else { None },
            traceparent: "00-11111111111111111111111111111111-2222222222222222-01".to_owned(),
            time: time(n)?,
            events: vec![EventEntry { id: id("evt", n)?, kind: event.parse()?, schema: 1, data }],
        };
        if let Some(head) = self.heads.get(&envelope.subject(&self.shard).to_string()) {
            envelope.version = head.version.saturating_add(1);
            envelope.prev = head.hash;
        }
        Ok(envelope)
    }

    pub fn append(
        &mut self,
        tenant: &str,
        kind: &str,
        aggregate: IdText,
        event: &str,
        data: Value,
    ) -> anyhow::Result<Commit> {
        let envelope = self.envelope(tenant, kind, aggregate, event, data)?;
        let signed = envelope.sign(&self.shard, &self.writer)?;
        self.heads
            .insert(signed.subject.clone(), Head { version: envelope.version, hash: signed.hash });
        let (sequence, hash) = (self.put(&signed)?, signed.hash);
        Ok(Commit { sequence, hash, envelope })
    }

    /// Stores a message as it is; answers its sequence.
    pub fn put(&mut self, signed: &SignedCommit) -> anyhow::Result<u64> {
        let sequence = self.next_sequence();
        let (hash, signature) = (signed.hash.to_string(), signed.signature.to_string());
        let stored = Stored {
            sequence,
            subject: &signed.subject,
            hash: Some(&hash),
            signature: Some(&signature),
            payload: &signed.payload,
        };
        self.lines.push(Line::of(&stored, time(sequence)?));
        Ok(sequence)
    }

    pub fn bundle(&self) -> anyhow::Result<Bundle> {
        let mut lines = Vec::new();
        for line in &self.lines {
            lines.push(line.encode()?);
        }
        let last = self.lines.last().map_or(0, |line| line.sequence);
        let manifest = Manifest::unsealed(self.origin.clone(), last, time(1)?);
        let mut files = BTreeMap::from([("bundle.json".to_owned(), manifest.encode()?)]);
        for (sha256, bytes) in &self.blobs {
            files.insert(blob_file(sha256), bytes.clone());
        }
        Ok(Bundle { lines, files, others: vec![] })
    }

    pub fn verify(&self, bundle: &Bundle) -> anyhow::Result<Report> {
        resumed::verify(bundle, &self.policy(), &self.shard, &Kept::default())
    }

    pub fn verify_against(&self, bundle: &Bundle, earlier: &Bundle) -> anyhow::Result<Report> {
        let kept = Kept { bundle: Some(earlier), ..Kept::default() };
        resumed::verify(bundle, &self.policy(), &self.shard, &kept)
    }
}

fn time(n: u64) -> anyhow::Result<Timestamp> {
    let start: Timestamp = "2026-11-20T07:00:00.000000Z".parse()?;
    Ok(start.plus_seconds(i64::try_from(n)?))
}

/// A bundle in memory; the lines apart, so that tests can get at them.
#[derive(Clone)]
pub struct Bundle {
    pub lines: Vec<Vec<u8>>,
    pub files: BTreeMap<String, Vec<u8>>,
    pub others: Vec<Entry>,
}

impl Bundle {
    pub fn commits(&self) -> Vec<u8> {
        self.lines.concat()
    }

    /// States another end of the log.
    pub fn ending_at(mut self, tree_size: u64) -> anyhow::Result<Self> {
        let manifest = self.files.get("bundle.json").context("a manifest")?;
        let mut manifest = Manifest::parse(manifest)?;
        manifest.tree_size = tree_size;
        self.files.insert("bundle.json".to_owned(), manifest.encode()?);
        Ok(self)
    }

    pub fn without_line(mut self, index: usize) -> Self {
        self.lines.remove(index);
        self
    }

    /// Changes a line through its members, so that only its content is wrong.
    pub fn with_line(
        mut self,
        index: usize,
        change: impl FnOnce(&mut Line),
    ) -> anyhow::Result<Self> {
        let bytes = self.lines.get_mut(index).context("a line")?;
        let mut line = Line::parse(bytes)?;
        change(&mut line);
        *bytes = line.encode()?;
        Ok(self)
    }
}

impl BundleSource for Bundle {
    fn entries(&self) -> io::Result<Vec<Entry>> {
        let names = self.files.keys().cloned().chain(["commits.ndjson".to_owned()]);
        let files = names.map(|name| Entry { name, kind: EntryKind::File });
        Ok(files.chain(self.others.iter().cloned()).collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn BufRead + '_>> {
        if name == "commits.ndjson" {
            return Ok(Box::new(Cursor::new(self.commits())));
        }
        let bytes = self.files.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(bytes.as_slice()))
    }
}
