//! The append rules against a real server.

use crate::world::{TENANT, enroll, enrolled, identity, request, stack, target, writer};
use anyhow::Context as _;
use async_nats::HeaderMap;
use countersign_event_log as event_log;
use cqrs_es::{AggregateError, EventStore as _};
use devkit::identities::{COMMAND_API, LOG_OPERATOR, WORKFLOWS};
use devkit::{Options, Stack};
use domain::agents::{Agent, AgentCommand, AgentError, AgentEvent};
use domain::catalog::{DataSource, DataSourceCommand, Registered};
use domain::ids::{AgentId, ChangeId, DataSourceId};
use event_log::{
    AggregateStore, Answered, AppendError, EventLog, ExecuteError, Followed, LogError, REQUEST,
    Reader, Target, open_log,
};
use ledger::{LogIdentity, Position, Writer};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use trust::keys::PrivateKey;

#[tokio::test]
async fn a_command_is_recorded_once_and_found_again() -> anyhow::Result<()> {
    let (stack, log) = stack().await?;
    let first = enrolled(&log, "edge", "k").await?;
    let again = enrolled(&log, "edge", "k").await?;
    assert_eq!((first.receipt().sequence, first.replayed), (2, false));
    assert_eq!((&again.receipt(), again.replayed), (&first.receipt(), true));
    first.receipt().verify(&identity()?.writers)?;
    let other_body = request("k", "another body")?;
    let refused = log.execute::<Agent, _>(&target("edge"), enroll("edge"), &other_body).await;
    assert!(matches!(refused, Err(ExecuteError::OtherBody)), "{refused:?}");
    let other_command = enrolled(&log, "edge", "another key").await;
    assert!(matches!(other_command, Err(ExecuteError::Refused(AgentError::AlreadyExists))));
    assert_eq!(log.reader().last_sequence().await?, 2, "refusals append nothing");
    stack.stop().await;
    Ok(())
}

