//! Attacks 1, 2 and 17: bytes of everything that is attested, with and without the writer's key.

use super::attempt::{Attack, Attempt, Place, edit, some};
use super::forger::index;
use super::log::Log;
use anyhow::Context as _;
use fastrand::Rng;
use ledger::{CommitHash, Envelope, blob_file, blob_refs};
use std::ops::Range;
use trust::encoding::Sha256Digest;

/// The rows.
pub const ATTACKS: &[Attack] = &[
    Attack { number: 1, name: "edit a byte of a commit's payload", deed: payload },
    Attack { number: 1, name: "edit a payload, recompute its hash", deed: payload_and_hash },
    Attack { number: 1, name: "edit a byte of a subject", deed: subject },
    Attack { number: 1, name: "edit a byte of a hash", deed: hash },
    Attack { number: 1, name: "edit a byte of a signature", deed: signature },
    Attack { number: 1, name: "edit a byte of a line as it is spelled", deed: spelling },
    Attack { number: 1, name: "edit a byte of the checkpoint", deed: checkpoint },
    Attack { number: 1, name: "edit a byte of a kept checkpoint", deed: kept_checkpoint },
    Attack { number: 1, name: "edit a byte of a kept receipt", deed: kept_receipt },
    Attack { number: 1, name: "edit a byte of a blob", deed: blob },
    Attack { number: 2, name: "edit with the writer's key", deed: rewritten },
    Attack { number: 2, name: "edit with the writer's key, link anew", deed: relinked },
    Attack { number: 17, name: "destroy a blob", deed: blob_destroyed },
    Attack { number: 17, name: "plant a blob", deed: blob_planted },
];

fn payload(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let sequence = some(log, random);
    let mut line = log.at(sequence)?.clone();
    edit(&mut line.payload, random);
    Ok(Attempt::new(log.with_line(sequence, &line)?, Place::At(sequence)))
}

fn payload_and_hash(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let sequence = some(log, random);
    let mut line = log.at(sequence)?.clone();
    edit(&mut line.payload, random);
    line.hash = CommitHash::of(&line.payload).to_string();
    Ok(Attempt::new(log.with_line(sequence, &line)?, Place::At(sequence)))
}

/// Another character in a text, so that the line is still one.
fn retype(text: &mut String, random: &mut Rng) {
    let mut characters: Vec<char> = text.chars().collect();
    let at = random.usize(..characters.len().max(1));
    if let Some(character) = characters.get_mut(at) {
        let other = random.alphanumeric();
        *character = if *character == other { '-' } else { other };
    }
    *text = characters.into_iter().collect();
}

fn subject(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let sequence = some(log, random);
    let mut line = log.at(sequence)?.clone();
    retype(&mut line.subject, random);
    Ok(Attempt::new(log.with_line(sequence, &line)?, Place::At(sequence)))
}

fn hash(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let sequence = some(log, random);
    let mut line = log.at(sequence)?.clone();
    retype(&mut line.hash, random);
    Ok(Attempt::new(log.with_line(sequence, &line)?, Place::At(sequence)))
}

fn signature(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let sequence = some(log, random);
    let mut line = log.at(sequence)?.clone();
    retype(&mut line.signature, random);
    Ok(Attempt::new(log.with_line(sequence, &line)?, Place::At(sequence)))
}

/// The value of `received_at`, which nobody attests.
pub fn received_at(line: &[u8]) -> anyhow::Result<Range<usize>> {
    let label = br#""received_at":""#;
    let at = line.windows(label.len()).position(|window| window == label);
    let start = at.context("received_at")? + label.len();
    Ok(start..start + "2026-11-20T07:00:00.000000Z".len())
}

fn spelling(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let sequence = some(log, random);
    let mut bundle = log.whole()?;
    let place = bundle.lines.get_mut(index(sequence)?).context("a line")?;
    let mut line = place.to_vec();
    let free = received_at(&line)?;
    let mut at = random.usize(..line.len() - free.len());
    if at >= free.start {
        at += free.len();
    }
    *line.get_mut(at).context("a byte")? ^= random.u8(1..);
    *place = line.into();
    Ok(Attempt::new(bundle, Place::At(sequence)))
}

