//! What must hold of notes, checkpoints, cosignatures, tiles and proofs.

use countersign_ledger::tree::{Layer, read_entries};
use countersign_ledger::witness::{Cosigner, KnownLog, Request, Seen, decide};
use countersign_ledger::{
    CheckpointNote, Fork, KeyName, LogPolicy, Note, NoteSignature, Policy, ProofLine, TilePath,
    TreeHead, cosigned_at,
};
use std::sync::OnceLock;
use trust::encoding::from_base64;
use trust::keys::{PrivateKey, PublicKey};

const POLICY: &[u8] = include_bytes!("../../domain/ledger/vectors/policy.json");
const TREE: &[u8] = include_bytes!("../../domain/ledger/vectors/tree.json");

struct Golden {
    policy: LogPolicy,
    notes: Vec<Note>,
    roots: Vec<countersign_ledger::NodeHash>,
    proofs: Vec<ProofLine>,
}

/// Read once: the golden log's policy with the keys of the golden checkpoints, and what these sign.
fn golden() -> &'static Golden {
    static READ: OnceLock<Golden> = OnceLock::new();
    READ.get_or_init(|| {
        let vectors: serde_json::Value = serde_json::from_slice(TREE).expect("the golden tree");
        let member = |name: &str| vectors.get(name).cloned().expect("a golden member");
        let mut policy = Policy::parse(POLICY).expect("the golden policy").logs.remove(0);
        policy.keys = serde_json::from_value(member("keys")).expect("keys");
        policy.witnesses = serde_json::from_value(member("witnesses")).expect("witnesses");
        policy.witness_quorum = 2;
        let proofs: Vec<serde_json::Value> =
            serde_json::from_value(member("inclusions")).expect("proofs");
        Golden {
            policy,
            notes: serde_json::from_value(member("checkpoints")).expect("notes"),
            roots: serde_json::from_value(member("roots")).expect("roots"),
            proofs: proofs.iter().map(spelled).collect(),
        }
    })
}

/// A proof's members in their order, whatever order the vectors have.
fn spelled(proof: &serde_json::Value) -> ProofLine {
    let number =
        |name: &str| proof.get(name).and_then(serde_json::Value::as_u64).expect("a number");
    let path = proof.get("path").cloned().expect("a path");
    let inclusion = countersign_ledger::Inclusion {
        leaf_index: number("leaf_index"),
        tree_size: number("tree_size"),
        path: serde_json::from_value(path).expect("hashes"),
    };
    ProofLine { inclusion }
}

/// A note is written as it was read, and holds no more than it may.
pub fn note(bytes: &[u8]) {
    let Ok(note) = Note::parse(bytes) else { return };
    assert_eq!(note.to_string().as_bytes(), bytes);
    assert!(note.text().ends_with('\n') && bytes.len() <= 64 * 1024);
    assert!((1..=64).contains(&note.signatures().len()));
    for signature in note.signatures() {
        let line = signature.to_string();
        assert_eq!(line.parse().as_ref(), Ok(signature));
        assert_eq!(signature.name.as_str().parse::<KeyName>().as_ref(), Ok(&signature.name));
    }
    let same = Note::new(note.text().to_owned(), note.signatures().to_vec());
    assert_eq!(same, Ok(note));
}

/// A checkpoint is written as it was read, and only what the golden keys signed verifies; a fork between any is none,
/// since the golden log never signed one.
pub fn checkpoint(bytes: &[u8]) {
    let golden = golden();
    if let Ok(fork) = Fork::parse(bytes) {
        assert!(fork.verify(&golden.policy).is_err(), "the golden log has no fork");
        let json = fork.encode().expect("what was read can be written");
        assert_eq!(Fork::parse(&json), Ok(fork));
    }
    let Ok(note) = CheckpointNote::parse(bytes) else { return };
    assert_eq!(note.to_string().as_bytes(), bytes);
    assert_eq!(note.claim().to_string(), note.note().text());
    let Ok(verified) = note.verify(&golden.policy) else { return };
    assert!(golden.notes.iter().any(|golden| golden.text() == verified.note().note().text()));
    assert_eq!((verified.is_witnessed(), verified.cosigned().len()), (true, 2));
}

