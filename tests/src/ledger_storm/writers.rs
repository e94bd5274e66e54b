//! Attacks 11, 13 and 14: messages around the writer, writers' keys outside of their time, and clocks that lie. All of
//! them are sealed honestly: the tree holds what is there, whatever it is worth.

use super::attempt::{Attack, Attempt, Place, edit, some};
use super::forger::index;
use super::log::Log;
use anyhow::Context as _;
use fastrand::Rng;
use ledger::{CommitHash, Envelope, Line, Receipt, sign_hash};
use trust::keys::PrivateKey;

/// The rows.
pub const ATTACKS: &[Attack] = &[
    Attack { number: 11, name: "bypass the writer", deed: bypassed },
    Attack { number: 11, name: "bypass the writer, sign as a stranger", deed: by_a_stranger },
    Attack { number: 13, name: "use the old writer's key after its end", deed: old_key },
    Attack { number: 13, name: "use the new writer's key too early", deed: new_key },
    Attack { number: 13, name: "sign for the new key with the old", deed: mixed_keys },
    Attack { number: 13, name: "promise with the old key after its end", deed: old_promise },
    Attack { number: 14, name: "set the writer's clock ahead *", deed: ahead },
    Attack { number: 14, name: "set the writer's clock back *", deed: behind },
    Attack { number: 14, name: "date a checkpoint back *", deed: dated_back },
];

fn sealed_as_it_is(log: &Log, lines: &[Line], place: Place) -> anyhow::Result<Attempt> {
    let (bundle, _) = log.resealed(lines, 2)?;
    Ok(Attempt::new(bundle, place))
}

/// A last message by somebody with NATS credentials, so that no later one is linked to it.
fn bypassed(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut lines = log.lines.clone();
    let last = lines.last_mut().context("a line")?;
    match random.u8(..6) {
        0 => last.hash.clear(),
        1 => last.signature.clear(),
        2 => last.hash = CommitHash::of(&random.u64(..).to_be_bytes()).to_string(),
        3 => {
            let hash = CommitHash::of(&last.payload);
            last.signature = sign_hash(&log.keys.stranger, &hash).to_string();
        }
        4 => {
            last.payload = (0..random.usize(..90)).map(|_| random.u8(..)).collect();
            last.hash = CommitHash::of(&last.payload).to_string();
        }
        _ => {
            edit(&mut last.payload, random);
            last.hash = CommitHash::of(&last.payload).to_string();
        }
    }
    sealed_as_it_is(log, &lines, Place::At(log.size()))
}

fn signed_by(log: &Log, sequence: u64, key: &PrivateKey) -> anyhow::Result<Attempt> {
    let mut lines = log.lines.clone();
    let line = lines.get_mut(index(sequence)?).context("a line")?;
    *line = log.line(sequence, Envelope::parse(&line.payload)?, key)?;
    sealed_as_it_is(log, &lines, Place::At(sequence))
}

fn by_a_stranger(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    signed_by(log, some(log, random), &log.keys.stranger)
}

fn old_key(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let [old, _] = &log.keys.writers;
    signed_by(log, random.u64(log.rotated + 1..=log.size()), old)
}

fn new_key(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let [_, new] = &log.keys.writers;
    signed_by(log, random.u64(1..=log.rotated), new)
}

fn mixed_keys(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let sequence = random.u64(log.rotated + 1..=log.size());
    let mut lines = log.lines.clone();
    let line = lines.get_mut(index(sequence)?).context("a line")?;
    let [old, _] = &log.keys.writers;
    line.signature = sign_hash(old, &CommitHash::of(&line.payload)).to_string();
    sealed_as_it_is(log, &lines, Place::At(sequence))
}

fn old_promise(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let sequence = random.u64(log.rotated + 1..=log.size());
    let line = log.at(sequence)?;
    let (hash, envelope) = (CommitHash::of(&line.payload), Envelope::parse(&line.payload)?);
    let [old, _] = &log.keys.writers;
    let mut attempt = Attempt::new(log.whole()?, Place::At(sequence));
    attempt.receipts = vec![Receipt::sign(&ledger::Commit { sequence, hash, envelope }, old)];
    Ok(attempt)
}

/// A commit between two kept checkpoints that claims a time outside of both.
fn claimed(log: &Log, random: &mut Rng, seconds: i64) -> anyhow::Result<Attempt> {
    let first = log.kept.first().context("a checkpoint")?.head().size;
    let sequence = random.u64(first.min(log.size() - 1) + 1..=log.size());
    let lines = log.edited(sequence, |envelope| {
        envelope.time = envelope.time.plus_seconds(seconds);
    })?;
    let (bundle, sealed) = log.resealed(&log.relinked(lines)?, 2)?;
    let mut attempt = Attempt::new(bundle, Place::Clock(sequence));
    for kept in &log.kept {
        let head = sealed.heads.get(usize::try_from(kept.head().size)?).context("a head")?;
        attempt.checkpoints.push(log.note(head, 2)?.verify(log.trusted()?)?);
    }
    Ok(attempt)
}

fn ahead(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    // From more than its bounds are wide to a year.
    let seconds = random.i64(2_000..31_536_000);
    claimed(log, random, seconds)
}

fn behind(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let seconds = random.i64(2_000..31_536_000);
    claimed(log, random, -seconds)
}

/// The log's key says that it had sealed everything before it was written.
fn dated_back(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut bundle = log.whole()?;
    let head = log.head(log.size())?;
    let sealed_at = random.u64(1_700_000_000..1_795_000_000);
    bundle.put("checkpoint", log.note_at(head, sealed_at, 2)?.to_string());
    Ok(Attempt::new(bundle, Place::Clock(1)))
}
