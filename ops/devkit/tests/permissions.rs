//! What no identity may do on NATS (notes/identity.md sections 1.2 and 1.3, in our names).

mod stand;

use anyhow::Context as _;
use bytes::Bytes;
use countersign_devkit::identities;
use nats::queues::Report;
use nats::{AgentQueue, Connection, JobQueue, batch, subjects};
use stand::{CHANGE, JOB, TENANT, append, count, holds, refuses_publish, refuses_subscribe};

const A: &str = "site-a";
const B: &str = "site-b";

#[tokio::test]
async fn an_agent_may_do_nothing_but_pull_its_jobs_and_report_its_results() -> anyhow::Result<()> {
    let mut stack = stand::stack().await?;
    stack.admit_agent(TENANT, A).await?;
    stack.admit_agent(TENANT, B).await?;
    let agent = stack.connect_agent(TENANT, A).await?;
    let own_job = subjects::job(TENANT, A, JOB)?;
    for subject in [
        "$JS.API.CONSUMER.MSG.NEXT.CS_JOBS.acme_site-b",
        "$JS.API.CONSUMER.INFO.CS_JOBS.acme_site-b",
        "$JS.API.CONSUMER.CREATE.CS_JOBS",
        "$JS.API.CONSUMER.CREATE.CS_JOBS.x",
        "$JS.API.CONSUMER.CREATE.CS_JOBS.x.cs.jobs.>",
        "$JS.API.CONSUMER.DURABLE.CREATE.CS_JOBS.x",
        "$JS.API.CONSUMER.DELETE.CS_JOBS.acme_site-a",
        "$JS.API.CONSUMER.RESET.CS_JOBS.acme_site-a",
        "$JS.API.CONSUMER.PAUSE.CS_JOBS.acme_site-a",
        "$JS.API.CONSUMER.NAMES.CS_JOBS",
        "$JS.API.STREAM.MSG.GET.CS_JOBS",
        "$JS.API.DIRECT.GET.CS_JOBS",
        "$JS.API.DIRECT.GET.CS_JOBS.cs.jobs.acme.site-b",
        "$JS.API.STREAM.INFO.CS_JOBS",
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.PURGE.CS_JOBS",
        "$JS.API.STREAM.CREATE.X",
        "$JS.API.INFO",
        "$JS.ACK.CS_JOBS.acme_site-b.1.1.1.1.0",
        "ctl.API.CONSUMER.CREATE.CS_RESULTS.x",
        "mirror.agents.x",
        "cs.results.acme.site-b.x.result",
        "cs.results.other.site-a.x.result",
        "cs.log.main.acme.change.x",
        "cs.checkpoints.main",
        "$KV.CS_POSITIONS.workflows.x",
        "$SYS.REQ.USER.AUTH",
        "$SYS.REQ.SERVER.PING",
        "_INBOX_acme_site-b.x",
        own_job.as_str(),
    ] {
        assert!(refuses_publish(&agent, subject).await?, "may publish {subject}");
    }
    for subject in [
        "cs.jobs.>",
        "cs.jobs.acme.site-a.>",
        "cs.results.>",
        "cs.log.>",
        "_INBOX.>",
        "_INBOX_acme_site-b.>",
        "$JS.API.>",
        "$JS.ACK.>",
        "$JS.EVENT.>",
        "$SYS.>",
        "$KV.>",
        ">",
    ] {
        assert!(refuses_subscribe(&agent, subject).await?, "may subscribe {subject}");
    }
    for subject in [
        "$JS.API.CONSUMER.INFO.CS_JOBS.acme_site-a",
        "$JS.ACK.CS_JOBS.acme_site-a.1.1.1.1.0",
        "cs.results.acme.site-a.x.result",
    ] {
        assert!(!refuses_publish(&agent, subject).await?, "may not publish {subject}");
    }
    Ok(())
}

