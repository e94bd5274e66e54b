//! Checkpoints, cosignatures and forks under a policy: who is believed, and who is not.

mod workbench;

use anyhow::Context as _;
use countersign_ledger::Witness;
use countersign_ledger::tree::{consistency_proof, inclusion_proof};
use countersign_ledger::{
    Checkpoint, CheckpointError, CheckpointNote, CommitHash, Fork, ForkError, KeyName, LogPolicy,
    NodeHash, NoteSignature, ProofError, Receipt, ReceiptError, TreeHead, cosign, cosigned_at,
};
use trust::keys::PrivateKey;
use workbench::tiles::{Tiles, grown_with};
use workbench::{ORIGIN, Workbench};

const SEALED: u64 = 1_795_000_000;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

fn witness(number: u8) -> (Witness, PrivateKey) {
    let key = key(100 + number);
    (Witness::always(format!("witness{number}.example"), key.public()), key)
}

fn policy(quorum: u32) -> anyhow::Result<LogPolicy> {
    let mut policy = Workbench::empty()?.policy().logs.remove(0);
    policy.keys = vec![key(1).public().into()];
    policy.witnesses = (1..=3).map(|number| witness(number).0).collect();
    policy.witness_quorum = quorum;
    Ok(policy)
}

/// A tree whose leaves are another log's from `fork_at` on.
fn grown(size: u64, fork_at: u64) -> anyhow::Result<(TreeHead, Tiles)> {
    let leaf = |n: u64| CommitHash::of(format!("{n} {}", n >= fork_at).as_bytes());
    let (heads, tiles) = grown_with(size, leaf)?;
    Ok((*heads.last().context("a head")?, tiles))
}

fn sealed(head: &TreeHead) -> anyhow::Result<CheckpointNote> {
    Ok(Checkpoint::new(ORIGIN.parse()?, head).seal(&key(1), SEALED)?)
}

fn cosigned(mut note: CheckpointNote, witnesses: &[u8]) -> anyhow::Result<CheckpointNote> {
    for number in witnesses {
        let (witness, key) = witness(*number);
        let text = note.note().text().to_owned();
        note.add(cosign(&text, &witness.name.parse()?, &key, SEALED + u64::from(*number)))?;
    }
    Ok(note)
}

#[test]
fn a_sealed_checkpoint_comes_back_and_verifies() {
    let (head, _) = grown(3, 9).unwrap();
    let note = sealed(&head).unwrap();
    let again = CheckpointNote::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!(again, note);
    let verified = again.verify(&policy(0).unwrap()).unwrap();
    assert_eq!((verified.head(), verified.sealed_at()), (head, SEALED));
    assert!(!verified.is_witnessed() && verified.cosigned().is_empty());
}

#[test]
fn a_quorum_is_met_by_different_witnesses_only() {
    let (head, _) = grown(3, 9).unwrap();
    let note = sealed(&head).unwrap();
    let quorum = |found| Err(CheckpointError::Quorum { found, needed: 2 });
    assert_eq!(note.clone().verify(&policy(2).unwrap()), quorum(0));
    let mut twice = cosigned(note.clone(), &[1]).unwrap();
    let text = note.note().text().to_owned();
    let (first, first_key) = witness(1);
    let name: KeyName = first.name.parse().unwrap();
    // The same witness at two times, the same key under another name, the log's own key, and a stranger.
    twice.add(cosign(&text, &name, &first_key, SEALED + 9)).unwrap();
    twice.add(cosign(&text, &"witness2.example".parse().unwrap(), &first_key, SEALED)).unwrap();
    twice.add(cosign(&text, &"witness3.example".parse().unwrap(), &key(1), SEALED)).unwrap();
    twice.add(cosign(&text, &name, &key(66), SEALED)).unwrap();
    assert_eq!(twice.verify(&policy(2).unwrap()), quorum(1));
    let verified = cosigned(note.clone(), &[3, 1]).unwrap().verify(&policy(2).unwrap()).unwrap();
    let times: Vec<_> = verified.cosigned().iter().map(|cosigned| cosigned.unix_seconds).collect();
    assert_eq!((times, verified.is_witnessed()), (vec![SEALED + 1, SEALED + 3], true));
    let mut one_key = policy(2).unwrap();
    one_key.witnesses[1].key = one_key.witnesses[0].key;
    let mut doubled = cosigned(note.clone(), &[1]).unwrap();
    doubled.add(cosign(&text, &"witness2.example".parse().unwrap(), &first_key, SEALED)).unwrap();
    assert_eq!(doubled.verify(&one_key), quorum(1));
    let mut own = policy(1).unwrap();
    own.witnesses[0] = Witness::always(ORIGIN, key(1).public());
    let error = CheckpointError::Quorum { found: 0, needed: 1 };
    assert_eq!(note.verify(&own), Err(error), "a log is not its own witness");
}

