//! The agent's decision is the predicate's: what it refuses never reaches the database.

use crate::site::{SQL, Site, key, now, other_pin, sealed};
use anyhow::Context as _;
use chassis::Clock;
use chassis::clock::TestClock;
use countersign_agent::malformed;
use countersign_agent::state::StateError;
use countersign_agent::worker::{StartError, Worker};
use tokio_util::sync::CancellationToken;
use trust::dsse::{Envelope, Parsed, Signature};
use trust::message::AgentMessage;
use trust::statement::{Cancel, JobResult, Statement as _};

#[tokio::test]
async fn a_change_that_one_person_signed_is_refused_and_nothing_runs() {
    let site = Site::start("one_person", "").await.unwrap();
    let change = site.change("one_person", SQL).await.unwrap();
    for approvers in [&["bea"][..], &["bea", "bea"], &["bea", "ada"], &["bea", "mallory"]] {
        let name = approvers.join("-");
        let message = sealed(&change, approvers, site.job(&name, 1).unwrap(), SQL).unwrap();
        let told = site.work(&message).await.unwrap();
        assert_eq!(told.words(), "refused quorum_not_met", "{name}");
        assert_eq!(told.result.counted.len(), 1, "{name}");
        assert_eq!(told.result.root, site.config.root_pin());
    }
    assert!(!site.has_table("orders").await.unwrap());
}

#[tokio::test]
async fn the_site_may_demand_more_people_than_the_root() {
    let site = Site::start("site_quorum", "minimum_quorum = 3").await.unwrap();
    let told = site.migrate("site_quorum", SQL, 1).await.unwrap();
    assert_eq!(told.words(), "refused quorum_not_met");
    let site =
        Site::start("site_role", "requirements = [{ role = 'dba', count = 1 }]").await.unwrap();
    let told = site.migrate("site_role", SQL, 1).await.unwrap();
    assert_eq!(told.words(), "refused requirement_not_met");
    let revoked = format!("revoked_keys = ['{}']", key("bea").id());
    let site = Site::start("site_revoked", &revoked).await.unwrap();
    let told = site.migrate("site_revoked", SQL, 1).await.unwrap();
    assert_eq!(told.words(), "refused quorum_not_met");
    assert_eq!(told.result.counted.len(), 1);
}

#[tokio::test]
async fn other_bytes_than_the_approved_ones_are_refused() {
    let site = Site::start("other_bytes", "").await.unwrap();
    let mut message = site.message("other_bytes", SQL, 1).await.unwrap();
    message.sql.as_mut().unwrap().push(b' ');
    let told = site.work(&message).await.unwrap();
    assert_eq!((told.words().as_str(), told.answer.disowned), ("refused step_mismatch", None));
    assert!(!site.has_table("orders").await.unwrap());
}

#[tokio::test]
async fn a_job_that_the_dispatcher_did_not_sign_opens_no_session() {
    let site = Site::start("not_dispatched", "").await.unwrap();
    let mut message = site.message("not_dispatched", SQL, 1).await.unwrap();
    let forged = Envelope::around(message.job.statement()).unwrap().sign_ed25519(&key("mallory"));
    message.job = Parsed::from_envelope(forged).unwrap();
    site.set_url("postgres://nobody@127.0.0.1:1/nowhere").unwrap();
    let told = site.work(&message).await.unwrap();
    assert_eq!(told.words(), "refused dispatcher_unknown");
    // It must not take the place of the genuine job's answer.
    assert_ne!(told.result.job_sha256, message.job.sha256());
    assert_eq!(told.answer.disowned, Some(told.result.job_sha256));
}

#[tokio::test]
async fn an_unreachable_target_is_no_answer_until_the_job_expires() {
    let site = Site::start("unreachable", "").await.unwrap();
    let message = site.message("unreachable", SQL, 1).await.unwrap();
    site.set_url("postgres://nobody@127.0.0.1:1/nowhere").unwrap();
    assert!(site.work(&message).await.is_err());
    let Site { folder: _folder, config, own, worker, .. } = site;
    drop(worker);
    let later = TestClock::at(now().plus_seconds(601));
    let worker = Worker::open(&config, &own, later.clock()).unwrap();
    let answer = worker.work(&message, &CancellationToken::new()).await.unwrap();
    assert_eq!(answer.refusal.unwrap().name(), "expired");
}

#[tokio::test]
async fn a_clock_that_goes_back_is_refused() {
    let site = Site::start("clock_back", "").await.unwrap();
    let message = site.message("clock_back", SQL, 1).await.unwrap();
    site.worker.state().raise_time_floor(now().plus_seconds(30)).unwrap();
    assert_eq!(site.work(&message).await.unwrap().words(), "refused clock_behind");
}