#[tokio::test]
async fn concurrent_commands_on_one_aggregate_follow_each_other() -> anyhow::Result<()> {
    let (stack, log) = stack().await?;
    let id = DataSourceId::derived("data_source", &[TENANT, "shop"]).to_string();
    let shop = Target { tenant: TENANT.to_owned(), id: id.clone() };
    let registered = Registered {
        name: "shop".to_owned(),
        engine: "postgresql".to_owned(),
        environment: "dev".to_owned(),
        agent: AgentId::derived("agent", &["edge"]),
        agent_name: "edge".to_owned(),
        labels: BTreeMap::new(),
    };
    let command = DataSourceCommand::Register(registered);
    log.execute::<DataSource, _>(&shop, command, &request("register", "")?).await?;
    let ask = async |n: u32| -> anyhow::Result<Answered> {
        let change = ChangeId::derived("change", &[&n.to_string()]);
        let command = DataSourceCommand::RequestLock { change };
        let request = request(&format!("lock {n}"), "")?;
        Ok(log.execute::<DataSource, _>(&shop, command, &request).await?)
    };
    // More than a fixed number of tries would let through: whoever loses reads on and decides again.
    futures::future::try_join_all((0..24).map(ask)).await?;
    let loaded = log.load_current::<DataSource>(TENANT, &id).await?.context("it is gone")?;
    assert_eq!(loaded.version, 25);
    assert_eq!(loaded.aggregate.waiting.len(), 23);
    stack.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_server_that_answers_late_gets_the_same_bytes_again_and_stores_them_once()
-> anyhow::Result<()> {
    let (stack, log) = stack().await?;
    let store = AggregateStore::<Agent>::new(&log);
    let agent = target("edge");
    let context = store.load_aggregate(&format!("{TENANT}/{}", agent.id)).await?;
    let AgentCommand::Enroll(it) = enroll("edge");
    let metadata = serde_json::to_string(&request("k", "edge")?)?;
    let metadata = HashMap::from([(REQUEST.to_owned(), metadata)]);
    stack.nats().child().pause();
    let commit = store.commit(vec![AgentEvent::Enrolled(it)], context, metadata);
    let wake = async {
        // Time itself is the condition: longer than a request waits, so that its outcome is unknown at least once.
        tokio::time::sleep(nats::connection::REQUEST_TIMEOUT + Duration::from_millis(500)).await;
        stack.nats().child().resume();
    };
    let (committed, ()) = tokio::join!(commit, wake);
    // The first try was stored when the server woke up, and the second met it: the command is looked up.
    assert!(matches!(committed, Ok(_) | Err(AggregateError::AggregateConflict)), "{committed:?}");
    let answered = enrolled(&log, "edge", "k").await?;
    assert!(answered.replayed);
    assert_eq!(answered.receipt().version, 1);
    assert_eq!(log.reader().last_sequence().await?, 2);
    stack.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_message_that_is_no_commit_is_condemned_and_skipped_by_everybody() -> anyhow::Result<()> {
    let (stack, log) = stack().await?;
    let forged = stack.connect_service(COMMAND_API).await?;
    let agent = target("edge");
    let subject = nats::subjects::log("main", TENANT, "agent", &agent.id)?;
    let answer = forged.client().request_with_headers(subject, HeaderMap::new(), "{}".into()).await;
    answer.context("the forged message was not stored")?;
    let answered = enrolled(&log, "edge", "k").await?;
    assert_eq!((answered.receipt().sequence, answered.receipt().version), (3, 1));
    let control = stack.connect_service(WORKFLOWS).await?;
    let mut follower = Reader::new(&control, identity()?).follow(None).await?;
    assert!(matches!(follower.next().await?, Followed::Commit(opened) if opened.sequence == 1));
    assert!(matches!(follower.next().await?, Followed::Condemned(it) if it.sequence == 2));
    assert!(matches!(follower.next().await?, Followed::Commit(it) if it.sequence == 3));
    stack.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_follower_resumes_after_its_position_and_stops_at_another_history() -> anyhow::Result<()>
{
    let (stack, log) = stack().await?;
    let first = enrolled(&log, "a", "a").await?.receipt().position();
    enrolled(&log, "b", "b").await?;
    let control = stack.connect_service(WORKFLOWS).await?;
    let reader = Reader::new(&control, identity()?);
    let mut follower = reader.follow(Some(first.clone())).await?;
    assert!(matches!(follower.next().await?, Followed::Commit(it) if it.sequence == 3));
    let other = Position { hash: ledger::CommitHash::ZERO, ..first };
    let refused = reader.follow(Some(other)).await;
    assert!(matches!(refused, Err(LogError::AnotherHistory { sequence: 2, .. })), "{refused:?}");
    stack.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_log_is_opened_on_purpose_and_once() -> anyhow::Result<()> {
    chassis::process::install_crypto();
    let stack = Stack::start(Options::default()).await?;
    let connection = stack.connect_service(COMMAND_API).await?;
    let closed = EventLog::open(&connection, identity()?, writer()).await;
    assert!(matches!(closed, Err(LogError::NotOpen)), "an empty stream is not a log");
    let opening = request("open", "")?;
    open_log(&connection, identity()?, &writer(), "0".repeat(64), &opening).await?;
    let first = open_log(&connection, identity()?, &writer(), "0".repeat(64), &opening).await?;
    assert_eq!(first.sequence, 1, "its answer was lost");
    let opening = request("open", "another nonce")?;
    let again = open_log(&connection, identity()?, &writer(), "1".repeat(64), &opening).await;
    assert!(matches!(again, Err(AppendError::Conflict)), "{again:?}");
    stack.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_stream_that_was_made_anew_is_not_appended_to() -> anyhow::Result<()> {
    let (stack, log) = stack().await?;
    enrolled(&log, "a", "a").await?;
    let operator = stack.connect_service(LOG_OPERATOR).await?;
    operator.jetstream().delete_stream("CS_LOG_main").await?;
    nats::streams::provision_log(&operator, "main", 1).await?;
    log.reconnect().await?;
    let refused = enrolled(&log, "b", "b").await;
    let named = matches!(refused, Err(ExecuteError::Append(AppendError::AnotherLog(_))));
    assert!(named, "{refused:?}");
    stack.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_writer_appends_only_within_its_interval_and_signs_for_no_other() -> anyhow::Result<()> {
    chassis::process::install_crypto();
    let stack = Stack::start(Options::default()).await?;
    let connection = stack.connect_service(COMMAND_API).await?;
    let next = || PrivateKey::from_seed(&[4; 32]);
    let writers = vec![
        Writer { key: writer().public(), from_sequence: 1, to_sequence: Some(2) },
        Writer { key: next().public(), from_sequence: 3, to_sequence: None },
    ];
    let identity = LogIdentity { writers, ..identity()? };
    let nonce = "0".repeat(64);
    open_log(&connection, identity.clone(), &writer(), nonce, &request("open", "")?).await?;
    let open = async |key| EventLog::open(&connection, identity.clone(), key).await;
    let early = open(next()).await;
    assert!(matches!(early, Err(LogError::Writer { sequence: 2 })), "{early:?}");
    let log = open(writer()).await?;
    assert_eq!(enrolled(&log, "edge", "k").await?.receipt().sequence, 2);
    let late = enrolled(&log, "north", "l").await;
    let refused = |error: &ExecuteError<_>| {
        matches!(error, ExecuteError::Append(AppendError::Log(LogError::Writer { sequence: 3 })))
    };
    assert!(late.as_ref().is_err_and(refused), "{late:?}");
    assert_eq!(log.reader().last_sequence().await?, 2, "nothing that readers would condemn");
    let late = open(writer()).await;
    assert!(matches!(late, Err(LogError::Writer { sequence: 3 })), "{late:?}");
    let log = open(next()).await?;
    let again = enrolled(&log, "edge", "k").await?;
    assert_eq!((again.replayed, again.receipt().signature.as_str()), (true, ""));
    enrolled(&log, "north", "l").await?.receipt().verify(&identity.writers)?;
    stack.stop().await;
    Ok(())
}
