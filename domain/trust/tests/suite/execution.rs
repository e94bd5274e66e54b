//! Lines 9 to 11, what an accepted job hands out, redelivery and cancels.

use crate::scene::{
    Delivery, SQL, Scene, ZEROS, digits, key, person_id, scene, told, verdict, verdict_on,
};
use trust::accept::{Accepted, StoredResult, Verdict, cancels};
use trust::dsse::{Envelope, Parsed};
use trust::encoding::Sha256Digest;
use trust::names::Fingerprint;
use trust::statement::{Cancel, RollbackRule, Step, StepKind};

fn accepted(delivery: &Delivery) -> crate::scene::Outcome<Accepted> {
    match delivery.judge()? {
        Verdict::Accepted(accepted) => Ok(*accepted),
        Verdict::Redelivered(_) => Err("redelivered".into()),
    }
}

fn second_step(kind: StepKind) -> Step {
    Step { ordinal: 2, sha256: Sha256Digest::of(b"drop"), transactional: true, kind }
}

#[test]
fn an_accepted_job_hands_out_the_exact_bytes_and_the_people() {
    let accepted = accepted(&scene(|_| ()).unwrap().seal().unwrap()).unwrap();
    let migration = accepted.migration().unwrap();
    let steps: Vec<_> = migration.steps().collect();
    assert_eq!(steps.len(), 1);
    assert_eq!((steps[0].0.ordinal, steps[0].1), (1, SQL));
    assert_eq!(Sha256Digest::of(steps[0].1), steps[0].0.sha256);
    let mut people = vec![person_id("bea").unwrap(), person_id("cyd").unwrap()];
    people.sort();
    assert_eq!(migration.counted(), people);
}

#[test]
fn swapped_sql_is_refused() {
    let swap = |d: &mut Delivery| d.message.sql = Some(b"drop table orders;".to_vec());
    assert_eq!(verdict_on(swap).unwrap(), "9 step_mismatch");
    let normalised = |d: &mut Delivery| {
        d.message.sql = Some(SQL.iter().copied().filter(|b| *b != b'\r').collect());
    };
    assert_eq!(verdict_on(normalised).unwrap(), "9 step_mismatch");
}

#[test]
fn swapped_sql_with_its_own_manifest_has_no_approvals() {
    let other = scene(|s| {
        s.sql = b"drop table orders;".to_vec();
        s.approvals = vec![];
    });
    let other = other.unwrap().seal().unwrap();
    let approved = scene(|_| ()).unwrap().seal().unwrap();
    let mut message = other.message.clone();
    let mut forged = message.change.take().unwrap();
    for signature in approved.message.change.as_ref().unwrap().signatures() {
        forged = forged.with_signature(signature.clone());
    }
    message.change = Some(forged);
    let delivery = Delivery { message, ..other };
    assert_eq!(told(delivery.judge()), "8 quorum_not_met");
}

#[test]
fn steps_out_of_order_or_twice_are_refused() {
    assert_eq!(verdict(|s| s.job.steps = vec![2]).unwrap(), "9 step_order");
    assert_eq!(verdict(|s| s.job.steps = vec![1, 1]).unwrap(), "9 step_order");
    let twice = |s: &mut Scene| {
        s.change.steps.push(Step { ordinal: 1, ..second_step(StepKind::Forward) });
    };
    assert_eq!(verdict(twice).unwrap(), "9 step_order");
}

#[test]
fn steps_that_are_not_built_are_refused_by_name() {
    let several = |s: &mut Scene| s.change.steps.push(second_step(StepKind::Forward));
    assert_eq!(verdict(several).unwrap(), "9 not_supported");
    let outside = |s: &mut Scene| s.change.steps[0].transactional = false;
    assert_eq!(verdict(outside).unwrap(), "9 not_supported");
    let back = |s: &mut Scene| s.change.steps[0].kind = StepKind::Rollback;
    assert_eq!(verdict(back).unwrap(), "9 not_supported");
    let rollback = |s: &mut Scene| s.change.rollback = RollbackRule::OnFailure;
    assert_eq!(verdict(rollback).unwrap(), "9 not_supported");
}

#[test]
fn a_change_that_ran_here_is_consumed() {
    let run = |d: &mut Delivery| {
        let sha256 = d.message.change.as_ref().unwrap().payload_sha256();
        d.journal.consumed.insert(sha256);
    };
    assert_eq!(verdict_on(run).unwrap(), "10 consumed");
    let another = |d: &mut Delivery| {
        d.journal.consumed.insert(Sha256Digest::of(b"another change"));
    };
    assert_eq!(verdict_on(another).unwrap(), "accepted");
}

#[test]
fn an_older_revision_is_superseded() {
    let journaled = |revision: u64| {
        verdict(|s| {
            s.change.revision = 4;
            s.journal.revisions.insert(s.change.change.clone(), revision);
        })
        .unwrap()
    };
    assert_eq!(journaled(5), "10 revision_superseded");
    assert_eq!(journaled(4), "accepted");
}

#[test]
fn a_fence_that_is_not_above_the_last_one_is_replayed() {
    let last = |target: u64, agent: u64| {
        verdict(|s| {
            s.journal.target_fences.insert(1, target);
            s.journal.agent_fences.insert(1, agent);
        })
        .unwrap()
    };
    assert_eq!(last(7, 7), "10 fence_replayed");
    assert_eq!(last(6, 7), "10 fence_replayed");
    assert_eq!(last(7, 6), "10 fence_replayed");
    assert_eq!(last(6, 6), "accepted");
    let other_epoch = verdict(|s| {
        s.journal.target_fences.insert(9, 100);
        s.journal.agent_fences.insert(9, 100);
    });
    assert_eq!(other_epoch.unwrap(), "accepted");
}

