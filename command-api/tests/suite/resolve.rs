//! An unknown outcome is resolved by whoever looked at the database.

use crate::world::{By, World};
use anyhow::Context as _;
use domain::changes::{ApprovalRequest, Change, ChangeCommand, Draft, ExecutionReport, Phase};
use domain::identity::{PrincipalKind, Role};
use domain::ids::{ApprovalId, ChangeId, DataSourceId, JobId};
use domain::policy::builtin_quorum;
use domain::vocabulary::{Outcome, RootRef, Start, Step};
use ledger::BlobRef;
use serde_json::json;
use trust::encoding::Sha256Digest;

/// The commands of a change whose agent could not tell how it ended.
fn until_unknown() -> Vec<ChangeCommand> {
    let blob = |text: &str| BlobRef::of(text.as_bytes(), "application/octet-stream");
    let (approval, job) = (ApprovalId::derived("approval", &["1"]), JobId::derived("job", &["1"]));
    let sha256 = Sha256Digest::of(b"select 1;");
    let draft = Draft {
        data_source: DataSourceId::derived("data_source", &["acme", "shop"]),
        environment: "dev".to_owned(),
        title: "t".into(),
        reason: None,
        sql: blob("select 1;"),
        steps: vec![Step { ordinal: 1, sha256, transactional: true }],
        start: Start::OnApproval,
        submit: true,
    };
    let request = ApprovalRequest {
        approval,
        manifest: blob("{}"),
        change_sha256: Sha256Digest::of(b"{}"),
        fingerprint: "pgfp1:0".to_owned(),
        root: RootRef { version: 1, sha256 },
        policy: builtin_quorum(),
        job,
    };
    let report = ExecutionReport {
        job,
        outcome: Outcome::Unknown,
        refusal: None,
        sqlstate: None,
        fingerprint: None,
        result: blob("result"),
    };
    vec![
        ChangeCommand::Draft(draft),
        ChangeCommand::RequestApproval(request),
        ChangeCommand::RecordApproval { approval },
        ChangeCommand::RecordDispatch { job, fence: 1 },
        ChangeCommand::RecordResult(report),
    ]
}

#[tokio::test]
async fn an_operator_says_once_how_it_ended_and_why_they_know() -> anyhow::Result<()> {
    let world = World::start().await?;
    let olga = world.admit("acme", "olga", PrincipalKind::Person, &[Role::Operator]).await?;
    let id = ChangeId::derived("change", &["unknown"]).to_string();
    let path = format!("/v1/changes/{id}/resolve");
    let body = |found: &str, reason: &str| json!({"found": found, "reason": reason}).to_string();
    let resolve = |body: String| world.post(&path, By::Token(&olga), &[], body);
    let early = resolve(body("applied", "it is there")).await?;
    assert_eq!(early.problem(), (404, "changes.not_found"));
    for command in until_unknown() {
        world.command("acme", &id, command).await?;
    }
    let phase = async || {
        let found = world.log.load_current::<Change>("acme", &id).await?.context("it is gone")?;
        anyhow::Ok(found.aggregate.phase)
    };
    for (found, reason, refused) in [
        ("perhaps", "it is there", (422, "http.invalid_body")),
        ("applied", " ", (422, "http.text_length")),
    ] {
        assert_eq!(resolve(body(found, reason)).await?.problem(), refused);
        assert_eq!(phase().await?, Phase::Unknown);
    }
    let resolved = resolve(body("applied", "the table is there")).await?;
    assert_eq!(resolved.status.as_u16(), 202, "{:?}", resolved.body);
    assert_eq!(phase().await?, Phase::Applied);
    let other = resolve(body("failed", "no, it is not")).await?;
    assert_eq!(other.problem(), (409, "changes.not_unknown"));
    world.stop().await;
    Ok(())
}
