//! The log that is attacked, made once, and the attacker who holds the writer's key.

use crate::workbench::sealed::{SealedLog, log_key, without_blobs_of};
use crate::workbench::{Bundle, ORIGIN, Workbench, id};
use anyhow::Context as _;
use countersign_ledger::{
    Checkpoint, CheckpointNote, Commit, CommitHash, Envelope, Head, Kept, Line, Receipt, Report,
    Scope, VerifiedCheckpoint, Verifier,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use trust::keys::PrivateKey;

/// Commits of the log.
pub const COMMITS: u64 = 1_000;
/// Sequences between two checkpoints that somebody kept, as an archive keeps them all.
pub const KEPT_EVERY: usize = 100;
/// The sequence that most attacks are about.
pub const TOUCHED: u64 = 417;

pub struct World {
    pub log: SealedLog,
    /// The bundle of the whole log under its checkpoint.
    pub whole: Bundle,
    /// The checkpoints of sizes 100, 200 to 1,000.
    pub kept: Vec<VerifiedCheckpoint>,
    /// The receipt of every commit.
    pub receipts: Vec<Receipt>,
}

/// Three tenants, three kinds of aggregates, some of which live for a few commits only, and blobs.
pub fn grown(commits: u64) -> anyhow::Result<Workbench> {
    let mut bench = Workbench::opened()?;
    for n in 2..=commits {
        let tenant = match n % 3 {
            0 => "acme",
            1 => "globex",
            _ => "initech",
        };
        let (kind, prefix, number) = match n % 7 {
            0 | 1 => ("approval", "apr", n / 40),
            2 => ("job", "job", n / 100),
            _ => ("change", "chg", n % 11),
        };
        let data = match n % 5 {
            0 => json!({"sql": bench.store(format!("alter table t{n} add c int;").as_bytes())?}),
            1 => json!({"n": n, "ä": ["\u{1}", null, {"deep": [n]}]}),
            _ => json!({"n": n}),
        };
        bench.append(tenant, kind, id(prefix, number)?, "schema.requested", data)?;
    }
    Ok(bench)
}

/// Made once: signing and sealing a thousand commits takes longer than most attacks.
pub fn world() -> anyhow::Result<&'static World> {
    static WORLD: OnceLock<Result<World, String>> = OnceLock::new();
    let made = WORLD.get_or_init(|| World::new().map_err(|error| format!("{error:#}")));
    made.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
}

impl World {
    fn new() -> anyhow::Result<Self> {
        let log = SealedLog::of(grown(COMMITS)?)?;
        let sizes = (1..=10).map(|n| n * KEPT_EVERY);
        let kept = sizes.map(|size| log.kept(size)).collect::<anyhow::Result<_>>()?;
        let receipts = receipts(&log.bench)?;
        Ok(Self { whole: log.whole()?, log, kept, receipts })
    }

    /// The genuine checkpoint over other lines.
    pub fn under_genuine(&self, forged: &Workbench) -> anyhow::Result<Bundle> {
        let mut bundle = without_blobs_of(&forged.bundle()?);
        self.log.manifest(&mut bundle, COMMITS, &Scope::Log)?;
        let note = self.log.note(&self.log.head())?.to_string();
        bundle.files.insert("checkpoint".to_owned(), note.into_bytes());
        Ok(bundle)
    }

    pub fn verify(&self, bundle: &Bundle) -> anyhow::Result<Report> {
        self.log.verify(bundle)
    }

    /// Against every checkpoint that was kept.
    pub fn verify_kept(&self, bundle: &Bundle) -> anyhow::Result<Report> {
        self.log.verify_against(bundle, &Kept { checkpoints: &self.kept, ..Kept::default() })
    }

    /// A verifier at the beginning of the sealed log. Its findings are final: a later line can add to them, and a
    /// report lists them in the order of the lines. So a clone of it after a spoilt line shows the whole log's first
    /// finding, and the tests need not verify the rest a thousand times.
    pub fn verifier(&self) -> anyhow::Result<Verifier> {
        let note = self.log.note(&self.log.head())?.to_string();
        let verifier =
            Verifier::new(&self.log.policy, &self.log.bench.origin, &self.log.bench.shard)?;
        Ok(verifier.sealed_by(note.as_bytes()).ending_at(COMMITS))
    }

    pub fn line(&self, sequence: u64) -> anyhow::Result<&Line> {
        self.log.bench.lines.get(index(sequence)?).context("a line")
    }