/// A request is written as it was read, and a witness cosigns only what the golden log signed of its one tree.
pub fn request(bytes: &[u8]) {
    let Ok(request) = Request::parse(bytes) else { return };
    assert_eq!(request.to_string().as_bytes(), bytes);
    let golden = golden();
    let LogPolicy { origin, keys, .. } = &golden.policy;
    let log = KnownLog { origin: origin.clone(), keys: keys.iter().map(|key| key.key).collect() };
    let name: KeyName = "w".parse().expect("a name");
    let cosigner = Cosigner::new(name, PrivateKey::from_seed(&[9; 32]));
    let root = |size: u64| golden.roots.get(usize::try_from(size).ok()?).copied();
    let sizes = golden.notes.iter().filter_map(|note| note.text().split('\n').nth(1)?.parse().ok());
    let heads = sizes.filter_map(|size| Some(TreeHead { size, root: root(size)? }));
    let seen = heads.map(|head| Some(Seen { head, unix_seconds: 1 }));
    for seen in seen.chain([None]) {
        if let Ok(granted) = decide(seen, &request, &log, &cosigner, 1) {
            let head = granted.seen().head;
            assert_eq!(root(head.size), Some(head.root), "another tree was cosigned");
        }
    }
}

/// A line is written as it was read, and is a cosignature of a golden text only if a golden line is the same.
pub fn cosignature(bytes: &[u8]) {
    let Ok(line) = std::str::from_utf8(bytes) else { return };
    let Ok(signature) = line.parse::<NoteSignature>() else { return };
    assert_eq!(signature.to_string(), line);
    let golden = golden();
    let name = signature.name.as_str();
    let witnesses = golden.policy.witnesses.iter().map(|witness| witness.key);
    let keys: Vec<PublicKey> =
        golden.policy.keys.iter().map(|key| key.key).chain(witnesses).collect();
    for note in &golden.notes {
        for key in &keys {
            if cosigned_at(&signature, note.text(), name, key).is_some() {
                assert!(note.signatures().contains(&signature), "nobody else has the keys");
            }
        }
    }
    let stranger = PrivateKey::from_seed(&[7; 32]).public();
    assert_eq!(cosigned_at(&signature, "text\n", name, &stranger), None);
}

/// A path has one spelling and is a tile of some tree; entries are read only if every length is right.
pub fn tile(bytes: &[u8]) {
    if let Ok(records) = read_entries(bytes) {
        assert_eq!(bytes.len(), records.len() * 42);
        assert!((1..=256).contains(&records.len()));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(path) = text.parse::<TilePath>() else { return };
    assert_eq!(path.to_string(), text);
    assert_eq!(TilePath::new(path.layer(), path.index(), path.width()), Ok(path));
    assert!(path.byte_len() <= 256 * 42 && (1..=256).contains(&path.width()));
    assert!(path.full().is_full());
    assert!(path.layer() != Layer::Hashes(7));
}

/// A line of proof has one spelling, and of a golden root it proves only what a golden leaf is.
pub fn proof(bytes: &[u8]) {
    let Ok(line) = ProofLine::parse(bytes) else { return };
    assert_eq!(line.encode().as_deref(), Ok(bytes));
    assert_eq!(line.sequence(), line.inclusion.leaf_index + 1);
    let golden = golden();
    let size = usize::try_from(line.inclusion.tree_size).expect("a small machine has 64 bits too");
    let Some(root) = golden.roots.get(size) else { return };
    let leaf = countersign_ledger::leaf_hash(line.sequence(), &hash_of(line.sequence()));
    if line.inclusion.verify(&leaf, root).is_ok() {
        assert!(line.inclusion.path.len() <= 11);
        let golden = golden.proofs.iter().find(|golden| {
            (golden.sequence(), golden.inclusion.tree_size)
                == (line.sequence(), line.inclusion.tree_size)
        });
        assert!(golden.is_none_or(|golden| *golden == line), "one leaf has one proof");
    }
    assert!(line.inclusion.verify(root, root).is_err() || size == 1, "a root is no leaf");
    assert!(from_base64(&root.to_string()).is_ok());
}

/// The golden `h` of a sequence.
fn hash_of(sequence: u64) -> countersign_ledger::CommitHash {
    if sequence.is_multiple_of(97) {
        return countersign_ledger::CommitHash::ZERO;
    }
    countersign_ledger::CommitHash::of(format!("payload {sequence}").as_bytes())
}
