//! `countersign log` against a real platform: a rotation, a revocation and a gap are recorded by an operator of the tenant
//! `system`, and read back out of the evidence of a change that lived meanwhile.

use anyhow::Context as _;
use chassis::token::Token;
use client::ReceiptBody;
use client::commands::{CreatePrincipal, IssueToken};
use domain::identity::{PrincipalKind, Role};
use ledger::Policy;
use scenario::CommandLine;
use scenario::Platform;
use scenario::change::{approve, submit, wait_for};
use scenario::running::platform;
use scenario::scratch::Scratch;
use scenario::service::command_api;
use serde_json::Value;
use std::path::Path;
use trust::keys::PrivateKey;

const NAME: &str = "log-keys";
/// Far beyond what this log seals.
const FROM: &str = "1000000";
/// Where a commit says what its first event is.
const KIND: &str = "/events/0/type";

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("not UTF-8")
}

/// Somebody who operates the log, which is a matter of the tenant `system`.
async fn operator(platform: &Platform) -> anyhow::Result<CommandLine> {
    let service = command_api(platform, "operator", "system").await?;
    let person = CreatePrincipal {
        kind: PrincipalKind::Person,
        name: "Ola (log)".to_owned(),
        roles: vec![Role::Operator],
    };
    let created: ReceiptBody = service.command("/v1/principals", "ola", &person).await?.answer;
    let until = "2036-01-01T00:00:00.000000Z".parse()?;
    let token = Token::generate("system", created.aggregate.id.parse()?, &[5; 32]);
    let issued = IssueToken { token_sha256: token.sha256(), expires_at: until };
    let path = format!("/v1/principals/{}/tokens", created.aggregate.id);
    let _issued: ReceiptBody = service.command(&path, "ola-token", &issued).await?.answer;
    let program = Platform::command_line_program().await?;
    let card = &platform.card;
    Ok(CommandLine::new(program, &card.command_api, &card.query_api, token.expose()))
}

/// How a verb ends.
async fn refused(by: &CommandLine, words: &[&str]) -> anyhow::Result<Option<String>> {
    let answered = by.call(words).await?;
    anyhow::ensure!(answered.code != 0, "{words:?} went through: {}", answered.out);
    Ok(answered.refusal())
}

/// What stands in the commits of a member of the answer.
fn told<'a>(answer: &'a Value, member: &str, of_each: &str) -> Vec<&'a Value> {
    let commits = answer.get(member).and_then(Value::as_array);
    commits.into_iter().flatten().filter_map(|commit| commit.pointer(of_each)).collect()
}

#[tokio::test]
async fn what_operators_record_of_the_log_is_read_back_from_a_change_that_lived_meanwhile()
-> anyhow::Result<()> {
    let (platform, scratch) = (platform(NAME).await?, Scratch::new()?);
    let policy_file = &platform.card.verify_policy;
    let policy = Policy::parse(&std::fs::read(policy_file)?)?;
    let origin = policy.logs.first().context("a log")?.origin.to_string();
    let sql = scratch.file("a.sql", "CREATE TABLE IF NOT EXISTS public.k (id bigint);\n")?;
    let change = submit(platform, NAME, &sql).await?;
    wait_for(platform, &change, "pending_approval").await?;

    let ola = operator(platform).await?;
    let (new, rotation) = (scratch.path().join("new.pem"), scratch.path().join("rotation.json"));
    let (new, rotation, old) = (text(&new)?, text(&rotation)?, platform.key_file("log"));
    ola.run(&["key", "generate", "--out", new]).await?;
    let signing = ["key", "rotate", "--role", "log", "--log", &origin, "--from", FROM];
    let keys = ["--old", text(&old)?, "--new", new, "--out", rotation];
    ola.run(&[&signing[..], &keys].concat()).await?;
    let rotate = ["log", "rotate-key", rotation];
    // Operating a tenant is not operating the log.
    let ada = platform.as_somebody("ada")?;
    assert_eq!(refused(&ada, &rotate).await?.as_deref(), Some("auth.forbidden"));
    let rotated: ReceiptBody = ola.json(&rotate).await?;
    assert_eq!(rotated.log, origin);
    assert_eq!(refused(&ola, &rotate).await?.as_deref(), Some("ledger.key_ended"));

    let spki = PrivateKey::from_seed(&[99; 32]).public().to_string();
    let revoke = ["log", "revoke-key", "--role", "witness", "--name", "w.example/1", "--spki"];
    let rest = [&spki, "--last-trusted", "5", "--reason", "the machine was stolen"];
    let revoke = [&revoke[..], &rest].concat();
    // Which log is not said: the one that query-api serves.
    let revoked: ReceiptBody = ola.json(&revoke).await?;
    assert_eq!((&revoked.log, revoked.sequence > rotated.sequence), (&origin, true));
    let again = refused(&ola, &revoke).await?;
    assert_eq!(again.as_deref(), Some("ledger.key_revoked_before"));
    let lost = ["log", "declare-gap", "--sequences", "900000,900001", "--reason", "the disk burnt"];
    let declared: ReceiptBody = ola.json(&lost).await?;
    assert_eq!(declared.aggregate.id, rotated.aggregate.id);
    assert_eq!(refused(&ola, &lost).await?.as_deref(), Some("ledger.gap_known"));

    approve(platform, "bob", &change).await?;
    approve(platform, "cyd", &change).await?;
    wait_for(platform, &change, "applied").await?;
    read_back(platform, &scratch, &change, [rotated.sequence, revoked.sequence]).await
}

/// The evidence holds both, the policy lacks the rotation, and the gap is no matter of the change.
async fn read_back(
    platform: &Platform,
    scratch: &Scratch,
    change: &str,
    sequences: [u64; 2],
) -> anyhow::Result<()> {
    let auditor = platform.as_somebody("auditor")?;
    let bundle = scratch.path().join("bundle");
    let (bundle, policy) = (text(&bundle)?, text(&platform.card.verify_policy)?);
    auditor.run(&["audit", "export", "--out", bundle]).await?;
    let words = ["audit", "timeline", change, "--bundle", bundle, "--policy", policy];
    let answered = auditor.call(&[&words[..], &["-o", "json"]].concat()).await?;
    assert_eq!(answered.code, 8, "the policy lacks a rotation: {}", answered.err);
    let value: Value = serde_json::from_str(&answered.out)?;
    let kinds = told(&value, "log", KIND);
    assert_eq!(kinds, ["log.key_rotated", "log.key_revoked"], "{}", answered.out);
    assert_eq!(told(&value, "log", "/sequence"), sequences);
    let of_the_change = told(&value, "commits", KIND);
    let is_the_logs = |kind: &&Value| kind.as_str().is_some_and(|kind| kind.starts_with("log."));
    assert!(!of_the_change.is_empty() && !of_the_change.iter().any(is_the_logs));
    let findings = value.pointer("/verification/record/findings").map(Value::to_string);
    assert!(findings.is_some_and(|found| found.contains("rotation_unknown")), "{}", answered.out);
    let table = auditor.call(&words).await?;
    for line in [
        format!("log.key_rotated: log key, from {FROM} on"),
        "log.key_revoked: witness w.example/1 key, trusted up to 5".to_owned(),
    ] {
        assert!(table.out.contains(&line), "{line}: {}", table.out);
    }
    Ok(())
}
