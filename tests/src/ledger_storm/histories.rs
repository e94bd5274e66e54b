//! Attacks 8, 9 and 12: two histories of one log, another history than before, and the log's stolen key.

use super::attempt::{Attack, Attempt, Place, some};
use super::forger::index;
use super::log::{Log, Sealed, id};
use super::memory::Memory;
use anyhow::{Context as _, ensure};
use fastrand::Rng;
use ledger::tree::consistency_proof;
use ledger::{Caveat, Fork, Line, Policy, TreeHead};
use serde_json::json;

/// The rows.
pub const ATTACKS: &[Attack] = &[
    Attack { number: 8, name: "show two views, one checkpoint kept", deed: two_views },
    Attack { number: 8, name: "show two views, hand on the fork", deed: fork_handed_on },
    Attack { number: 9, name: "make the log anew", deed: anew },
    Attack { number: 9, name: "go on from an old backup", deed: backup },
    Attack { number: 12, name: "steal the log's key, quorum 2 of 3", deed: key_stolen },
    Attack { number: 12, name: "steal the log's key and one witness's", deed: witness_stolen },
    Attack { number: 12, name: "steal the log's key, checkpoints kept", deed: key_stolen_kept },
    Attack { number: 12, name: "steal the log's key, quorum none *", deed: nobody_asked },
];

/// Another history from a sequence on, with all keys of the server's side.
struct View {
    touched: u64,
    bundle: Memory,
    sealed: Sealed,
}

fn other_view(log: &Log, random: &mut Rng, witnesses: usize) -> anyhow::Result<View> {
    let touched = some(log, random);
    let other = format!("{:032x}", random.u128(..));
    let lines = log.edited(touched, |envelope| envelope.correlation_id = other)?;
    let (bundle, sealed) = log.resealed(&log.relinked(lines)?, witnesses)?;
    Ok(View { touched, bundle, sealed })
}

/// The policy of somebody who asks for no witness.
fn without_quorum(log: &Log) -> anyhow::Result<Policy> {
    let mut policy = log.policy.clone();
    policy.logs.first_mut().context("the log")?.witness_quorum = 0;
    Ok(policy)
}

/// Of all checkpoints, one from after the lie.
fn two_views(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let view = other_view(log, random, 2)?;
    let mut attempt = Attempt::new(view.bundle, Place::Between(view.touched));
    let later: Vec<_> = log.kept.iter().filter(|kept| kept.head().size >= view.touched).collect();
    attempt.checkpoints = vec![(**random.choice(&later).context("a checkpoint")?).clone()];
    Ok(attempt)
}

/// The two notes, and where their sizes differ a proof, convince whoever trusts the log's key.
fn fork_handed_on(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let view = other_view(log, random, 0)?;
    let policy = without_quorum(log)?;
    let trusted = policy.log(&log.origin)?;
    let head = view.sealed.heads.last().context("a head")?;
    let later = log.note(head, 0)?;
    for kept in log.kept.iter().filter(|kept| kept.head().size >= view.touched) {
        let earlier = kept.note().clone();
        let fork = if kept.head().size == head.size {
            Fork::at_one_size(earlier, later.clone(), trusted)?
        } else {
            let past = consistency_proof(kept.head().size, head, &view.sealed.tiles)?;
            Fork::against_the_past(earlier, later.clone(), past, trusted)?
        };
        ensure!(Fork::parse(&fork.encode()?)?.verify(trusted).is_ok(), "the fork convinces nobody");
    }
    let mut attempt = Attempt::new(view.bundle, Place::Between(view.touched)).kept(log);
    attempt.policy = Some(policy);
    Ok(attempt)
}

/// The same origin and keys, and from sequence 2 on other commits.
fn after(log: &Log, kept: u64, random: &mut Rng) -> anyhow::Result<(Memory, Sealed)> {
    let mut lines: Vec<Line> =
        log.lines.get(..index(kept + 1)?).context("the log is shorter")?.to_vec();
    for sequence in kept + 1..=log.size() {
        let data = ("schema.requested", json!({"anew": random.u64(..1 << 40)}));
        let aggregate = ("change", id("chg", random.u64(..9))?);
        let envelope = log.envelope(sequence, "tenant-0", aggregate, data)?;
        lines.push(log.line(sequence, envelope, log.writer_at(sequence))?);
    }
    log.resealed(&log.relinked(lines)?, 2)
}

fn anew(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let (bundle, _) = after(log, 1, random)?;
    Ok(Attempt::new(bundle, Place::Between(2)).kept(log))
}

fn backup(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let kept = random.u64(1..log.size());
    let (bundle, _) = after(log, kept, random)?;
    Ok(Attempt::new(bundle, Place::Between(kept + 1)).kept(log))
}

fn key_stolen(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let view = other_view(log, random, 0)?;
    Ok(Attempt::new(view.bundle, Place::Named(&["witness_quorum"])))
}

/// One witness of two that must cosign, and again under another one's name.
fn witness_stolen(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut view = other_view(log, random, 1)?;
    let head: &TreeHead = view.sealed.heads.last().context("a head")?;
    let mut note = log.note(head, 1)?;
    let [(_, stolen), (other, _), _] = &log.keys.witnesses;
    let text = note.note().text().to_owned();
    note.add(ledger::cosign(&text, &other.parse()?, stolen, random.u64(1..1 << 31)))?;
    view.bundle.put("checkpoint", note.to_string());
    Ok(Attempt::new(view.bundle, Place::Named(&["witness_quorum"])))
}

fn key_stolen_kept(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let view = other_view(log, random, 0)?;
    let mut attempt = Attempt::new(view.bundle, Place::Between(view.touched)).kept(log);
    attempt.policy = Some(without_quorum(log)?);
    Ok(attempt)
}

/// Believed, as the policy asks, and the report says for what it does not stand.
fn nobody_asked(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let view = other_view(log, random, 0)?;
    let mut attempt = Attempt::new(view.bundle, Place::Said(Caveat::NotWitnessed));
    attempt.policy = Some(without_quorum(log)?);
    Ok(attempt)
}