    /// The next line of the same aggregate.
    pub fn next_of_its_aggregate(&self, sequence: u64) -> anyhow::Result<&Line> {
        let subject = &self.line(sequence)?.subject;
        let later = self.log.bench.lines.iter().filter(|line| line.sequence > sequence);
        later.into_iter().find(|line| line.subject == *subject).context("a next version")
    }
}

/// Without any checkpoint, and with a manifest that fits.
pub fn unsealed(forged: &Workbench) -> anyhow::Result<Bundle> {
    Ok(without_blobs_of(&forged.bundle()?))
}

pub fn index(sequence: u64) -> anyhow::Result<usize> {
    Ok(usize::try_from(sequence.checked_sub(1).context("sequences count from 1")?)?)
}

pub fn codes(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.fault.code()).collect()
}

/// Verdict by exit code, and the code and sequence of the first finding.
pub fn first(report: &Report) -> (u8, &'static str, Option<u64>) {
    let first = report.first_bad();
    let code = first.map_or("none", |finding| finding.fault.code());
    (report.exit_code(), code, first.and_then(|finding| finding.sequence))
}

/// What only the tree sees is bracketed: after the last checkpoint that agrees, and up to the first that does not.
pub fn brackets(report: &Report, touched: u64) -> bool {
    let first = report.first_bad().and_then(|finding| finding.sequence);
    report.agreed_to < touched && first.is_some_and(|first| touched <= first)
}

pub fn receipts(bench: &Workbench) -> anyhow::Result<Vec<Receipt>> {
    let mut receipts = Vec::new();
    for line in &bench.lines {
        let hash = CommitHash::of(&line.payload);
        let envelope = Envelope::parse(&line.payload)?;
        let commit = Commit { sequence: line.sequence, hash, envelope };
        receipts.push(Receipt::sign(&commit, &bench.writer));
    }
    Ok(receipts)
}

/// Puts an envelope in a line's place: its bytes, hash and signature.
pub fn rewrite(
    line: &mut Line,
    mut envelope: Envelope,
    bench: &Workbench,
    key: &PrivateKey,
) -> anyhow::Result<CommitHash> {
    envelope.writer = key.id();
    let signed = envelope.sign(&bench.shard, key)?;
    line.subject = signed.subject;
    line.hash = signed.hash.to_string();
    line.signature = signed.signature.to_string();
    line.payload = signed.payload;
    Ok(signed.hash)
}

/// Changes one commit with the writer's key, and nothing after it.
pub fn edited(
    bench: &Workbench,
    sequence: u64,
    key: &PrivateKey,
    change: impl FnOnce(&mut Envelope),
) -> anyhow::Result<Workbench> {
    let mut forged = bench.clone();
    let line = forged.lines.get_mut(index(sequence)?).context("a line")?;
    let mut envelope = Envelope::parse(&line.payload)?;
    change(&mut envelope);
    rewrite(line, envelope, bench, key)?;
    Ok(forged)
}

/// The perfect forger: numbers all lines anew, and makes every chain good again with the keys that `key_at` names.
pub fn relinked(
    mut forged: Workbench,
    key_at: impl Fn(u64) -> PrivateKey,
) -> anyhow::Result<Workbench> {
    let bench = forged.clone();
    let mut heads: BTreeMap<String, Head> = BTreeMap::new();
    for (sequence, line) in (1..).zip(&mut forged.lines) {
        line.sequence = sequence;
        let mut envelope = Envelope::parse(&line.payload)?;
        let head = heads.get(&line.subject);
        let (version, prev) =
            head.map_or((1, CommitHash::ZERO), |head| (head.version + 1, head.hash));
        let key = key_at(sequence);
        let mut hash = CommitHash::of(&line.payload);
        if (envelope.version, envelope.prev, envelope.writer) != (version, prev, key.id()) {
            (envelope.version, envelope.prev) = (version, prev);
            hash = rewrite(line, envelope, &bench, &key)?;
        }
        heads.insert(line.subject.clone(), Head { version, hash });
    }
    Ok(forged)
}

pub fn relinked_by_the_writer(forged: Workbench) -> anyhow::Result<Workbench> {
    let seed = *crate::workbench::GOLDEN_SEED;
    relinked(forged, |_| PrivateKey::from_seed(&seed))
}

/// The log key's word about a tree, without any witness.
pub fn unwitnessed(log: &SealedLog, sealed_at: u64) -> anyhow::Result<CheckpointNote> {
    Ok(Checkpoint::new(ORIGIN.parse()?, &log.head()).seal(&log_key(), sealed_at)?)
}

pub fn with_checkpoint(mut bundle: Bundle, note: &CheckpointNote) -> Bundle {
    bundle.files.insert("checkpoint".to_owned(), note.to_string().into_bytes());
    bundle
}
