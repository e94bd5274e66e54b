//! Attacks 3, 4, 5, 6, 7 and 10: commits are deleted, inserted, reordered, cut off and transplanted.

use super::attempt::{Attack, Attempt, Place, some};
use super::forger::index;
use super::log::{Log, encode, id};
use anyhow::Context as _;
use fastrand::Rng;
use ledger::{Caveat, Envelope, Line, Scope};
use serde_json::json;
use std::sync::Arc;

/// The rows.
pub const ATTACKS: &[Attack] = &[
    Attack { number: 3, name: "delete a commit", deed: deleted },
    Attack { number: 3, name: "delete a range", deed: range_deleted },
    Attack { number: 3, name: "delete an aggregate", deed: aggregate_deleted },
    Attack { number: 3, name: "delete a commit, number anew", deed: closed },
    Attack { number: 3, name: "delete a commit, link anew", deed: closed_by_the_writer },
    Attack { number: 3, name: "delete an aggregate, link anew", deed: aggregate_closed },
    Attack { number: 4, name: "insert a copy", deed: copied },
    Attack { number: 4, name: "insert with the writer's key, link anew", deed: inserted },
    Attack { number: 5, name: "reorder two lines", deed: swapped_lines },
    Attack { number: 5, name: "reorder two versions of an aggregate", deed: swapped_versions },
    Attack { number: 5, name: "reorder neighbours of two aggregates", deed: swapped_neighbours },
    Attack { number: 6, name: "cut the sealed end off", deed: cut },
    Attack { number: 6, name: "cut the end off, fit the manifest", deed: cut_and_fitted },
    Attack { number: 6, name: "cut the end and the checkpoint off", deed: cut_with_checkpoint },
    Attack {
        number: 6,
        name: "cut the end off, use an old checkpoint",
        deed: cut_under_an_old_one,
    },
    Attack { number: 6, name: "cut inside of the last line", deed: cut_inside },
    Attack { number: 7, name: "cut the unsealed end off, receipts kept", deed: cut_unsealed },
    Attack { number: 7, name: "cut the unsealed end off, nothing kept *", deed: cut_unseen },
    Attack { number: 10, name: "transplant to another tenant", deed: to_another_tenant },
    Attack { number: 10, name: "transplant to another aggregate", deed: to_another_aggregate },
    Attack { number: 10, name: "transplant from another log", deed: from_another_log },
    Attack { number: 10, name: "transplant to another sequence", deed: to_another_sequence },
];

fn without(log: &Log, leaves: impl Fn(&Line) -> bool) -> Vec<Line> {
    log.lines.iter().filter(|line| !leaves(line)).cloned().collect()
}

/// The bundle with holes where lines were; their blobs stay.
fn with_holes(log: &Log, leaves: impl Fn(&Line) -> bool, place: Place) -> anyhow::Result<Attempt> {
    let mut bundle = log.whole()?;
    let lines = log.lines.iter().zip(&log.encoded).filter(|(line, _)| !leaves(line));
    bundle.lines = lines.map(|(_, bytes)| Arc::clone(bytes)).collect();
    Ok(Attempt::new(bundle, place))
}

fn deleted(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let sequence = random.u64(1..=log.size());
    with_holes(log, |line| line.sequence == sequence, Place::At(sequence))
}

fn range_deleted(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let first = some(log, random);
    let last = random.u64(first..=log.size());
    with_holes(log, |line| (first..=last).contains(&line.sequence), Place::At(first))
}

fn some_aggregate(log: &Log, random: &mut Rng) -> anyhow::Result<(String, u64)> {
    let subject = log.at(some(log, random))?.subject.clone();
    let first = log.lines.iter().find(|line| line.subject == subject).context("its first")?;
    Ok((subject, first.sequence))
}

fn aggregate_deleted(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let (subject, first) = some_aggregate(log, random)?;
    with_holes(log, |line| line.subject == subject, Place::At(first))
}

fn closed(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let touched = some(log, random);
    let mut lines = without(log, |line| line.sequence == touched);
    for line in lines.iter_mut().filter(|line| line.sequence > touched) {
        line.sequence -= 1;
    }
    // The next version no longer follows, and the first commit of the new writer's key comes too early.
    let next = log.next_version(touched)?.map(|next| next - 1);
    let rotated = (touched <= log.rotated).then_some(log.rotated);
    let place = match next.into_iter().chain(rotated).min() {
        Some(next) => Place::Link { touched, next },
        None => Place::Between(touched),
    };
    Ok(Attempt::new(log.bare(&lines)?, place).kept(log))
}

fn closed_by_the_writer(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let touched = some(log, random);
    let lines = log.relinked(without(log, |line| line.sequence == touched))?;
    Ok(Attempt::new(log.bare(&lines)?, Place::Between(touched)).kept(log))
}

fn aggregate_closed(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let (subject, first) = some_aggregate(log, random)?;
    let lines = log.relinked(without(log, |line| line.subject == subject))?;
    Ok(Attempt::new(log.bare(&lines)?, Place::Between(first)).kept(log))
}

fn copied(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let (from, to) = (some(log, random), some(log, random));
    let mut bundle = log.whole()?;
    let line = Arc::clone(bundle.lines.get(index(from)?).context("a line")?);
    bundle.lines.insert(index(to)?, line);
    // Beside its original, either of the two is the copy.
    Ok(Attempt::new(bundle, Place::Either(to, from)))
}

fn inserted(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let (at, change) = (some(log, random), random.u64(..20));
    let data = ("schema.requested", json!({"inserted": random.u64(..1 << 40)}));
    let envelope = log.envelope(at, "tenant-0", ("change", id("chg", change)?), data)?;
    let mut lines = log.lines.clone();
    lines.insert(index(at)?, log.line(at, envelope, log.writer_at(at))?);
    let lines = log.relinked(lines)?;
    Ok(Attempt::new(log.under_genuine(&lines)?, Place::Between(at)).kept(log))
}

