//! Mirrors, batched reads, job and result queues, positions and provisioning over a real server.

mod stand;

use anyhow::Context as _;
use bytes::Bytes;
use countersign_devkit::identities;
use futures::StreamExt as _;
use nats::queues::Report;
use nats::{
    AgentQueue, Connection, JobQueue, PositionError, Positions, ProvisionError, PublishFailure,
    ResultQueue, batch, streams, subjects,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use stand::{CHANGE, JOB, PATIENCE, TENANT, append, holds};

const OTHER: &str = "chg_01hzy8q3v5e6m7n8p9qrstvwxz";
const AGENT: &str = "site-a";

#[tokio::test]
async fn the_mirror_of_the_log_has_the_same_sequences_headers_times_and_bytes() -> anyhow::Result<()>
{
    let stack = stand::stack().await?;
    let api = stack.connect_service(identities::COMMAND_API).await?;
    let follower = stack.connect_service(identities::PROJECTIONS).await?;
    for (id, body) in [(CHANGE, "1"), (OTHER, "2"), (CHANGE, "3")] {
        append(&api, &subjects::log("main", TENANT, "change", id)?, body).await?;
    }
    holds(&follower, "CS_LOG_main", 3).await?;
    let all = subjects::log_all("main")?;
    let origin = batch::messages_from(&api, "CS_LOG_main", &all, 1, 10).await?.messages;
    let mirror = batch::messages_from(&follower, "CS_LOG_main", &all, 1, 10).await?.messages;
    assert_eq!(origin.len(), 3);
    for (origin, mirror) in origin.iter().zip(&mirror) {
        let parts = |message: &nats::StoredMessage| {
            (message.sequence, message.subject.clone(), message.time, message.payload.clone())
        };
        assert_eq!(parts(origin), parts(mirror));
    }
    Ok(())
}

#[tokio::test]
async fn an_ordered_consumer_follows_the_mirror_with_the_permissions_of_a_follower()
-> anyhow::Result<()> {
    let stack = stand::stack().await?;
    let api = stack.connect_service(identities::COMMAND_API).await?;
    let subject = subjects::log("main", TENANT, "change", CHANGE)?;
    append(&api, &subject, "1").await?;
    for service in [identities::PROJECTIONS, identities::QUERY_API, identities::WORKFLOWS] {
        let follower = stack.connect_service(service).await?;
        let create = json!({"stream_name": "CS_LOG_main", "config": {
            "ack_policy": "none", "deliver_policy": "all", "mem_storage": true, "num_replicas": 1,
        }});
        let made = call(&follower, "CONSUMER.CREATE.CS_LOG_main", &create).await?;
        let made: serde_json::Value = serde_json::from_slice(&made)?;
        let name = made["name"].as_str().context("no consumer")?;
        // A pulled message comes under its stored subject, so that it needs a subscription.
        let inbox = follower.client().new_inbox();
        let mut pulled = follower.client().subscribe(inbox.clone()).await?;
        let next = format!("$JS.API.CONSUMER.MSG.NEXT.CS_LOG_main.{name}");
        follower.client().publish_with_reply(next, inbox, Bytes::from("1")).await?;
        let first = tokio::time::timeout(PATIENCE, pulled.next()).await?.context("ended")?;
        assert_eq!(
            (first.subject.as_str(), first.payload.as_ref()),
            (subject.as_str(), b"1".as_slice())
        );
        call(&follower, &format!("CONSUMER.INFO.CS_LOG_main.{name}"), &json!({})).await?;
        let gone = format!("CONSUMER.DELETE.CS_LOG_main.{name}");
        let gone = call(&follower, &gone, &json!({})).await?;
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&gone)?["success"], true);
    }
    Ok(())
}

/// One call of the `JetStream` API.
async fn call(
    connection: &Connection,
    name: &str,
    body: &serde_json::Value,
) -> anyhow::Result<Bytes> {
    let body = Bytes::from(serde_json::to_vec(body)?);
    let answer = connection.client().request(format!("$JS.API.{name}"), body).await?;
    Ok(answer.payload)
}

