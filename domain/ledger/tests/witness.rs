//! What a witness answers: every refusal, and that no row of requests leads it onto two histories.

mod workbench;

use anyhow::Context as _;
use countersign_ledger::tree::consistency_proof;
use countersign_ledger::witness::{
    Cosigner, KnownLog, MAX_PROOF_LINES, MAX_REQUEST_BYTES, Refusal, Request, SIZE_CONTENT_TYPE,
    Seen, decide, origin_hash, read_size,
};
use countersign_ledger::{
    Checkpoint, CheckpointError, CheckpointNote, CommitHash, NodeHash, ProofError, TreeHead,
    cosign, cosigned_at,
};
use proptest::prelude::*;
use std::convert::Infallible;
use std::sync::OnceLock;
use trust::keys::PrivateKey;
use workbench::ORIGIN;
use workbench::tiles::{Tiles, grown_with};

const NOW: u64 = 1_795_000_000;
const SIZE: usize = 40;
const FORKED_AT: usize = 17;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

fn cosigner() -> anyhow::Result<Cosigner> {
    Ok(Cosigner::new("witness.example".parse()?, key(100)))
}

fn log() -> anyhow::Result<KnownLog> {
    Ok(KnownLog { origin: ORIGIN.parse()?, keys: vec![key(1).public(), key(2).public()] })
}

/// The heads of every size, and the tiles.
type Branch = (Vec<TreeHead>, Tiles);

/// Two logs that are the same up to a size.
fn branches() -> &'static [Branch; 2] {
    static GROWN: OnceLock<[Branch; 2]> = OnceLock::new();
    GROWN.get_or_init(|| {
        [0, 1].map(|branch: usize| {
            let leaf = |n: u64| {
                let is_common = usize::try_from(n).is_ok_and(|n| n <= FORKED_AT);
                CommitHash::of(format!("{n} {}", if is_common { 0 } else { branch }).as_bytes())
            };
            grown_with(SIZE as u64, leaf).unwrap_or_default()
        })
    })
}

fn branch(number: usize) -> &'static Branch {
    let [one, other] = branches();
    if number == 0 { one } else { other }
}

fn head(number: usize, size: usize) -> TreeHead {
    let nowhere = TreeHead { size: u64::MAX, root: NodeHash::EMPTY };
    branch(number).0.get(size).copied().unwrap_or(nowhere)
}

fn sealed(head: &TreeHead, by: u8) -> anyhow::Result<CheckpointNote> {
    Ok(Checkpoint::new(ORIGIN.parse()?, head).seal(&key(by), NOW)?)
}

fn proof(number: usize, from: usize, to: usize) -> Vec<NodeHash> {
    let proof = consistency_proof(from as u64, &head(number, to), &branch(number).1);
    proof.map(|(_, proof)| proof.path).unwrap_or_default()
}

fn request(branch: usize, from: usize, to: usize) -> anyhow::Result<Request> {
    let note = sealed(&head(branch, to), 1)?;
    Ok(Request::new(from as u64, proof(branch, from, to), note))
}

fn seen(branch: usize, size: usize) -> Seen {
    Seen { head: head(branch, size), unix_seconds: NOW - 10 }
}

fn refusal(seen: Option<Seen>, request: &Request) -> anyhow::Result<Refusal> {
    let decided = decide(seen, request, &log()?, &cosigner()?, NOW);
    decided.err().context("it was cosigned")
}

