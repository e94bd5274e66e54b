//! What must raise no alarm: untouched logs, whole and in parts, and edits of what nobody attests.

use super::attempt::{Attack, Attempt, Place, some};
use super::forger::index;
use super::log::{Log, encode};
use anyhow::Context as _;
use fastrand::Rng;
use ledger::{Line, Manifest, cosign};

/// Untouched evidence.
pub const UNTOUCHED: &[Attack] = &[
    Attack { number: 0, name: "untouched, whole, all that was kept", deed: whole },
    Attack { number: 0, name: "untouched, a range", deed: range },
    Attack { number: 0, name: "untouched, not sealed", deed: bare },
];

/// What the format leaves free, by its name.
pub const UNATTESTED: &[Attack] = &[
    Attack { number: 0, name: "received_at of commits.ndjson", deed: received_at },
    Attack { number: 0, name: "created_at of bundle.json", deed: created_at },
    Attack { number: 0, name: "lines of unknown keys on a checkpoint", deed: strangers_line },
    Attack { number: 0, name: "statements/ and trust/ (other rules)", deed: other_files },
];

fn whole(log: &Log, _: &mut Rng) -> anyhow::Result<Attempt> {
    let mut attempt = Attempt::new(log.whole()?, Place::Silent).kept(log);
    attempt.receipts.clone_from(&log.receipts);
    Ok(attempt)
}

fn range(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let from = some(log, random);
    let to = random.u64(from..=log.size().min(from + 60));
    Ok(Attempt::new(log.range(from, to)?, Place::Silent))
}

fn bare(log: &Log, _: &mut Rng) -> anyhow::Result<Attempt> {
    Ok(Attempt::new(log.bare(&log.lines)?, Place::Silent).kept(log))
}

fn received_at(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut bundle = log.whole()?;
    for _ in 0..random.u8(1..9) {
        let line = log.at(some(log, random))?;
        let other = line.received_at.plus_seconds(random.i64(-1_000_000..1_000_000));
        let other = Line { received_at: other, ..line.clone() };
        *bundle.lines.get_mut(index(line.sequence)?).context("a line")? = encode(&other)?;
    }
    Ok(Attempt::new(bundle, Place::Silent).kept(log))
}

fn created_at(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut bundle = log.whole()?;
    let mut manifest = Manifest::parse(&bundle.file("bundle.json"))?;
    manifest.created_at = manifest.created_at.plus_seconds(random.i64(-1_000_000..1_000_000));
    bundle.put("bundle.json", manifest.encode()?);
    Ok(Attempt::new(bundle, Place::Silent).kept(log))
}

fn strangers_line(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut bundle = log.whole()?;
    let mut note = log.note(log.head(log.size())?, 2)?;
    let text = note.note().text().to_owned();
    let name = format!("stranger{}.example", random.u8(..)).parse()?;
    note.add(cosign(&text, &name, &log.keys.stranger, random.u64(..)))?;
    bundle.put("checkpoint", note.to_string());
    Ok(Attempt::new(bundle, Place::Silent).kept(log))
}

/// The ledger's verifier leaves these to the rules about approvals, and says so.
fn other_files(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut bundle = log.whole()?;
    let bytes: Vec<u8> = (0..random.usize(1..90)).map(|_| random.u8(..)).collect();
    bundle.put("statements/one.json", bytes.clone());
    bundle.put("trust/1.json", bytes);
    Ok(Attempt::new(bundle, Place::Silent).kept(log))
}