#[tokio::test]
async fn a_batched_read_gives_one_aggregate_in_order_and_says_how_much_is_left()
-> anyhow::Result<()> {
    let stack = stand::stack().await?;
    let api = stack.connect_service(identities::COMMAND_API).await?;
    let subject = subjects::log("main", TENANT, "change", CHANGE)?;
    let other = subjects::log("main", TENANT, "change", OTHER)?;
    let none = batch::messages_from(&api, "CS_LOG_main", &subject, 1, 10).await?;
    assert!(none.messages.is_empty() && none.pending == 0);
    for body in ["1", "2", "3"] {
        append(&api, &subject, body).await?;
        append(&api, &other, "other").await?;
    }
    let first = batch::messages_from(&api, "CS_LOG_main", &subject, 1, 2).await?;
    let sequences: Vec<u64> = first.messages.iter().map(|message| message.sequence).collect();
    assert_eq!((sequences, first.pending), (vec![1, 3], 1));
    let rest = batch::messages_from(&api, "CS_LOG_main", &subject, 4, 2).await?;
    assert_eq!((rest.messages.len(), rest.pending), (1, 0));
    assert_eq!(rest.messages[0].payload, "3");
    let beyond = batch::messages_from(&api, "CS_LOG_main", &subject, 6, 2).await?;
    assert!(beyond.messages.is_empty());
    let unknown = batch::messages_from(&api, "CS_LOG_main", ">", 7, 2).await?;
    assert!(unknown.messages.is_empty());
    Ok(())
}

#[tokio::test]
async fn the_leader_gives_one_aggregate_in_order_too() -> anyhow::Result<()> {
    let stack = stand::stack().await?;
    let api = stack.connect_service(identities::COMMAND_API).await?;
    let subject = subjects::log("main", TENANT, "change", CHANGE)?;
    let other = subjects::log("main", TENANT, "change", OTHER)?;
    for body in ["1", "2", "3"] {
        append(&api, &subject, body).await?;
        append(&api, &other, "other").await?;
    }
    let full = batch::messages_from_leader(&api, "CS_LOG_main", &subject, 1, 2).await?;
    let sequences: Vec<u64> = full.messages.iter().map(|message| message.sequence).collect();
    assert_eq!(sequences, [1, 3]);
    assert!(full.pending > 0, "there may be more");
    let rest = batch::messages_from_leader(&api, "CS_LOG_main", &subject, 4, 2).await?;
    assert_eq!((rest.messages.len(), rest.pending), (1, 0));
    assert_eq!(rest.messages[0].payload, "3");
    let beyond = batch::messages_from_leader(&api, "CS_LOG_main", &subject, 6, 2).await?;
    assert!(beyond.messages.is_empty() && beyond.pending == 0);
    Ok(())
}

#[tokio::test]
async fn the_last_of_each_subject_is_read_as_of_one_point_of_the_stream() -> anyhow::Result<()> {
    let stack = stand::stack().await?;
    let api = stack.connect_service(identities::COMMAND_API).await?;
    for (id, body) in [(CHANGE, "1"), (OTHER, "2"), (CHANGE, "3")] {
        append(&api, &subjects::log("main", TENANT, "change", id)?, body).await?;
    }
    let all = subjects::log_all("main")?;
    let bodies = |batch: &nats::Batch| -> Vec<Bytes> {
        batch.messages.iter().map(|message| message.payload.clone()).collect()
    };
    let now = batch::last_of_each(&api, "CS_LOG_main", &[&all], None).await?;
    assert_eq!(bodies(&now), ["2", "3"]);
    let then = batch::last_of_each(&api, "CS_LOG_main", &[&all], Some(2)).await?;
    assert_eq!(bodies(&then), ["1", "2"]);
    assert_eq!(then.up_to_sequence, Some(2));
    Ok(())
}

