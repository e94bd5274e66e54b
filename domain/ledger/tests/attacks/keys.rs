//! Attacks 12 and 13: the log's key is stolen, and writers' keys are used outside of their time.

use crate::workbench::sealed::{SealedLog, log_key};
use crate::workbench::{GOLDEN_SEED, Workbench};
use crate::world::{
    COMMITS, TOUCHED, brackets, codes, edited, first, index, receipts, relinked,
    relinked_by_the_writer, rewrite, unwitnessed, with_checkpoint, world,
};
use anyhow::Context as _;
use countersign_ledger::{
    Caveat, CheckpointNote, Envelope, Kept, Policy, Report, Verdict, Witness, Writer, cosign,
    verify_bundle_against,
};
use trust::keys::PrivateKey;

const STOLEN_AT: u64 = 1_795_160_000;
/// The last sequence of the old writer's key.
const ROTATED: u64 = 600;

fn witness(number: u8) -> (Witness, PrivateKey) {
    let key = PrivateKey::from_seed(&[100 + number; 32]);
    (Witness::always(format!("witness{number}.example"), key.public()), key)
}

fn with_quorum(quorum: u32) -> anyhow::Result<Policy> {
    let mut policy = world()?.log.policy.clone();
    let log = policy.logs.first_mut().context("the log")?;
    log.witnesses = (1..=3).map(|number| witness(number).0).collect();
    log.witness_quorum = quorum;
    Ok(policy)
}

fn cosigned(mut note: CheckpointNote, numbers: &[u8]) -> anyhow::Result<CheckpointNote> {
    let text = note.note().text().to_owned();
    for number in numbers {
        let (witness, key) = witness(*number);
        note.add(cosign(&text, &witness.name.parse()?, &key, STOLEN_AT))?;
    }
    Ok(note)
}

/// Everything forged with both stolen keys; the witnesses' keys were not stolen.
#[test]
fn attack_12_a_stolen_log_key_meets_the_witnesses() {
    let world = world().unwrap();
    let forged = edited(&world.log.bench, TOUCHED, &world.log.bench.writer, |envelope| {
        "stolen".clone_into(&mut envelope.correlation_id);
    });
    let forged = SealedLog::of(relinked_by_the_writer(forged.unwrap()).unwrap()).unwrap();
    let note = unwitnessed(&forged, STOLEN_AT).unwrap();
    let verify = |note: &CheckpointNote, quorum, kept: &Kept<'_>| -> Report {
        let bundle = with_checkpoint(forged.whole().unwrap(), note);
        let policy = with_quorum(quorum).unwrap();
        verify_bundle_against(&bundle, &policy, &forged.bench.shard, kept).unwrap()
    };
    let nothing = Kept::default();
    // Two must have cosigned: none did, one was bribed, and one signs twice under two names.
    let bribed = cosigned(note.clone(), &[1]).unwrap();
    let mut doubled = bribed.clone();
    let text = note.note().text().to_owned();
    let as_another = cosign(&text, &"witness2.example".parse().unwrap(), &witness(1).1, STOLEN_AT);
    doubled.add(as_another).unwrap();
    let mut by_the_log = bribed.clone();
    let name = "witness2.example".parse().unwrap();
    by_the_log.add(cosign(&text, &name, &log_key(), STOLEN_AT)).unwrap();
    for note in [&note, &bribed, &doubled, &by_the_log] {
        let report = verify(note, 2, &nothing);
        assert_eq!((report.exit_code(), codes(&report)), (8, vec!["witness_quorum"]));
        assert_eq!(report.caveats, [Caveat::NotWitnessed]);
    }
    // Who asks for none believes it, and is told so; a checkpoint from before the theft is against it.
    let report = verify(&note, 0, &nothing);
    assert_eq!((report.verdict, &report.caveats), (Verdict::Intact, &vec![Caveat::NotWitnessed]));
    let said = "not witnessed: forks show only against checkpoints you kept";
    assert_eq!(report.caveats[0].to_string(), said);
    let report = verify(&note, 0, &Kept { checkpoints: &world.kept, ..nothing });
    assert_eq!(first(&report), (7, "fork", Some(500)));
    assert!(brackets(&report, TOUCHED));
}

fn new_writer() -> PrivateKey {
    PrivateKey::from_seed(&[13; 32])
}