/// CVE-2022-39199: a verifier took the log's identity and key from what the server sent.
#[test]
fn cve_2022_39199_origin_and_key_are_never_the_servers_choice() {
    let (head, _) = grown(3, 9).unwrap();
    let policy = policy(0).unwrap();
    let origin = "other.log.example".parse().unwrap();
    let elsewhere = Checkpoint::new(origin, &head).seal(&key(1), SEALED).unwrap();
    assert!(matches!(elsewhere.verify(&policy), Err(CheckpointError::Origin(_))));
    let stranger = Checkpoint::new(ORIGIN.parse().unwrap(), &head).seal(&key(2), SEALED).unwrap();
    assert_eq!(stranger.clone().verify(&policy), Err(CheckpointError::Unsigned));
    let mut both = sealed(&head).unwrap();
    for line in stranger.note().signatures() {
        both.add(line.clone()).unwrap();
    }
    assert!(both.verify(&policy).is_ok(), "unknown keys are ignored");
}

/// CVE-2022-36111: a client believed the server's word at the time of writing, and never asked whether the sealed tree
/// holds what was acknowledged.
#[test]
fn cve_2022_36111_a_receipt_is_asked_again_of_the_sealed_tree() {
    let mut bench = Workbench::grown(4).unwrap();
    let data = serde_json::json!({"n": 5});
    let id = workbench::id("chg", 9).unwrap();
    let commit = bench.append("acme", "change", id, "schema.requested", data).unwrap();
    let receipt = Receipt::sign(&commit, &bench.writer);
    let seal = |hash: CommitHash| {
        let last = commit.sequence;
        let leaf = |n: u64| if n == last { hash } else { CommitHash::of(&n.to_be_bytes()) };
        let (heads, tiles) = grown_with(7, leaf)?;
        let head = heads[7];
        let proof = |index| inclusion_proof(index, &head, &tiles).map(|(_, proof)| proof);
        let note = sealed(&head)?.verify(&policy(0)?)?;
        anyhow::Ok((note, proof(last - 1)?, proof(last)?))
    };
    let (checkpoint, proof, other_proof) = seal(commit.hash).unwrap();
    assert_eq!(receipt.verify_sealed(&proof, &checkpoint), Ok(()));
    let refused = receipt.verify_sealed(&other_proof, &checkpoint);
    assert_eq!(refused, Err(ReceiptError::NotIncluded(ProofError::Bounds)));
    // The log dropped the acknowledged commit and sealed another one in its place, with a perfect proof of that.
    let (checkpoint, proof, _) = seal(CommitHash::of(b"another commit")).unwrap();
    assert_eq!(receipt.verify(&bench.identity().writers), Ok(()), "the promise is genuine");
    let refused = receipt.verify_sealed(&proof, &checkpoint);
    assert_eq!(refused, Err(ReceiptError::NotIncluded(ProofError::Root)));
    let early = sealed(&grown(4, 9).unwrap().0).unwrap().verify(&policy(0).unwrap()).unwrap();
    assert_eq!(receipt.verify_sealed(&proof, &early), Err(ReceiptError::NotSealedYet(4)));
    let mut elsewhere = receipt;
    elsewhere.log = "other.log.example".parse().unwrap();
    assert_eq!(elsewhere.verify_sealed(&proof, &checkpoint), Err(ReceiptError::OtherLog));
}

