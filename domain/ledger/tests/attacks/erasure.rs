//! Attack 17: what commits name is destroyed or replaced. The envelope holds digests; erasing a key is not in the
//! ledger's own rules (`docs/attacks.md` says what is missing), and erasing a blob is seen like this.

use crate::world::{COMMITS, first, world};
use countersign_ledger::{Envelope, blob_file, blob_refs};
use trust::encoding::Sha256Digest;

/// The first commit after a sequence that names a blob, and the blob's file.
fn named_after(sequence: u64) -> anyhow::Result<(u64, String)> {
    for line in world()?.log.bench.lines.iter().filter(|line| line.sequence > sequence) {
        let envelope = Envelope::parse(&line.payload)?;
        if let Some(blob) = envelope.events.iter().flat_map(|it| blob_refs(&it.data)).next() {
            return Ok((line.sequence, blob_file(&blob.sha256)));
        }
    }
    anyhow::bail!("no blob after {sequence}")
}

#[test]
fn attack_17_a_destroyed_blob_is_missed_by_the_commit_that_names_it() {
    let world = world().unwrap();
    for from in [0, 416, 990] {
        let (sequence, name) = named_after(from).unwrap();
        let mut bundle = world.whole.clone();
        bundle.files.remove(&name).unwrap();
        let report = world.verify(&bundle).unwrap();
        assert_eq!(first(&report), (8, "blob_missing", Some(sequence)));
        assert_eq!((report.commits, report.agreed_to), (COMMITS, COMMITS), "all hashes hold");
    }
}

#[test]
fn attack_17_a_replaced_blob_is_not_what_the_commit_names() {
    let world = world().unwrap();
    let (sequence, name) = named_after(416).unwrap();
    let changes: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes[0] ^= 1,
        |bytes| bytes.push(b' '),
        |bytes| bytes.truncate(bytes.len() - 1),
        Vec::clear,
    ];
    for change in changes {
        let mut bundle = world.whole.clone();
        change(bundle.files.get_mut(&name).unwrap());
        let report = world.verify(&bundle).unwrap();
        assert_eq!(first(&report), (7, "blob_mismatch", Some(sequence)));
    }
}

#[test]
fn attack_17_a_blob_that_nobody_names_is_tampering() {
    let world = world().unwrap();
    let mut bundle = world.whole.clone();
    let planted = Sha256Digest::of(b"planted");
    bundle.files.insert(blob_file(&planted), b"planted".to_vec());
    let report = world.verify(&bundle).unwrap();
    assert_eq!(first(&report), (7, "blob_unnamed", None));
    assert!(report.first_bad().unwrap().to_string().contains(&planted.to_string()));
}