#[tokio::test]
async fn an_agent_starts_only_with_its_own_root_and_never_an_older_one() {
    let site = Site::start("own_root", "").await.unwrap();
    let Site { folder: _folder, mut config, own, worker, .. } = site;
    worker.state().accept_root(other_pin(config.root_pin())).unwrap();
    drop(worker);
    let refused = Worker::open(&config, &own, Clock::system());
    assert!(matches!(refused, Err(StartError::State(StateError::RootRollback { .. }))));
    config.root.sha256 = trust::encoding::Sha256Digest::of(b"another");
    let refused = Worker::open(&config, &own, Clock::system());
    assert!(matches!(refused, Err(StartError::Root { .. })));
}

#[tokio::test]
async fn a_cancel_that_came_first_is_remembered_and_verified() {
    let site = Site::start("cancelled", "").await.unwrap();
    let message = site.message("cancelled", SQL, 1).await.unwrap();
    let cancel = |signer| {
        let (job, job_sha256) = (message.job.statement().job.clone(), message.job.sha256());
        let cancel = Cancel { job, job_sha256, issued_at: now() };
        anyhow::Ok(Envelope::around(&cancel)?.sign_ed25519(&key(signer)))
    };
    let job = &message.job.statement().job;
    let genuine = cancel("dispatcher").unwrap();
    let read = trust::message::cancel_to_json(&genuine).unwrap();
    assert!(matches!(AgentMessage::parse(&read), Ok(AgentMessage::Cancel(_))));
    let forged = Parsed::from_envelope(cancel("mallory").unwrap()).unwrap();
    assert!(!site.worker.takes_back(&forged, &message));
    assert!(site.worker.takes_back(&Parsed::from_envelope(genuine.clone()).unwrap(), &message));
    site.worker.keep_cancel(&forged).unwrap();
    assert!(site.worker.state().cancels(job).is_empty());
    let mut padded = genuine.clone();
    for n in 0..60 {
        let junk = "x".repeat(10_000 + n);
        padded = padded.with_signature(Signature {
            keyid: junk,
            sig: vec![0],
            x5c: None,
            webauthn: None,
        });
    }
    for _ in 0..2 {
        site.worker.keep_cancel(&Parsed::from_envelope(padded.clone()).unwrap()).unwrap();
    }
    let kept = site.worker.state().cancels(job);
    assert_eq!(kept.len(), 1);
    assert!(kept.first().unwrap().to_json().unwrap().len() < 1_000);
    let site = site.restart().unwrap();
    assert_eq!(site.work(&message).await.unwrap().words(), "failed_clean");
    assert!(!site.has_table("orders").await.unwrap());
}

#[tokio::test]
async fn a_malformed_message_is_refused_by_what_can_be_read_of_it() {
    let site = Site::start("malformed", "").await.unwrap();
    let message = site.message("malformed", SQL, 3).await.unwrap();
    let job = message.job.statement().clone();
    let mut json: serde_json::Value = serde_json::from_slice(&message.to_json().unwrap()).unwrap();
    json.as_object_mut().unwrap().insert("extra".to_owned(), true.into());
    let refused = |bytes: &[u8]| {
        let error = AgentMessage::parse(bytes).err().context("it is well formed")?;
        let answer = malformed::refuse(&site.worker, job.job.clone(), bytes, &error)?;
        anyhow::Ok(JobResult::parse(&answer.context("no answer")?.payload)?)
    };
    let result = refused(json.to_string().as_bytes()).unwrap();
    assert_eq!(result.refusal.unwrap().name(), "malformed");
    assert_eq!(result.fence, 3);
    assert_ne!(result.job_sha256, message.job.sha256());
    let result = refused(message.job.envelope().payload()).unwrap();
    assert_ne!(result.job_sha256, message.job.sha256(), "the payload alone");
    for attempt in ["attempt", "fence"] {
        for number in ["9007199254740992", "18446744073709551615", "1e400", "-1", "0.5"] {
            let payload = format!("{{\"{attempt}\":{number}}}");
            let payload = trust::encoding::to_base64(payload.as_bytes());
            let poison = format!(
                "{{\"job\":{{\"payloadType\":\"x\",\"payload\":\"{payload}\",\"signatures\":[]}}}}"
            );
            let result = refused(poison.as_bytes()).unwrap();
            assert_eq!((result.attempt, result.fence), (1, 0), "{attempt} {number}");
        }
    }
    let result = refused(b"garbage").unwrap();
    assert_eq!((result.job, result.attempt), (job.job.clone(), 1));
}