/// A log whose writer's key was replaced after 600, sealed honestly, under a policy that knows both intervals.
fn rotated(change: impl FnOnce(&mut Workbench) -> anyhow::Result<()>) -> anyhow::Result<SealedLog> {
    let key_at = |n| if n <= ROTATED { PrivateKey::from_seed(GOLDEN_SEED) } else { new_writer() };
    let mut bench = relinked(world()?.log.bench.clone(), key_at)?;
    change(&mut bench)?;
    let mut log = SealedLog::of(bench)?;
    let old = PrivateKey::from_seed(GOLDEN_SEED).public();
    log.policy.logs.first_mut().context("the log")?.writers = vec![
        Writer { key: old, from_sequence: 1, to_sequence: Some(ROTATED) },
        Writer { key: new_writer().public(), from_sequence: ROTATED + 1, to_sequence: None },
    ];
    Ok(log)
}

fn signed_by(bench: &mut Workbench, sequence: u64, key: &PrivateKey) -> anyhow::Result<()> {
    let other = bench.clone();
    let line = bench.lines.get_mut(index(sequence)?).context("a line")?;
    let envelope = Envelope::parse(&line.payload)?;
    rewrite(line, envelope, &other, key)?;
    Ok(())
}

#[test]
fn attack_13_a_rotated_key_leaves_an_intact_log() {
    let log = rotated(|_| Ok(())).unwrap();
    let report = log.verify(&log.whole().unwrap()).unwrap();
    assert_eq!((report.verdict, report.commits), (Verdict::Intact, COMMITS));
}

#[test]
fn attack_13_a_writers_key_counts_only_within_its_interval() {
    let old = PrivateKey::from_seed(GOLDEN_SEED);
    let unknown = PrivateKey::from_seed(&[14; 32]);
    for (sequence, key) in [
        (ROTATED + 1, &old),
        (COMMITS, &old),
        (ROTATED, &new_writer()),
        (2, &new_writer()),
        (TOUCHED, &unknown),
        (900, &unknown),
    ] {
        let log = rotated(|bench| signed_by(bench, sequence, key)).unwrap();
        let report = log.verify(&log.whole().unwrap()).unwrap();
        assert_eq!(first(&report), (7, "writer_invalid", Some(sequence)));
    }
}

/// The new writer's name in the commit, and the old writer's signature beside it.
#[test]
fn attack_13_a_signature_of_the_old_key_under_the_new_name_is_wrong() {
    let log = rotated(|bench| {
        let line = &mut bench.lines[index(COMMITS)?];
        let hash = countersign_ledger::CommitHash::of(&line.payload);
        line.signature =
            countersign_ledger::sign_hash(&PrivateKey::from_seed(GOLDEN_SEED), &hash).to_string();
        Ok(())
    });
    let log = log.unwrap();
    let report = log.verify(&log.whole().unwrap()).unwrap();
    assert_eq!(first(&report), (7, "signature_wrong", Some(COMMITS)));
}

#[test]
fn attack_13_a_receipt_of_a_key_after_its_interval_is_none() {
    let log = rotated(|_| Ok(())).unwrap();
    // The old key goes on promising.
    let promises = receipts(&log.bench).unwrap();
    let kept = Kept { receipts: &promises[550..650], ..Kept::default() };
    let report = log.verify_against(&log.whole().unwrap(), &kept).unwrap();
    assert_eq!((report.exit_code(), codes(&report)), (7, vec!["receipt_invalid"; 50]));
    assert_eq!(first(&report).2, Some(ROTATED + 1));
}

/// A revoked key is one whose interval ends at the last size that is trusted.
#[test]
fn attack_13_what_a_revoked_key_signed_later_is_condemned_from_there_on() {
    let world = world().unwrap();
    let mut policy = world.log.policy.clone();
    policy.logs[0].writers[0].to_sequence = Some(800);
    let shard = &world.log.bench.shard;
    let report = verify_bundle_against(&world.whole, &policy, shard, &Kept::default()).unwrap();
    assert_eq!(first(&report), (7, "writer_invalid", Some(801)));
    assert_eq!((report.tampering, report.commits), (200 + blobs_after(800), 800));
}

/// Blobs that only condemned commits name: nothing good explains them.
fn blobs_after(sequence: u64) -> u64 {
    let bench = world().map(|world| &world.log.bench);
    let lines = bench.iter().flat_map(|bench| &bench.lines);
    let naming = lines.filter(|line| {
        line.sequence > sequence && String::from_utf8_lossy(&line.payload).contains("$blob")
    });
    u64::try_from(naming.count()).unwrap_or_default()
}