fn swapped_lines(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let one = random.u64(2..log.size());
    let other = random.u64(one + 1..=log.size());
    let mut bundle = log.whole()?;
    bundle.lines.swap(index(one)?, index(other)?);
    Ok(Attempt::new(bundle, Place::Either(one, other)))
}

/// Two messages that changed places with their numbers.
fn exchanged(log: &Log, (one, other): (u64, u64), place: Place) -> anyhow::Result<Attempt> {
    let mut bundle = log.whole()?;
    for (at, from) in [(one, other), (other, one)] {
        let line = Line { sequence: at, ..log.at(from)?.clone() };
        *bundle.lines.get_mut(index(at)?).context("a line")? = encode(&line)?;
    }
    Ok(Attempt::new(bundle, place))
}

fn swapped_versions(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    for _ in 0..1_000 {
        let one = some(log, random);
        if let Some(other) = log.next_version(one)? {
            return exchanged(log, (one, other), Place::At(one));
        }
    }
    anyhow::bail!("no aggregate has two versions")
}

/// Of one writer: across a rotation the signatures would not hold.
fn swapped_neighbours(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    for _ in 0..1_000 {
        let one = random.u64(2..log.size());
        if one != log.rotated && log.at(one)?.subject != log.at(one + 1)?.subject {
            return Ok(exchanged(log, (one, one + 1), Place::Between(one))?.kept(log));
        }
    }
    anyhow::bail!("no neighbours of two aggregates")
}

/// One of the last 100 sizes, or of the last half of a short log.
fn shorter(log: &Log, random: &mut Rng) -> u64 {
    random.u64(log.size().saturating_sub(100).max(log.size() / 2)..log.size())
}

fn first_of(log: &Log, size: u64) -> anyhow::Result<&[Line]> {
    log.lines.get(..usize::try_from(size)?).context("the log is shorter")
}

fn cut(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let size = shorter(log, random);
    Ok(Attempt::new(log.under_genuine(first_of(log, size)?)?, Place::At(size + 1)))
}

fn cut_and_fitted(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let size = shorter(log, random);
    let mut bundle = log.under_genuine(first_of(log, size)?)?;
    bundle.put("bundle.json", log.manifest(size, &Scope::Log)?);
    Ok(Attempt::new(bundle, Place::Named(&["tree_size_mismatch"])))
}

fn cut_with_checkpoint(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let size = shorter(log, random);
    Ok(Attempt::new(log.bare(first_of(log, size)?)?, Place::Between(size + 1)).kept(log))
}

fn cut_under_an_old_one(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let size = shorter(log, random);
    let mut bundle = log.bare(first_of(log, size)?)?;
    bundle.put("checkpoint", log.note(log.head(size)?, 2)?.to_string());
    // What the old checkpoint says is true, so that it agrees, and the next kept one goes on.
    Ok(Attempt::new(bundle, Place::Between(size + 1)).kept(log))
}

fn cut_inside(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut bundle = log.whole()?;
    let last = bundle.lines.last_mut().context("a line")?;
    let keep = random.usize(1..last.len());
    *last = last.get(..keep).context("a part")?.into();
    Ok(Attempt::new(bundle, Place::At(log.size())))
}

/// Nothing after the last checkpoint but one is sealed: what was acknowledged there shows by receipts alone.
fn unsealed(log: &Log, random: &mut Rng, place: impl Fn(u64) -> Place) -> anyhow::Result<Attempt> {
    let size = shorter(log, random);
    let mut attempt = Attempt::new(log.bare(first_of(log, size)?)?, place(size + 1));
    let earlier = log.kept.iter().filter(|kept| kept.head().size <= size);
    attempt.checkpoints = earlier.cloned().collect();
    Ok(attempt)
}

fn cut_unsealed(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut attempt = unsealed(log, random, Place::At)?;
    attempt.receipts.clone_from(&log.receipts);
    Ok(attempt)
}

fn cut_unseen(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    unsealed(log, random, |_| Place::Said(Caveat::NotSealed))
}

fn to_another_tenant(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let sequence = some(log, random);
    let mut line = log.at(sequence)?.clone();
    line.subject = line.subject.replacen(".tenant-", ".tenant-9", 1);
    Ok(Attempt::new(log.with_line(sequence, &line)?, Place::At(sequence)))
}

/// A message with another subject of the log: its bytes, hash and signature are genuine.
fn to_another_aggregate(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    for _ in 0..1_000 {
        let (sequence, other) = (some(log, random), some(log, random));
        let (line, other) = (log.at(sequence)?, log.at(other)?);
        if line.subject != other.subject {
            let moved = Line { subject: other.subject.clone(), ..line.clone() };
            return Ok(Attempt::new(log.with_line(sequence, &moved)?, Place::At(sequence)));
        }
    }
    anyhow::bail!("the log has one aggregate")
}

fn from_another_log(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let sequence = some(log, random);
    let mut envelope = Envelope::parse(&log.at(sequence)?.payload)?;
    envelope.log = "another.log.example".parse()?;
    let line = log.line(sequence, envelope, log.writer_at(sequence))?;
    Ok(Attempt::new(log.with_line(sequence, &line)?, Place::At(sequence)))
}

fn to_another_sequence(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let from = random.u64(2..log.size());
    let to = random.u64(from + 1..=log.size());
    let line = Line { sequence: to, ..log.at(from)?.clone() };
    Ok(Attempt::new(log.with_line(to, &line)?, Place::At(to)))
}