#[tokio::test]
async fn the_leaders_last_message_comes_with_its_headers() -> anyhow::Result<()> {
    let stack = stand::stack().await?;
    let workflows = stack.connect_service(identities::WORKFLOWS).await?;
    let reader = stack.connect_service(identities::SCENARIO).await?;
    let subject = subjects::job(TENANT, AGENT, JOB)?;
    assert!(batch::last_on_leader(&reader, "CS_JOBS", &subject).await?.is_none());
    JobQueue::new(&workflows).dispatch((TENANT, AGENT, JOB), 1, Bytes::from("body").into()).await?;
    let last = batch::last_on_leader(&reader, "CS_JOBS", &subject).await?.context("nothing")?;
    assert_eq!((last.sequence, last.subject.as_str()), (1, subject.as_str()));
    assert_eq!(last.header("Nats-Msg-Id"), Some(format!("{JOB}:1").as_str()));
    assert_eq!(last.payload, "body");
    let direct = batch::messages_from(&reader, "CS_JOBS", &subject, 1, 1).await?;
    assert_eq!(direct.messages[0].header("Nats-Msg-Id"), last.header("Nats-Msg-Id"));
    assert_eq!(direct.messages[0].time, last.time);
    Ok(())
}

#[tokio::test]
async fn a_blob_of_six_megabytes_is_read_from_its_mirror() -> anyhow::Result<()> {
    let stack = stand::stack().await?;
    let api = stack.connect_service(identities::COMMAND_API).await?;
    let follower = stack.connect_service(identities::QUERY_API).await?;
    let subject = subjects::blob("main", TENANT, &"a".repeat(64))?;
    let bytes = Bytes::from(vec![7; 6 * 1024 * 1024]);
    api.jetstream().publish(subject.clone(), bytes.clone()).await?.await?;
    holds(&follower, "CS_BLOBS_main", 1).await?;
    let read = batch::last_on_leader(&follower, "CS_BLOBS_main", &subject).await?;
    assert_eq!(read.context("nothing")?.payload, bytes);
    Ok(())
}

#[tokio::test]
async fn a_job_reaches_its_agent_once_and_its_result_reaches_the_workflows() -> anyhow::Result<()> {
    let mut stack = stand::stack().await?;
    stack.admit_agent(TENANT, AGENT).await?;
    let workflows = stack.connect_service(identities::WORKFLOWS).await?;
    let agent = stack.connect_agent(TENANT, AGENT).await?;
    let jobs = JobQueue::new(&workflows);
    let first = jobs.dispatch((TENANT, AGENT, JOB), 1, Bytes::from("first").into()).await?;
    let again = jobs.dispatch((TENANT, AGENT, JOB), 1, Bytes::from("first").into()).await?;
    assert_eq!(first, again, "the same attempt is stored once");

    let mut queue = AgentQueue::open(&agent, TENANT, AGENT).await?;
    let job = tokio::time::timeout(PATIENCE, queue.next()).await??;
    assert_eq!((job.payload().as_ref(), job.delivered), (b"first".as_slice(), 1));
    queue.publish(JOB, 1, Report::Claimed, Bytes::from("{}").into()).await?;
    job.in_progress().await?;
    // A forged message under the job's name is refused first: the genuine result is stored beside it.
    queue.publish(JOB, 1, Report::Disowned(7), Bytes::from("refused").into()).await?;
    queue.publish(JOB, 1, Report::Result, Bytes::from("done").into()).await?;
    job.acknowledge().await?;

    let mut results = ResultQueue::open(&workflows).await?;
    for expected in ["claimed", "result", "result"] {
        let report = tokio::time::timeout(PATIENCE, results.next()).await??;
        let parts = subjects::parse_result(report.subject())?;
        assert_eq!((parts.agent, parts.job, parts.kind.as_str()), (AGENT, JOB, expected));
        report.acknowledge().await?;
    }

    // The durable goes on after the connection was made anew under an open pull.
    agent.client().force_reconnect().await?;
    jobs.dispatch((TENANT, AGENT, JOB), 2, Bytes::from("second").into()).await?;
    let next = tokio::time::timeout(PATIENCE, queue.next()).await??;
    assert_eq!(
        next.payload().as_ref(),
        b"second",
        "the first was acknowledged and is not repeated"
    );
    Ok(())
}