/// What is kept is what a restarted witness reads.
fn granted(
    seen: Option<Seen>,
    request: &Request,
    now: u64,
) -> anyhow::Result<Result<(Seen, String), Refusal>> {
    let granted = match decide(seen, request, &log()?, &cosigner()?, now) {
        Ok(granted) => granted,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut kept = String::new();
    let keep = |note: &CheckpointNote| -> Result<(), Infallible> {
        kept = note.to_string();
        Ok(())
    };
    let (now_seen, line) = granted.once_kept(keep)?;
    let read = Seen::in_note(kept.as_bytes(), &ORIGIN.parse()?, &cosigner()?);
    anyhow::ensure!(read == Some(now_seen), "another state was kept");
    let text = request.note().note().text();
    let name = cosigner()?.name().as_str().to_owned();
    let time = cosigned_at(&line, text, &name, &cosigner()?.public());
    anyhow::ensure!(time == Some(now_seen.unix_seconds), "no cosignature");
    anyhow::ensure!(format!("{line}").parse() == Ok(line), "a line that is not read back");
    Ok(Ok((now_seen, kept)))
}

#[test]
fn a_log_that_grows_is_cosigned_and_its_note_is_kept() {
    let (first, kept) = granted(None, &request(0, 0, 5).unwrap(), NOW).unwrap().unwrap();
    assert_eq!(first, Seen { head: head(0, 5), unix_seconds: NOW });
    // The log's two lines and the cosignature.
    assert_eq!(CheckpointNote::parse(kept.as_bytes()).unwrap().note().signatures().len(), 3);
    let (second, _) = granted(Some(first), &request(0, 5, 9).unwrap(), NOW + 7).unwrap().unwrap();
    assert_eq!(second, Seen { head: head(0, 9), unix_seconds: NOW + 7 });
    // Once more the same, a log key of the rotation, and an empty tree before the first leaf.
    assert!(granted(Some(second), &request(0, 9, 9).unwrap(), NOW).unwrap().is_ok());
    let rotated = Request::new(9, proof(0, 9, 12), sealed(&head(0, 12), 2).unwrap());
    assert!(granted(Some(second), &rotated, NOW).unwrap().is_ok());
    let (empty, _) = granted(None, &request(0, 0, 0).unwrap(), NOW).unwrap().unwrap();
    assert!(granted(Some(empty), &request(0, 0, 3).unwrap(), NOW).unwrap().is_ok());
}

#[test]
fn a_clock_that_was_put_back_does_not_put_the_cosignatures_back() {
    let (later, _) =
        granted(Some(seen(0, 5)), &request(0, 5, 9).unwrap(), NOW - 5000).unwrap().unwrap();
    assert_eq!(later.unix_seconds, NOW - 10);
    for no_time in [0, 1 << 63] {
        let (asked, log) = (request(0, 0, 5).unwrap(), log().unwrap());
        let never = decide(None, &asked, &log, &cosigner().unwrap(), no_time);
        assert_eq!(never.err().map(|refusal| refusal.status()), Some(500));
    }
}

#[test]
fn an_unknown_log_is_refused_before_anything_else() {
    let mut other = log().unwrap();
    other.origin = "other.log.example".parse().unwrap();
    let asked = request(0, 9, 5).unwrap();
    let refused = decide(None, &asked, &other, &cosigner().unwrap(), NOW).unwrap_err();
    assert_eq!((refused.status(), refused), (404, Refusal::UnknownLog));
    // A name that none of our logs can have.
    let body = asked.to_string().replace(ORIGIN, "example.com/behind-the-sofa");
    assert_eq!(Request::parse(body.as_bytes()), Err(Refusal::UnknownLog));
}

#[test]
fn a_checkpoint_that_no_known_key_signed_is_refused_before_its_sizes_are_looked_at() {
    let unsigned = Request::new(9, Vec::new(), sealed(&head(0, 5), 66).unwrap());
    let refused = refusal(None, &unsigned).unwrap();
    assert_eq!((refused.status(), &refused), (403, &Refusal::Unsigned(CheckpointError::Unsigned)));
    // A line that claims to be of a known key and is not spoils the note, whoever else signed it.
    let body = request(0, 0, 5).unwrap().to_string();
    let foreign = sealed(&head(0, 6), 1).unwrap().to_string();
    let line = foreign.lines().find(|line| line.starts_with('\u{2014}')).unwrap();
    let spoilt = Request::parse(format!("{body}{line}\n").as_bytes()).unwrap();
    let refused = refusal(None, &spoilt).unwrap();
    assert!(matches!(refused, Refusal::Unsigned(CheckpointError::SignatureWrong(_))));
    // Lines of strangers are ignored, and not kept.
    let mut crowded = sealed(&head(0, 5), 1).unwrap();
    let text = crowded.note().text().to_owned();
    crowded.add(cosign(&text, &"stranger.example".parse().unwrap(), &key(50), NOW)).unwrap();
    let (_, kept) = granted(None, &Request::new(0, vec![], crowded), NOW).unwrap().unwrap();
    assert!(!kept.contains("stranger"));
}

#[test]
fn sizes_are_compared_before_the_proof() {
    let refused = refusal(Some(seen(0, 9)), &request(0, 9, 5).unwrap()).unwrap();
    assert_eq!((refused.status(), refused), (400, Refusal::OldTooLarge { old: 9, size: 5 }));
    for (last, old) in
        [(None, 3), (Some(seen(0, 9)), 0), (Some(seen(0, 9)), 8), (Some(seen(0, 9)), 10)]
    {
        let refused = refusal(last, &request(1, old, 20).unwrap()).unwrap();
        let size = last.map_or(0, |last| last.head.size);
        assert_eq!(refused, Refusal::OtherSize { seen: size, old: old as u64 });
        assert_eq!(refused.status(), 409);
        let (content_type, body) = refused.answer();
        assert_eq!((content_type, read_size(&body)), (SIZE_CONTENT_TYPE, Some(size)));
    }
    for wrong in ["", "\n", "9", "09\n", "+9\n", "-1\n", "9 \n", "9\n\n"] {
        assert_eq!(read_size(wrong), None, "{wrong:?}");
    }
}

#[test]
fn a_rollback_is_not_cosigned() {
    // The log's own state was put back: it only knows size 5, and asks from there.
    let refused = refusal(Some(seen(0, 9)), &request(0, 5, 5).unwrap()).unwrap();
    assert_eq!(refused, Refusal::OtherSize { seen: 9, old: 5 });
    assert!(matches!(
        refusal(Some(seen(0, 9)), &request(0, 9, 5).unwrap()).unwrap(),
        Refusal::OldTooLarge { .. }
    ));
}

#[test]
fn a_fork_is_not_cosigned() {
    let refused = refusal(Some(seen(0, 20)), &request(1, 20, 20).unwrap()).unwrap();
    assert_eq!((refused.status(), &refused), (409, &Refusal::OtherRoot(20)));
    assert!(refused.is_suspicious() && refused.answer().0 != SIZE_CONTENT_TYPE);
    let refused = refusal(Some(seen(0, 20)), &request(1, 20, 30).unwrap()).unwrap();
    assert_eq!((refused.status(), refused), (422, Refusal::Proof(ProofError::Root)));
}

#[test]
fn a_proof_has_exactly_the_hashes_that_it_needs() {
    let needless = Request::new(0, vec![NodeHash::EMPTY], sealed(&head(0, 5), 1).unwrap());
    assert_eq!(refusal(None, &needless).unwrap(), Refusal::Proof(ProofError::Length));
    let needless = Request::new(5, vec![NodeHash::EMPTY], sealed(&head(0, 5), 1).unwrap());
    assert_eq!(refusal(Some(seen(0, 5)), &needless).unwrap(), Refusal::Proof(ProofError::Length));
    let missing = Request::new(5, Vec::new(), sealed(&head(0, 9), 1).unwrap());
    assert_eq!(refusal(Some(seen(0, 5)), &missing).unwrap().status(), 422);
}

/// A note that our own sealing would refuse to make.
fn impossible(size: u64, root: NodeHash) -> anyhow::Result<Request> {
    let text = format!("{ORIGIN}\n{size}\n{root}\n");
    let name = ORIGIN.parse()?;
    let line = countersign_ledger::NoteSignature::sign(&text, &name, &key(1));
    let note = countersign_ledger::Note::new(text, vec![line])?;
    Ok(Request::parse(format!("old 0\n\n{note}").as_bytes())?)
}

#[test]
fn a_size_that_no_tree_has_with_its_root_is_refused_after_its_signature() {
    let full = head(0, 5).root;
    for (size, root) in [(0, full), (5, NodeHash::EMPTY), (1 << 53, full), (u64::MAX, full)] {
        let refused = refusal(None, &impossible(size, root).unwrap()).unwrap();
        assert_eq!((refused.status(), refused.code()), (422, "size"), "{size}");
    }
    let mut strangers = log().unwrap();
    strangers.keys = vec![key(9).public()];
    let asked = impossible(0, full).unwrap();
    let refused = decide(None, &asked, &strangers, &cosigner().unwrap(), NOW).unwrap_err();
    assert_eq!(refused.status(), 403);
}

#[test]
fn a_body_has_one_spelling() {
    let asked = request(0, 5, 9).unwrap();
    let body = asked.to_string();
    assert_eq!(Request::parse(body.as_bytes()), Ok(asked));
    let empty = request(0, 0, 9).unwrap();
    assert_eq!(Request::parse(empty.to_string().as_bytes()), Ok(empty));
    for (from, to) in [
        ("old 5\n", ""),
        ("old 5\n", "old 05\n"),
        ("old 5\n", "old +5\n"),
        ("old 5\n", "old -5\n"),
        ("old 5\n", "old  5\n"),
        ("old 5\n", "old 5 \n"),
        ("old 5\n", "old 5\r\n"),
        ("old 5\n", "Old 5\n"),
        ("old 5\n", "old 18446744073709551616\n"),
        ("old 5\n", "old 5\nAAAA\n"),
        ("old 5\n", "old 5\n\n"),
        ("old 5\n", "\nold 5\n"),
    ] {
        let refused = Request::parse(body.replacen(from, to, 1).as_bytes()).unwrap_err();
        assert_eq!(refused.status(), if to == "old 5\n\n" { 404 } else { 400 }, "{to:?}");
    }
    let hash = format!("{}\n", NodeHash::EMPTY);
    let lines = |n| format!("old 0\n{}\n{}", hash.repeat(n), sealed(&head(0, 9), 1).unwrap());
    assert!(Request::parse(lines(MAX_PROOF_LINES).as_bytes()).is_ok());
    assert_eq!(Request::parse(lines(MAX_PROOF_LINES + 1).as_bytes()), Err(Refusal::Malformed));
    let large = vec![b'\n'; MAX_REQUEST_BYTES + 1];
    assert_eq!(Request::parse(&large).unwrap_err().status(), 413);
    assert_eq!(Request::parse(b"\xff"), Err(Refusal::Malformed));
    assert!(matches!(Request::parse(b"old 0\n\na\n"), Err(Refusal::NotCheckpoint(_))));
    let short = format!("old 0\n\n{ORIGIN}\n1\n\n\u{2014} a AAAAAAA=\n");
    assert!(matches!(Request::parse(short.as_bytes()), Err(Refusal::NotCheckpoint(_))));
}

#[test]
fn no_byte_of_a_kept_note_changes_unnoticed_where_it_counts() {
    let (state, kept) = granted(None, &request(0, 0, 5).unwrap(), NOW).unwrap().unwrap();
    let (origin, cosigner) = (ORIGIN.parse().unwrap(), cosigner().unwrap());
    for at in 0..kept.len() {
        let mut damaged = kept.clone().into_bytes();
        damaged[at] ^= 1;
        let read = Seen::in_note(&damaged, &origin, &cosigner);
        assert!(read.is_none() || read == Some(state), "byte {at}");
        assert!(Seen::in_note(&kept.as_bytes()[..at], &origin, &cosigner).is_none(), "{at} bytes");
    }
    let other = Cosigner::new("witness.example".parse().unwrap(), key(101));
    assert!(Seen::in_note(kept.as_bytes(), &origin, &other).is_none());
    assert!(Seen::in_note(kept.as_bytes(), &"a.b".parse().unwrap(), &cosigner).is_none());
}

#[test]
fn the_address_of_a_log_is_the_hash_of_its_name() {
    // `printf a.b | sha256sum`
    let expected = "2e7336dc8eba87ef472df568c35482abf2575dc3e5eac0c5c62b8ffaeac2c934";
    assert_eq!(origin_hash(&"a.b".parse().unwrap()), expected);
}

/// One thing that a log, an attacker or an operator does.
#[derive(Debug, Clone)]
enum Deed {
    /// Asks with the true old size, or one beside it.
    Ask { branch: usize, size: usize, off: i8, proof_of: usize },
    /// Repeats a request of earlier.
    Again { which: prop::sample::Index },
    /// A hash of the proof is another one.
    Garbled { branch: usize, size: usize },
    /// The witness starts again from what it kept.
    Restart,
}

fn deed() -> impl Strategy<Value = Deed> {
    let (branch, size) = (0..2_usize, 0..=SIZE);
    prop_oneof![
        8 => (branch.clone(), size.clone(), -1..=1_i8, 0..2_usize)
            .prop_map(|(branch, size, off, proof_of)| Deed::Ask { branch, size, off, proof_of }),
        2 => any::<prop::sample::Index>().prop_map(|which| Deed::Again { which }),
        1 => (branch, size).prop_map(|(branch, size)| Deed::Garbled { branch, size }),
        1 => Just(Deed::Restart),
    ]
}

fn asked(deed: &Deed, last: usize, past: &[Request]) -> anyhow::Result<Option<Request>> {
    Ok(match deed {
        Deed::Ask { branch, size, off, proof_of } => {
            let old = last.saturating_add_signed(isize::from(*off)).min(SIZE);
            let note = sealed(&head(*branch, *size), 1)?;
            let path = if old <= *size { proof(*proof_of, old, *size) } else { Vec::new() };
            Some(Request::new(old as u64, path, note))
        }
        Deed::Again { which } if !past.is_empty() => past.get(which.index(past.len())).cloned(),
        Deed::Garbled { branch, size } => {
            let mut path = proof(*branch, last.min(*size), *size);
            if let Some(hash) = path.last_mut() {
                *hash = head(1 - *branch, SIZE).root;
            }
            Some(Request::new(last as u64, path, sealed(&head(*branch, *size), 1)?))
        }
        Deed::Again { .. } | Deed::Restart => None,
    })
}

/// Plays a row of deeds against one witness; everything that it cosigned.
fn played(deeds: &[Deed]) -> anyhow::Result<Vec<TreeHead>> {
    let (mut state, mut kept) = (None, String::new());
    let (mut cosigned, mut past) = (Vec::new(), Vec::new());
    for deed in deeds {
        if matches!(deed, Deed::Restart) {
            state = Seen::in_note(kept.as_bytes(), &ORIGIN.parse()?, &cosigner()?);
        }
        let last = usize::try_from(state.map_or(0, |seen: Seen| seen.head.size))?;
        let Some(request) = asked(deed, last, &past)? else { continue };
        // As it comes over the wire.
        let request = Request::parse(request.to_string().as_bytes())?;
        if let Ok((now, note)) = granted(state, &request, NOW)? {
            cosigned.push(now.head);
            (state, kept) = (Some(now), note);
        }
        past.push(request);
    }
    Ok(cosigned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_row_of_requests_has_two_histories_cosigned(deeds in prop::collection::vec(deed(), 1..60)) {
        let cosigned = played(&deeds).unwrap();
        prop_assert!(cosigned.is_sorted_by_key(|head| head.size), "a rollback: {cosigned:?}");
        let is_of = |branch: usize| {
            cosigned.iter().all(|one| usize::try_from(one.size).is_ok_and(|size| head(branch, size) == *one))
        };
        prop_assert!(is_of(0) || is_of(1), "a fork: {cosigned:?}");
    }
}

#[test]
fn rows_of_requests_lead_onto_either_history() {
    // So that the property above is not true of nothing.
    for branch in 0..2 {
        let deeds =
            [5, 17, 18, 25, 40].map(|size| Deed::Ask { branch, size, off: 0, proof_of: branch });
        assert_eq!(played(&deeds).unwrap().len(), 5);
    }
    let deeds = [
        Deed::Ask { branch: 0, size: FORKED_AT, off: 0, proof_of: 1 },
        Deed::Ask { branch: 1, size: 30, off: 0, proof_of: 1 },
        Deed::Restart,
        Deed::Ask { branch: 0, size: 40, off: 0, proof_of: 0 },
    ];
    assert_eq!(played(&deeds).unwrap().len(), 2);
}
