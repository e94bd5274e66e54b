//! `countersign doctor` on a real stack: healthy, broken in ways that only real servers have, and over the APIs alone.

use anyhow::Context as _;
use bytes::Bytes;
use chassis::Identity;
use devkit::identities::{self, LOG_OPERATOR};
use devkit::spiffe::socket_of;
use nats::{Connection, subjects};
use scenario::command_line::Answered;
use scenario::scratch::Scratch;
use scenario::{CommandLine, Platform};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(3);

#[derive(Debug, Deserialize)]
struct Finding {
    code: String,
    severity: String,
    sentence: String,
    mend: Option<String>,
}

/// What doctor says of the stack itself, and how it ended.
async fn doctor(platform: &Platform, more: &[&str]) -> anyhow::Result<(Answered, Vec<Finding>)> {
    let answered =
        platform.as_somebody("ada")?.call(&[&["doctor", "-o", "json"], more].concat()).await?;
    let findings = serde_json::from_str(&answered.out)
        .with_context(|| format!("doctor printed no findings: {}", answered.err))?;
    Ok((answered, findings))
}

async fn from_inside(platform: &Platform) -> anyhow::Result<(Answered, Vec<Finding>)> {
    let folder = platform.card.data_dir.to_str().context("a path that is not UTF-8")?;
    doctor(platform, &["--data-dir", folder]).await
}

fn wrong(findings: &[Finding]) -> Vec<&str> {
    let wrong = findings.iter().filter(|finding| finding.severity != "ok");
    wrong.map(|finding| finding.code.as_str()).collect()
}

/// Changes a setting of a stream as only its account's operator can.
async fn weaken(platform: &Platform, setting: &str, value: Value) -> anyhow::Result<()> {
    let id = identities::service(LOG_OPERATOR)?;
    let socket = format!("unix:{}", socket_of(&platform.card.data_dir, &id).display());
    let identity = Identity::connect(&socket, identities::TRUST_DOMAIN).await?;
    let server = platform.card.nats_id.parse()?;
    let inbox = subjects::service_inbox(LOG_OPERATOR)?;
    let url = &platform.card.nats_url;
    let operator = Connection::connect(url, identity.source(), &server, &inbox, "a test").await?;
    let stream = subjects::log_stream("main")?;
    let info = format!("$JS.API.STREAM.INFO.{stream}");
    let info = operator.client().request(info, Bytes::new()).await?;
    let info: Value = serde_json::from_slice(&info.payload)?;
    let mut config = info.get("config").cloned().context("a stream without configuration")?;
    config.as_object_mut().context("no object")?.insert(setting.to_owned(), value);
    let update = format!("$JS.API.STREAM.UPDATE.{stream}");
    let update = operator.client().request(update, config.to_string().into()).await?;
    let answer: Value = serde_json::from_slice(&update.payload)?;
    anyhow::ensure!(answer.get("error").is_none(), "{answer}");
    operator.close().await;
    Ok(())
}

/// Its last pull ends after a while; only then does the server know that the agent is away.
async fn until_away(platform: &Platform) -> anyhow::Result<Vec<Finding>> {
    loop {
        let (_, findings) = from_inside(platform).await?;
        if wrong(&findings).contains(&"doctor.agent_away") {
            return Ok(findings);
        }
    }
}

#[tokio::test]
async fn a_healthy_stack_is_healthy_and_what_is_broken_is_named_with_what_mends_it()
-> anyhow::Result<()> {
    chassis::process::install_crypto();
    let scratch = Scratch::new()?;
    let platform = Platform::start(&scratch.path().join("d")).await?;
    let (answered, findings) = from_inside(&platform).await?;
    assert!(wrong(&findings).is_empty(), "{findings:#?}");
    assert_eq!(answered.code, 0);
    for code in
        ["doctor.stream_loses", "doctor.agent_away", "doctor.workflow_lag", "doctor.job_stuck"]
    {
        assert!(findings.iter().any(|finding| finding.code == code), "{code} was not looked at");
    }

    let key = platform.key_file("bob");
    set_permissions(&key, Permissions::from_mode(0o644))?;
    weaken(&platform, "max_age", json!(3_600_000_000_000_u64)).await?;
    weaken(&platform, "discard", json!("old")).await?;
    let (answered, findings) = from_inside(&platform).await?;
    assert_eq!(answered.code, 1);
    let mut found = wrong(&findings);
    found.sort_unstable();
    assert_eq!(found, ["doctor.file_open", "doctor.stream_loses", "doctor.stream_loses"]);
    let open = findings.iter().find(|finding| finding.code == "doctor.file_open");
    let open = open.context("no finding about the file")?;
    assert_eq!(open.mend, Some(format!("chmod 600 {}", key.display())));
    for told in ["max_age = 3600000000000", "discard = \"old\", but \"new\" is wanted"] {
        assert!(
            findings.iter().any(|finding| finding.sentence.contains(told)),
            "{told}: {findings:#?}"
        );
    }

    platform.service("agent").context("no agent runs")?.pause()?;
    let away = tokio::time::timeout(PATIENCE, until_away(&platform));
    let findings = away.await.context("the agent stands still and is not missed")??;
    assert!(wrong(&findings).contains(&"doctor.not_ready"), "{findings:#?}");
    platform.service("agent").context("no agent runs")?.resume()?;
    platform.stop().await?;
    Ok(())
}

#[tokio::test]
async fn over_the_apis_alone_it_says_what_the_token_sees() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let platform = Platform::start(&scratch.path().join("d")).await?;
    let (answered, findings) = doctor(&platform, &[]).await?;
    assert_eq!((answered.code, wrong(&findings)), (0, vec!["doctor.not_seen"]), "{findings:#?}");
    assert!(!findings.iter().any(|finding| finding.code.starts_with("doctor.stream")));
    let clocks = findings.iter().filter(|finding| finding.code == "doctor.clock_offset");
    assert_eq!(clocks.count(), 2);

    let card = platform.card.clone();
    platform.stop().await?;
    let program = Platform::command_line_program().await?;
    let token = card.tokens.get("ada").context("no token")?;
    let nobody = CommandLine::new(program, &card.command_api, &card.query_api, token);
    let answered = nobody.call(&["doctor"]).await?;
    assert_eq!(answered.code, 1);
    assert!(answered.out.contains("doctor.api_unreachable"), "{}", answered.out);
    assert!(answered.out.contains("countersign dev"), "{}", answered.out);
    let folder = card.data_dir.to_str().context("a path that is not UTF-8")?;
    let answered = nobody.call(&["doctor", "--data-dir", folder, "-o", "name"]).await?;
    let first = answered.out.lines().next();
    assert_eq!((answered.code, first), (1, Some("doctor.not_running")), "{}", answered.out);
    Ok(())
}

#[tokio::test]
async fn a_folder_that_is_none_is_named() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let program = Platform::command_line_program().await?;
    let nobody = CommandLine::new(program, "http://127.0.0.1:9", "http://127.0.0.1:9", "t");
    let folder = scratch.path().join("nothing");
    let folder = folder.to_str().context("a path that is not UTF-8")?;
    let answered = nobody.call(&["doctor", "--data-dir", folder, "-o", "name"]).await?;
    assert_eq!((answered.code, answered.out.trim()), (1, "doctor.data_folder"));
    Ok(())
}