#[tokio::test]
async fn a_job_that_is_not_acknowledged_comes_again() -> anyhow::Result<()> {
    let mut stack = stand::stack().await?;
    stack.admit_agent(TENANT, AGENT).await?;
    let workflows = stack.connect_service(identities::WORKFLOWS).await?;
    let agent = stack.connect_agent(TENANT, AGENT).await?;
    JobQueue::new(&workflows).dispatch((TENANT, AGENT, JOB), 1, Bytes::from("job").into()).await?;
    let mut queue = AgentQueue::open(&agent, TENANT, AGENT).await?;
    let job = tokio::time::timeout(PATIENCE, queue.next()).await??;
    job.again_after(std::time::Duration::ZERO).await?;
    let again = tokio::time::timeout(PATIENCE, queue.next()).await??;
    assert_eq!((again.sequence, again.delivered), (job.sequence, 2));
    Ok(())
}

#[tokio::test]
async fn a_message_larger_than_the_server_takes_is_refused_at_once() -> anyhow::Result<()> {
    let stack = stand::stack().await?;
    let workflows = stack.connect_service(identities::WORKFLOWS).await?;
    let huge = Bytes::from(vec![0; 9 * 1024 * 1024]);
    let refused = JobQueue::new(&workflows).dispatch((TENANT, AGENT, JOB), 1, huge.into()).await;
    assert!(matches!(refused, Err(PublishFailure::TooLarge { .. })));
    Ok(())
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Position {
    sequence: u64,
}

#[tokio::test]
async fn a_position_is_saved_only_by_whoever_knows_its_revision() -> anyhow::Result<()> {
    let stack = stand::stack().await?;
    let connection = stack.connect_service(identities::WORKFLOWS).await?;
    let positions = Positions::of_service(&connection, identities::WORKFLOWS)?;
    let empty = positions.load::<Position>("apply").await?;
    assert_eq!((empty.position, empty.revision), (None, 0));
    let first = positions.save("apply", &Position { sequence: 5 }, 0).await?;
    let second = positions.save("apply", &Position { sequence: 6 }, first).await?;
    let overtaken = positions.save("apply", &Position { sequence: 7 }, first).await;
    assert!(
        matches!(overtaken, Err(PositionError::Overtaken { expected, .. }) if expected == first)
    );
    let loaded = positions.load::<Position>("apply").await?;
    assert_eq!(loaded.position, Some(Position { sequence: 6 }));
    assert_eq!(loaded.revision, second);
    Ok(())
}

#[tokio::test]
async fn provisioning_twice_changes_nothing_and_a_differing_stream_is_named() -> anyhow::Result<()>
{
    let stack = stand::stack().await?;
    let log = stack.connect_service(identities::LOG_OPERATOR).await?;
    let control = stack.connect_service(identities::CONTROL_OPERATOR).await?;
    let agents = stack.connect_service(identities::AGENTS_OPERATOR).await?;
    for _ in 0..2 {
        streams::provision_log(&log, "main", 1).await?;
        streams::provision_control(&control, "main", 1).await?;
        streams::provision_agents(&agents, 1).await?;
        streams::agent_durable(&agents, TENANT, AGENT).await?;
    }
    let mut weakened =
        control.jetstream().get_stream("CS_JOBS").await?.cached_info().config.clone();
    weakened.max_age = std::time::Duration::from_hours(1);
    control.jetstream().update_stream(weakened).await?;
    let refused = streams::provision_control(&control, "main", 1).await;
    assert!(
        matches!(&refused, Err(ProvisionError::Differs { name, field, .. })
            if name == "CS_JOBS" && field == "max_age"),
        "{refused:?}"
    );
    Ok(())
}
