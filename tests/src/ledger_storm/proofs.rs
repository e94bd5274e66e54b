//! Attack 18: malformed proofs and checkpoints, and transplants inside of a part that is proven line by line.

use super::attempt::{Attack, Attempt, Place, edit, some};
use super::log::{Log, encode};
use super::memory::Memory;
use anyhow::Context as _;
use fastrand::Rng;
use ledger::tree::inclusion_proof;
use ledger::{Checkpoint, Line, NodeHash, ProofLine, TreeHead, cosign};

/// The rows.
pub const ATTACKS: &[Attack] = &[
    Attack { number: 1, name: "edit a byte of a proof", deed: edited },
    Attack { number: 10, name: "transplant under another line's proof", deed: transplanted },
    Attack { number: 18, name: "malform a proof", deed: malformed },
    Attack { number: 18, name: "leave a proof out", deed: left_out },
    Attack { number: 18, name: "prove another line", deed: of_another },
    Attack { number: 18, name: "prove under an old tree", deed: of_an_old_tree },
    Attack { number: 18, name: "seal nothing", deed: nothing_sealed },
    Attack { number: 18, name: "seal as another log or key", deed: foreign },
    Attack { number: 18, name: "double a witness's signature", deed: doubled },
];

/// A part of the log, its proofs line by line, and one of its sequences.
struct Part {
    bundle: Memory,
    proofs: Vec<Vec<u8>>,
    sequence: u64,
    at: usize,
}

impl Part {
    fn of(log: &Log, random: &mut Rng) -> anyhow::Result<Self> {
        let from = some(log, random);
        let to = random.u64(from..=log.size().min(from + 30));
        let bundle = log.range(from, to)?;
        let file = bundle.file("proofs.ndjson");
        let proofs = file.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let sequence = random.u64(from..=to);
        Ok(Self { bundle, proofs, sequence, at: usize::try_from(sequence - from)? })
    }

    fn proof(&mut self) -> anyhow::Result<&mut Vec<u8>> {
        self.proofs.get_mut(self.at).context("a proof")
    }

    fn place(&self) -> Place {
        let line = u64::try_from(self.at + 1).unwrap_or(u64::MAX);
        Place::Proof { line, sequence: self.sequence }
    }

    fn attempt(mut self, place: Place) -> Attempt {
        self.bundle.put("proofs.ndjson", self.proofs.concat());
        Attempt::new(self.bundle, place)
    }
}

/// A damaged proof is named by its line, a wrong one by its sequence.
fn edited(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut part = Part::of(log, random)?;
    edit(part.proof()?, random);
    let place = part.place();
    Ok(part.attempt(place))
}

fn transplanted(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut part = Part::of(log, random)?;
    let from = (part.sequence + random.u64(1..log.size())) % log.size() + 1;
    let from = if from == part.sequence { 1 } else { from };
    let line = Line { sequence: part.sequence, ..log.at(from)?.clone() };
    *part.bundle.lines.get_mut(part.at).context("a line")? = encode(&line)?;
    let place = Place::At(part.sequence);
    Ok(part.attempt(place))
}

fn malformed(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut part = Part::of(log, random)?;
    let mut inclusion = ProofLine::parse(part.proof()?)?.inclusion;
    let hash = NodeHash::from_bytes([random.u8(..); 32]);
    match random.u8(..7) {
        0 => inclusion.path.push(hash),
        1 => inclusion.path = inclusion.path.split_off(1),
        2 => {
            let at = random.usize(..inclusion.path.len());
            *inclusion.path.get_mut(at).context("a hash")? = hash;
        }
        3 => inclusion.tree_size += random.u64(1..1 << 40),
        4 => inclusion.path = vec![hash; 54],
        5 => inclusion.tree_size = 0,
        _ => inclusion.tree_size = random.u64(1 << 53..),
    }
    *part.proof()? = ProofLine { inclusion }.encode()?;
    let place = part.place();
    Ok(part.attempt(place))
}

fn left_out(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut part = Part::of(log, random)?;
    part.proofs.remove(part.at);
    let place = Place::At(part.sequence);
    Ok(part.attempt(place))
}

fn proven(log: &Log, sequence: u64, head: &TreeHead) -> anyhow::Result<Vec<u8>> {
    let (_, inclusion) = inclusion_proof(sequence - 1, head, &log.sealed.tiles)?;
    Ok(ProofLine { inclusion }.encode()?)
}

/// A true proof, of a line that is not in the part.
fn of_another(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut part = Part::of(log, random)?;
    *part.proof()? = proven(log, 1, log.head(log.size())?)?;
    let place = Place::At(part.sequence);
    let mut attempt = part.attempt(place);
    // The proof is unused as well, which is said of its own sequence.
    if let Place::At(sequence) = attempt.place {
        attempt.place = Place::Either(sequence, 1);
    }
    Ok(attempt)
}

/// The archive's tiles are of the last size, and full ones serve every size: a proof under an older head.
fn of_an_old_tree(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut part = Part::of(log, random)?;
    let mut inclusion = ProofLine::parse(part.proof()?)?.inclusion;
    inclusion.tree_size = random.u64(part.sequence..=log.size().max(part.sequence));
    if inclusion.tree_size == log.size() {
        inclusion.tree_size += 1;
    }
    *part.proof()? = ProofLine { inclusion }.encode()?;
    let place = Place::At(part.sequence);
    Ok(part.attempt(place))
}

/// A checkpoint of an empty tree, signed by the log and its witnesses, over a log that is not empty.
fn nothing_sealed(log: &Log, _: &mut Rng) -> anyhow::Result<Attempt> {
    let mut bundle = log.whole()?;
    let head = TreeHead { size: 0, root: NodeHash::EMPTY };
    bundle.put("checkpoint", log.note(&head, 2)?.to_string());
    Ok(Attempt::new(bundle, Place::Named(&["tree_size_mismatch", "beyond_end"])))
}

fn foreign(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut bundle = log.whole()?;
    let head = log.head(log.size())?;
    let (origin, key) = if random.bool() {
        ("another.log.example".parse()?, &log.keys.log)
    } else {
        (log.origin.clone(), &log.keys.stranger)
    };
    let mut note = Checkpoint::new(origin, head).seal(key, 1_795_160_000)?;
    let text = note.note().text().to_owned();
    for (name, key) in &log.keys.witnesses {
        note.add(cosign(&text, &name.parse()?, key, 1_795_160_000))?;
    }
    bundle.put("checkpoint", note.to_string());
    Ok(Attempt::new(bundle, Place::Named(&["checkpoint_origin", "checkpoint_unsigned"])))
}

/// One witness signs as often as a note holds lines.
fn doubled(log: &Log, random: &mut Rng) -> anyhow::Result<Attempt> {
    let mut bundle = log.whole()?;
    let mut note = log.note(log.head(log.size())?, 0)?;
    let text = note.note().text().to_owned();
    let [(name, key), ..] = &log.keys.witnesses;
    for again in 1..=random.u64(2..60) {
        note.add(cosign(&text, &name.parse()?, key, 1_795_160_000 + again))?;
    }
    bundle.put("checkpoint", note.to_string());
    Ok(Attempt::new(bundle, Place::Named(&["witness_quorum"])))
}