#[test]
fn a_fence_far_above_the_last_one_is_refused() {
    let fence = |fence: u64| {
        verdict(|s| {
            s.job.fence = fence;
            s.journal.target_fences.insert(1, 5);
            s.journal.agent_fences.insert(1, 5);
        })
        .unwrap()
    };
    assert_eq!(fence(5 + (1 << 20) + 1), "10 fence_jump");
    assert_eq!(fence(5 + (1 << 20)), "accepted");
}

#[test]
fn a_target_that_was_set_back_is_refused() {
    let restored = |s: &mut Scene| {
        s.journal.target_fences.insert(1, 3);
        s.journal.agent_fences.insert(1, 5);
    };
    assert_eq!(verdict(restored).unwrap(), "10 target_behind");
    let ahead = |s: &mut Scene| {
        s.journal.target_fences.insert(1, 5);
        s.journal.agent_fences.insert(1, 3);
    };
    assert_eq!(verdict(ahead).unwrap(), "accepted");
}

/// A delivery whose attempt is journaled as answered.
fn answered(delivery: &mut Delivery, job_sha256: Sha256Digest) {
    let job = delivery.message.job.statement();
    delivery.journal.stored = Some(StoredResult {
        job: job.job.clone(),
        attempt: job.attempt,
        job_sha256,
        result: b"{}".to_vec(),
        document: None,
    });
}

#[test]
fn a_redelivered_attempt_gets_its_stored_answer_even_when_expired() {
    let mut delivery = scene(|_| ()).unwrap().seal().unwrap();
    let sha256 = delivery.message.job.sha256();
    answered(&mut delivery, sha256);
    delivery.moment.now = delivery.moment.now.plus_seconds(1_000_000);
    let verdict = delivery.judge().unwrap();
    assert_eq!(verdict, Verdict::Redelivered(delivery.journal.stored.clone().unwrap()));
    delivery.site.tenant = "umbra".parse().unwrap();
    assert_eq!(told(delivery.judge()), "3 wrong_tenant");
}

#[test]
fn an_attempt_with_other_bytes_gets_no_stored_answer() {
    for introspect in [false, true] {
        let mut delivery = scene(|s| {
            if introspect {
                s.introspect();
            }
        })
        .unwrap()
        .seal()
        .unwrap();
        answered(&mut delivery, Sha256Digest::of(b"other bytes"));
        assert_eq!(told(delivery.judge()), "10 consumed");
        delivery.journal.stored.as_mut().unwrap().attempt = 9;
        assert_eq!(told(delivery.judge()), "accepted");
    }
}

#[test]
fn a_schema_that_is_not_the_approved_one_has_drifted() {
    let accepted = accepted(&scene(|_| ()).unwrap().seal().unwrap()).unwrap();
    let base: Fingerprint = format!("pgfp1:{ZEROS}").parse().unwrap();
    assert_eq!(accepted.check_base(&base), Ok(()));
    let other = format!("pgfp1:{}", Sha256Digest::of(b"other")).parse().unwrap();
    let refusal = accepted.check_base(&other).unwrap_err();
    assert_eq!((refusal.line(), refusal.name()), (11, "drifted"));
}

#[test]
fn an_unbound_base_needs_the_leave_of_root_and_site() {
    let live: Fingerprint = format!("pgfp1:{ZEROS}").parse().unwrap();
    for (root, site) in [(false, false), (true, false), (false, true), (true, true)] {
        let scene = scene(|s| {
            s.change.transition.from = None;
            s.production.allow_unbound_base = root;
            s.source.allow_unbound_base = site;
        });
        let answer = accepted(&scene.unwrap().seal().unwrap()).unwrap().check_base(&live);
        assert_eq!(answer.is_ok(), root && site);
        if let Err(refusal) = answer {
            assert_eq!((refusal.line(), refusal.name()), (11, "base_unbound"));
        }
    }
}

#[test]
fn a_cancel_must_be_the_dispatchers_and_name_this_job() {
    let delivery = scene(|_| ()).unwrap().seal().unwrap();
    let job = &delivery.message.job;
    let cancel = Cancel {
        job: job.statement().job.clone(),
        job_sha256: job.sha256(),
        issued_at: job.statement().issued_at,
    };
    let signed = |cancel: &Cancel, by: &str| {
        Parsed::from_envelope(Envelope::around(cancel).unwrap().sign_ed25519(&key(by))).unwrap()
    };
    let answer = |cancel: &Cancel, by: &str| {
        cancels(&signed(cancel, by), job, &delivery.site, &delivery.current).map_err(|r| r.name())
    };
    assert_eq!(answer(&cancel, "dispatcher"), Ok(()));
    assert_eq!(answer(&cancel, "bea"), Err("dispatcher_unknown"));
    let other = Cancel { job: format!("job_{}", digits("x")).parse().unwrap(), ..cancel.clone() };
    assert_eq!(answer(&other, "dispatcher"), Err("wrong_audience"));
    let other = Cancel { job_sha256: Sha256Digest::of(b"x"), ..cancel };
    assert_eq!(answer(&other, "dispatcher"), Err("wrong_audience"));
}