#[test]
fn no_changed_byte_of_a_checkpoint_is_believed() {
    let (head, _) = grown(5, 9).unwrap();
    let bytes = cosigned(sealed(&head).unwrap(), &[1, 2]).unwrap().to_string().into_bytes();
    let policy = policy(2).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut spoilt = bytes.clone();
            spoilt[at] ^= 1 << bit;
            let verified = CheckpointNote::parse(&spoilt).and_then(|note| note.verify(&policy));
            assert!(verified.is_err(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn a_text_has_one_spelling() {
    let root = NodeHash::from_bytes([7; 32]);
    let good = format!("{ORIGIN}\n3\n{root}\n");
    assert_eq!(Checkpoint::parse(&good).unwrap().to_string(), good);
    let more = format!("{good}extension\n");
    assert_eq!(Checkpoint::parse(&more).unwrap().extension, ["extension"]);
    let empty = format!("{ORIGIN}\n0\n{}\n", NodeHash::EMPTY);
    assert!(Checkpoint::parse(&empty).is_ok());
    for wrong in [
        good.replace("\n3\n", "\n03\n"),
        good.replace("\n3\n", "\n+3\n"),
        good.replace("\n3\n", "\n0\n"),
        good.replace("\n3\n", "\n9007199254740992\n"),
        good.replace("\n3\n", "\n-3\n"),
        good.replace("\n3\n", "\n3 \n"),
        good.replace(ORIGIN, "A"),
        good.replace("=\n", "\n"),
        good.trim_end().to_owned(),
        format!("{good}\n"),
        format!("{good}\nmore\n"),
        empty.replace("\n0\n", "\n1\n"),
    ] {
        assert!(Checkpoint::parse(&wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_cosignature_is_of_one_text_key_name_and_time() {
    let name: KeyName = "w".parse().unwrap();
    let line = cosign("text\n", &name, &key(1), 7);
    assert_eq!(cosigned_at(&line, "text\n", "w", &key(1).public()), Some(7));
    assert_eq!(cosigned_at(&line, "text \n", "w", &key(1).public()), None);
    assert_eq!(cosigned_at(&line, "text\n", "v", &key(1).public()), None);
    assert_eq!(cosigned_at(&line, "text\n", "w", &key(2).public()), None);
    let plain = NoteSignature::sign("text\n", &name, &key(1));
    assert_eq!(cosigned_at(&plain, "text\n", "w", &key(1).public()), None);
    assert!(!line.verifies("text\n", "w", &key(1).public()));
    let mut later = line;
    later.signature[7] = 8;
    assert_eq!(cosigned_at(&later, "text\n", "w", &key(1).public()), None);
}

#[test]
fn no_cosignature_has_a_time_of_zero_or_beyond_the_format() {
    let (name, last) = ("w".parse::<KeyName>().unwrap(), (1 << 63) - 1);
    for (time, is_one) in
        [(0, false), (1, true), (last, true), (last + 1, false), (u64::MAX, false)]
    {
        let line = cosign("text\n", &name, &key(1), time);
        let read = cosigned_at(&line, "text\n", "w", &key(1).public());
        assert_eq!(read, is_one.then_some(time));
    }
    let (policy, head) = (policy(1).unwrap(), grown(6, 9).unwrap().0);
    let text = sealed(&head).unwrap().note().text().to_owned();
    let origin: KeyName = policy.origin.as_str().parse().unwrap();
    let (witness, key_of_it) = witness(1);
    let named: KeyName = witness.name.parse().unwrap();
    for time in [0, last + 1] {
        assert_eq!(
            Checkpoint::new(policy.origin.clone(), &head).seal(&key(1), time),
            Err(CheckpointError::Untimed)
        );
        // The log's own line, and a witness's.
        let mut own = sealed(&head).unwrap();
        own.add(cosign(&text, &origin, &key(1), time)).unwrap();
        assert_eq!(own.verify(&policy), Err(CheckpointError::SignatureWrong(origin.clone())));
        let mut witnessed = sealed(&head).unwrap();
        witnessed.add(cosign(&text, &named, &key_of_it, time)).unwrap();
        let wrong = CheckpointError::SignatureWrong(named.clone());
        assert_eq!(witnessed.verify(&policy), Err(wrong));
    }
}

#[test]
fn two_roots_of_one_size_are_a_fork() {
    let policy = policy(0).unwrap();
    let one = sealed(&grown(6, 9).unwrap().0).unwrap();
    let other = sealed(&grown(6, 4).unwrap().0).unwrap();
    let fork = Fork::at_one_size(one.clone(), other, &policy).unwrap();
    let again = Fork::parse(&fork.encode().unwrap()).unwrap();
    assert_eq!((again.verify(&policy), &again), (Ok(()), &fork));
    assert_eq!(Fork::at_one_size(one.clone(), one, &policy), Err(ForkError::Consistent));
}

#[test]
fn a_past_that_the_later_tree_does_not_have_is_a_fork() {
    let policy = policy(0).unwrap();
    let (honest, honest_tiles) = grown(9, 99).unwrap();
    let (other, other_tiles) = grown(9, 5).unwrap();
    let (kept, later) = (sealed(&grown(6, 99).unwrap().0).unwrap(), sealed(&other).unwrap());
    let past = consistency_proof(6, &other, &other_tiles).unwrap();
    let fork = Fork::against_the_past(kept.clone(), later.clone(), past.clone(), &policy).unwrap();
    assert_eq!(fork.verify(&policy), Ok(()));
    // A stranger's key, and proofs that are spoilt or of the honest tree, prove nothing.
    let mut stranger = policy.clone();
    stranger.keys = vec![key(3).public().into()];
    assert!(matches!(fork.verify(&stranger), Err(ForkError::Checkpoint { .. })));
    let mut spoilt = past.clone();
    spoilt.1.path[0] = NodeHash::from_bytes([0; 32]);
    let made = Fork::against_the_past(kept.clone(), later.clone(), spoilt, &policy);
    assert!(matches!(made, Err(ForkError::ProofWrong(_))));
    let same = consistency_proof(6, &honest, &honest_tiles).unwrap();
    let honest = sealed(&honest).unwrap();
    let made = Fork::against_the_past(kept.clone(), honest, same, &policy);
    assert_eq!(made, Err(ForkError::Consistent));
    assert_eq!(Fork::at_one_size(kept.clone(), later.clone(), &policy), Err(ForkError::Proof));
    assert_eq!(Fork::against_the_past(later, kept, past, &policy), Err(ForkError::Order));
}