const OF_THE_CHECKPOINT: &[&str] = &[
    "refused",
    "checkpoint_note",
    "checkpoint_text",
    "checkpoint_size",
    "checkpoint_origin",
    "checkpoint_unsigned",
    "checkpoint_signature_wrong",
    "checkpoint_untimed",
    "witness_quorum",
];

fn checkpoint(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut bundle = log.whole()?;
    let mut note = bundle.file("checkpoint");
    edit(&mut note, random);
    bundle.put("checkpoint", note);
    Ok(Attempt::new(bundle, Place::Named(OF_THE_CHECKPOINT)))
}

fn kept_checkpoint(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let kept = random.choice(&log.kept).context("a checkpoint")?;
    let mut note = kept.note().to_string().into_bytes();
    edit(&mut note, random);
    let mut attempt = Attempt::new(log.whole()?, Place::Named(&["refused"]));
    attempt.note = Some(note);
    Ok(attempt)
}

fn kept_receipt(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let receipt = random.choice(&log.receipts).context("a receipt")?;
    let mut bytes = serde_json::to_vec(receipt)?;
    edit(&mut bytes, random);
    let named = &["refused", "receipt_invalid", "receipt_contradicted", "receipt_missing"];
    let mut attempt = Attempt::new(log.whole()?, Place::Named(named));
    attempt.receipt = Some(bytes);
    Ok(attempt)
}

/// The first commit from a random one on that names a blob, and the blob's file.
fn some_blob(log: &Log, random: &mut Rng) -> anyhow::Result<(u64, String)> {
    let digest = {
        let names: Vec<_> = log.blobs.keys().collect();
        (*random.choice(&names).context("a blob")?).clone()
    };
    for line in &log.lines {
        let envelope = Envelope::parse(&line.payload)?;
        let mut named = envelope.events.iter().flat_map(|event| blob_refs(&event.data));
        if named.any(|blob| blob_file(&blob.sha256) == digest) {
            return Ok((line.sequence, digest));
        }
    }
    anyhow::bail!("nobody names {digest}")
}

fn blob(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let (sequence, name) = some_blob(log, random)?;
    let mut bundle = log.whole()?;
    let mut bytes = bundle.file(&name);
    edit(&mut bytes, random);
    bundle.put(&name, bytes);
    Ok(Attempt::new(bundle, Place::At(sequence)))
}

fn blob_destroyed(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let (sequence, name) = some_blob(log, random)?;
    let mut bundle = log.whole()?;
    bundle.files.remove(&name);
    Ok(Attempt::new(bundle, Place::At(sequence)))
}

fn blob_planted(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut bundle = log.whole()?;
    let bytes = random.u64(..).to_be_bytes();
    bundle.put(&blob_file(&Sha256Digest::of(&bytes)), bytes.to_vec());
    Ok(Attempt::new(bundle, Place::Named(&["blob_unnamed"])))
}

/// Another correlation id: it means nothing to any rule.
fn retell(envelope: &mut Envelope, random: &mut Rng) {
    envelope.correlation_id = format!("{:032x}", random.u128(..));
}

fn rewritten(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let touched = some(log, random);
    let lines = log.edited(touched, |envelope| retell(envelope, random))?;
    let place = match log.next_version(touched)? {
        Some(next) => Place::Link { touched, next },
        None => Place::Between(touched),
    };
    Ok(Attempt::new(log.under_genuine(&lines)?, place).kept(log))
}

fn relinked(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let touched = some(log, random);
    let lines = log.relinked(log.edited(touched, |envelope| retell(envelope, random))?)?;
    Ok(Attempt::new(log.under_genuine(&lines)?, Place::Between(touched)).kept(log))
}
