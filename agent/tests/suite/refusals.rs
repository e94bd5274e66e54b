//! A job that the agent's signature calls refused does not run afterwards, however it comes again.

use crate::site::{SQL, Site, now};
use anyhow::Context as _;
use trust::dsse::{Envelope, Parsed};
use trust::message::JobMessage;
use trust::statement::{Job, Mode, Statement as _};

/// The same job payload, its dispatcher's signature taken off.
fn stripped(message: &JobMessage) -> anyhow::Result<JobMessage> {
    let payload = message.job.envelope().payload().to_vec();
    let bare = Envelope::around_payload(Job::PAYLOAD_TYPE, payload);
    Ok(JobMessage { job: Parsed::from_envelope(bare)?, ..message.clone() })
}

fn with_modes(mut site: Site, modes: &[Mode]) -> anyhow::Result<Site> {
    let source = site.config.data_sources.first_mut().context("a data source")?;
    source.modes = modes.iter().copied().collect();
    site.restart()
}

#[tokio::test]
async fn a_refusal_of_a_job_without_its_signature_does_not_name_the_job_s_digest() {
    let site = Site::start("stripped", "").await.unwrap();
    let message = site.message("stripped", SQL, 1).await.unwrap();
    let told = site.work(&stripped(&message).unwrap()).await.unwrap();
    assert_eq!(told.words(), "refused dispatcher_unknown");
    assert_ne!(told.result.job_sha256, message.job.sha256());
    assert!(told.result.counted.is_empty());
    assert_eq!(site.work(&message).await.unwrap().words(), "succeeded");
}

#[tokio::test]
async fn a_job_that_was_refused_without_its_target_never_runs() {
    let site = Site::start("refused_away", "").await.unwrap();
    let message = site.message("refused_away", SQL, 1).await.unwrap();
    let mut other = message.clone();
    other.sql.as_mut().unwrap().push(b' ');
    site.set_url("postgres://nobody@127.0.0.1:1/nowhere").unwrap();
    let told = site.work(&other).await.unwrap();
    assert_eq!(told.words(), "refused step_mismatch");
    assert_eq!(told.result.job_sha256, message.job.sha256());
    site.set_url(&site.url).unwrap();
    assert_eq!(site.work(&message).await.unwrap(), told);
    let site = site.restart().unwrap();
    assert_eq!(site.work(&message).await.unwrap(), told);
    let mut job = message.job.statement().clone();
    job.not_after = job.not_after.plus_seconds(1);
    let same_attempt = crate::site::dispatched(&job).unwrap();
    let altered = JobMessage { job: Parsed::from_envelope(same_attempt).unwrap(), ..message };
    assert_eq!(site.work(&altered).await.unwrap().words(), "refused consumed");
    assert!(!site.has_table("orders").await.unwrap());
}

#[tokio::test]
async fn a_mode_that_was_refused_is_not_run_by_the_same_attempt_when_the_site_allows_it() {
    let site = Site::start("refused_mode", "").await.unwrap();
    let message = site.message("refused_mode", SQL, 1).await.unwrap();
    let site = with_modes(site, &[Mode::Introspect]).unwrap();
    let told = site.work(&message).await.unwrap();
    assert_eq!(told.words(), "refused mode_not_allowed");
    let site = with_modes(site, &[Mode::Introspect, Mode::Migrate]).unwrap();
    assert_eq!(site.work(&message).await.unwrap(), told);
    assert!(!site.has_table("orders").await.unwrap());
}

#[tokio::test]
async fn an_attempt_that_began_is_not_called_refused_by_a_site_that_forbids_its_mode_later() {
    let site = Site::start("began", "").await.unwrap();
    let message = site.message("began", SQL, 1).await.unwrap();
    assert_eq!(site.work(&message).await.unwrap().words(), "succeeded");
    let site = with_modes(site, &[Mode::Introspect]).unwrap();
    assert!(site.work(&message).await.is_err());
}

#[tokio::test]
async fn a_refusal_that_cannot_be_kept_is_not_given() {
    let site = Site::start("refused_full", "").await.unwrap();
    let message = site.message("refused_full", SQL, 1).await.unwrap();
    let state = site.worker.state();
    for attempt in 1..=256 {
        let kept = trust::accept::StoredResult {
            job: site.job("another", 1).unwrap().job,
            attempt,
            job_sha256: message.job.sha256(),
            result: Vec::new(),
            document: None,
        };
        state.keep_answer(kept, now().plus_seconds(60)).unwrap();
    }
    let mut other = message.clone();
    other.sql.as_mut().unwrap().push(b' ');
    site.set_url("postgres://nobody@127.0.0.1:1/nowhere").unwrap();
    assert!(site.work(&other).await.is_err());
    state.raise_time_floor(now().plus_seconds(60)).unwrap();
    assert_eq!(site.work(&other).await.unwrap().words(), "refused clock_behind");
}

#[tokio::test]
async fn a_fence_beyond_an_empty_journal_s_reach_waits_for_its_target() {
    let site = Site::start("far_fence", "").await.unwrap();
    for (name, fence) in [("one", 1 << 20), ("two", 3 << 19)] {
        let told = site.migrate(name, &format!("create table {name} ()"), fence).await.unwrap();
        assert_eq!(told.words(), "succeeded", "{name}");
    }
    let message = site.message("far_fence", SQL, 2 << 20).await.unwrap();
    site.set_url("postgres://nobody@127.0.0.1:1/nowhere").unwrap();
    assert!(site.work(&message).await.is_err());
    site.set_url(&site.url).unwrap();
    assert_eq!(site.work(&message).await.unwrap().words(), "succeeded");
    let passed = site.message("passed", "create table passed ()", 5).await.unwrap();
    site.set_url("postgres://nobody@127.0.0.1:1/nowhere").unwrap();
    assert_eq!(site.work(&passed).await.unwrap().words(), "refused fence_replayed");
}

#[tokio::test]
async fn an_agent_without_its_state_asks_the_journal_about_a_far_fence() {
    let site = Site::start("far_stateless", "").await.unwrap();
    for (name, fence) in [("one", 1 << 20), ("two", 3 << 19)] {
        site.migrate(name, &format!("create table {name} ()"), fence).await.unwrap();
    }
    std::fs::remove_file(site.folder.path().join("state/state.json")).unwrap();
    let site = site.restart().unwrap();
    let message = site.message("far_stateless", SQL, 2 << 20).await.unwrap();
    site.set_url("postgres://nobody@127.0.0.1:1/nowhere").unwrap();
    assert!(site.work(&message).await.is_err());
    site.set_url(&site.url).unwrap();
    assert_eq!(site.work(&message).await.unwrap().words(), "succeeded");
}