#[tokio::test]
async fn an_agent_that_aims_replies_at_others_subjects_reaches_none() -> anyhow::Result<()> {
    let mut stack = stand::stack().await?;
    stack.admit_agent(TENANT, A).await?;
    stack.admit_agent(TENANT, B).await?;
    let workflows = stack.connect_service(identities::WORKFLOWS).await?;
    let control = stack.connect_service(identities::CONTROL_OPERATOR).await?;
    let operator = stack.connect_service(identities::AGENTS_OPERATOR).await?;
    let agent = stack.connect_agent(TENANT, A).await?;
    JobQueue::new(&workflows).dispatch((TENANT, A, JOB), 1, Bytes::from("job").into()).await?;
    holds(&operator, subjects::STREAM_JOBS, 1).await?;

    let (info, next) = (
        "$JS.API.CONSUMER.INFO.CS_JOBS.acme_site-a",
        "$JS.API.CONSUMER.MSG.NEXT.CS_JOBS.acme_site-a",
    );
    for (subject, reply) in [
        (info, "cs.results.acme.site-b.f1.result"),
        (next, "cs.results.acme.site-b.f2.result"),
        (info, "cs.jobs.acme.site-b.f3"),
        ("cs.results.acme.site-a.x4.result", "cs.jobs.acme.site-b.f4"),
        ("cs.results.acme.site-a.x5.result", "cs.results.acme.site-b.f5.result"),
        (info, "mirror.agents.x.y"),
        (info, "$JS.API.CONSUMER.DELETE.CS_JOBS.acme_site-b"),
        (info, "ctl.API.CONSUMER.CREATE.CS_RESULTS.x"),
        (info, "ctl.API.CONSUMER.DELETE.CS_RESULTS.workflows"),
        (info, "$JS.API.STREAM.PURGE.CS_JOBS"),
        (info, "$JS.API.STREAM.DELETE.CS_JOBS"),
        (info, "$JS.ACK.CS_JOBS.acme_site-b.1.1.1.1.0"),
    ] {
        let body = if subject == next { r#"{"batch":1,"expires":1000000000}"# } else { "" };
        agent.client().publish_with_reply(subject, reply, Bytes::from(body)).await?;
    }
    // All of it is through once a later report of the same client is acknowledged.
    let queue = AgentQueue::open(&agent, TENANT, A).await?;
    queue.publish(JOB, 1, Report::Result, Bytes::from("mine").into()).await?;

    assert_eq!(count(&control, subjects::STREAM_JOBS).await?, 1, "CS_JOBS holds the one real job");
    assert_eq!(count(&operator, subjects::STREAM_JOBS).await?, 1, "and so does its mirror");
    let results = control.jetstream().get_stream(subjects::STREAM_RESULTS).await?;
    for sequence in 1..=results.cached_info().state.last_sequence {
        let subject = results.get_raw_message(sequence).await?.subject;
        assert!(!subject.contains("site-b"), "{subject} was stored for another agent");
    }
    let durable = subjects::agent_durable(TENANT, B)?;
    let mirror = operator.jetstream().get_stream(subjects::STREAM_JOBS).await?;
    assert!(mirror.consumer_info(durable).await.is_ok(), "B's durable is still there");
    assert!(results.consumer_info(subjects::DURABLE_RESULTS).await.is_ok());
    Ok(())
}

#[tokio::test]
async fn command_api_is_the_only_publisher_of_the_log() -> anyhow::Result<()> {
    let stack = stand::stack().await?;
    let commit = subjects::log("main", TENANT, "change", CHANGE)?;
    let blob = subjects::blob("main", TENANT, &"0".repeat(64))?;
    for service in [
        identities::SEALER,
        identities::LOG_OPERATOR,
        identities::CONTROL_OPERATOR,
        identities::AGENTS_OPERATOR,
        identities::WORKFLOWS,
        identities::PROJECTIONS,
        identities::QUERY_API,
        identities::SCENARIO,
    ] {
        let connection = stack.connect_service(service).await?;
        for subject in [&commit, &blob] {
            assert!(refuses_publish(&connection, subject).await?, "{service}: {subject}");
        }
    }
    let api = stack.connect_service(identities::COMMAND_API).await?;
    assert_eq!(append(&api, &commit, "commit").await?, 1);
    assert_eq!(append(&api, &blob, "blob").await?, 1);
    Ok(())
}

/// What changes, empties, ends or replaces a stream, or takes messages out of it.
const CHANGES: [&str; 9] = [
    "UPDATE",
    "DELETE",
    "PURGE",
    "RESTORE",
    "MSG.DELETE",
    "CREATE",
    "SNAPSHOT",
    "LEADER.STEPDOWN",
    "PEER.REMOVE",
];
const RECORD: [&str; 3] = ["CS_LOG_main", "CS_BLOBS_main", "CS_CHECKPOINTS_main"];

#[tokio::test]
async fn only_the_operator_may_change_the_streams_of_the_log() -> anyhow::Result<()> {
    let stack = stand::stack().await?;
    for service in [
        identities::COMMAND_API,
        identities::SEALER,
        identities::WORKFLOWS,
        identities::PROJECTIONS,
        identities::QUERY_API,
        identities::SCENARIO,
    ] {
        let connection = stack.connect_service(service).await?;
        for (stream, call) in RECORD.iter().flat_map(|stream| CHANGES.map(|call| (stream, call))) {
            let subject = format!("$JS.API.STREAM.{call}.{stream}");
            assert!(refuses_publish(&connection, &subject).await?, "{service}: {subject}");
        }
        assert!(refuses_subscribe(&connection, "cs.log.>").await?);
        let may_dispatch = [identities::WORKFLOWS, identities::SCENARIO].contains(&service);
        let refused = refuses_publish(&connection, "cs.jobs.acme.site-a.x").await?;
        assert_eq!(refused, !may_dispatch, "{service}");
    }
    let api = stack.connect_service(identities::COMMAND_API).await?;
    assert!(refuses_publish(&api, "cs.checkpoints.main").await?);
    // The operators of the other accounts reach the mirrors and the jobs, and no stream of the record itself.
    for operator in [identities::CONTROL_OPERATOR, identities::AGENTS_OPERATOR] {
        let connection = stack.connect_service(operator).await?;
        for subject in ["log.API.STREAM.UPDATE.CS_LOG_main", "log.API.STREAM.DELETE.CS_LOG_main"] {
            assert!(refuses_publish(&connection, subject).await?, "{operator}: {subject}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_services_of_the_control_account_have_no_more_than_their_part() -> anyhow::Result<()> {
    let stack = stand::stack().await?;
    for service in [identities::PROJECTIONS, identities::QUERY_API, identities::WORKFLOWS] {
        let connection = stack.connect_service(service).await?;
        for subject in [
            "$JS.API.STREAM.UPDATE.CS_LOG_main",
            "$JS.API.STREAM.DELETE.CS_LOG_main",
            "$JS.API.STREAM.PURGE.CS_JOBS",
            "$JS.API.STREAM.CREATE.X",
            "$JS.API.CONSUMER.DELETE.CS_RESULTS.workflows",
            "cs.results.acme.site-a.x.result",
            "log.API.CONSUMER.CREATE.CS_LOG_main.x",
            "mirror.ctl.x",
            "$KV.CS_POSITIONS.other.x",
        ] {
            assert!(refuses_publish(&connection, subject).await?, "{service}: {subject}");
        }
        let may_dispatch = !refuses_publish(&connection, "cs.jobs.acme.site-a.x").await?;
        assert_eq!(may_dispatch, service == identities::WORKFLOWS, "{service}");
    }
    Ok(())
}

#[tokio::test]
async fn a_follower_that_aims_a_reply_at_the_log_changes_neither_log_nor_mirror()
-> anyhow::Result<()> {
    let stack = stand::stack().await?;
    let commit = subjects::log("main", TENANT, "change", CHANGE)?;
    let api = stack.connect_service(identities::COMMAND_API).await?;
    let follower = stack.connect_service(identities::PROJECTIONS).await?;
    append(&api, &commit, "the only commit").await?;
    holds(&follower, "CS_LOG_main", 1).await?;
    for subject in ["$JS.API.STREAM.INFO.CS_LOG_main", "$JS.API.STREAM.MSG.GET.CS_LOG_main"] {
        let body = Bytes::from(r#"{"seq":1}"#);
        follower.client().publish_with_reply(subject, commit.clone(), body).await?;
    }
    holds(&follower, "CS_LOG_main", 1).await?;
    assert_eq!(append(&api, &commit, "the next").await?, 2, "nothing came between");
    holds(&follower, "CS_LOG_main", 2).await?;
    assert_eq!(last_body(&follower, &commit).await?, "the next");
    Ok(())
}

#[tokio::test]
async fn a_dismissed_agent_is_disconnected_and_refused_while_others_stay() -> anyhow::Result<()> {
    let mut stack = stand::stack().await?;
    stack.admit_agent(TENANT, A).await?;
    stack.admit_agent(TENANT, B).await?;
    let b = stack.connect_agent(TENANT, B).await?;
    stack.dismiss_agent(TENANT, A).await?;
    assert!(stack.connect_agent(TENANT, A).await.is_err());
    assert!(AgentQueue::open(&b, TENANT, B).await.is_ok());
    assert_eq!(b.connects(), 1, "the reload did not disconnect B");
    Ok(())
}

async fn last_body(connection: &Connection, subject: &str) -> anyhow::Result<String> {
    let last = batch::last_on_leader(connection, "CS_LOG_main", subject).await?;
    let bytes = last.context("no commit")?.payload;
    Ok(String::from_utf8(bytes.to_vec())?)
}
