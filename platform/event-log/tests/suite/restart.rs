//! nats-server goes away and comes back, with the same files or with others.

use crate::world::{
    TENANT, enroll, enrolled, identity, request, stack, start_again, target, writer,
};
use countersign_event_log as event_log;
use cqrs_es::{AggregateError, EventStore as _};
use devkit::Stack;
use devkit::identities::{COMMAND_API, CONTROL_OPERATOR, LOG_OPERATOR, WORKFLOWS};
use devkit::nats_server::NatsServer;
use devkit::stack::SHARD;
use domain::agents::{Agent, AgentCommand, AgentEvent};
use event_log::{
    AggregateStore, AppendError, EventLog, Followed, Follower, LogError, REQUEST, Reader, open_log,
};
use std::collections::HashMap;

/// What a follower gets, once the server answers again.
async fn next(follower: &mut Follower) -> Result<Followed, LogError> {
    loop {
        match follower.next().await {
            Err(error) if error.is_transient() => tokio::task::yield_now().await,
            seen => return seen,
        }
    }
}

/// In the place of the stopped server stands another: the same port, the same names, empty streams.
async fn replaced(stack: &Stack) -> anyhow::Result<NatsServer> {
    std::fs::remove_dir_all(stack.nats().store())?;
    let server = start_again(stack).await?;
    let operator = stack.connect_service(LOG_OPERATOR).await?;
    nats::streams::provision_log(&operator, SHARD, 1).await?;
    let operator = stack.connect_service(CONTROL_OPERATOR).await?;
    nats::streams::provision_control(&operator, SHARD, 1).await?;
    Ok(server)
}

#[tokio::test]
async fn an_idle_follower_that_resumed_goes_on_after_a_restart() -> anyhow::Result<()> {
    let (stack, log) = stack().await?;
    let position = enrolled(&log, "a", "a").await?.receipt().position();
    let control = stack.connect_service(WORKFLOWS).await?;
    let mut follower = Reader::new(&control, identity()?).follow(Some(position)).await?;
    stack.nats().stop().await;
    let server = start_again(&stack).await?;
    // Over a connection of its own: the log's old one need not be back yet.
    let connection = stack.connect_service(COMMAND_API).await?;
    let log = EventLog::open(&connection, identity()?, writer()).await?;
    let second = enrolled(&log, "b", "b").await?.receipt();
    let seen = next(&mut follower).await?;
    assert!(matches!(seen, Followed::Commit(it) if it.sequence == second.sequence));
    server.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_follower_does_not_go_on_in_another_history() -> anyhow::Result<()> {
    let (stack, log) = stack().await?;
    enrolled(&log, "a", "a").await?;
    let control = stack.connect_service(WORKFLOWS).await?;
    let mut follower = Reader::new(&control, identity()?).follow(None).await?;
    for _ in 1..=2 {
        assert!(matches!(next(&mut follower).await?, Followed::Commit(_)));
    }
    stack.nats().stop().await;
    let server = replaced(&stack).await?;
    let connection = stack.connect_service(COMMAND_API).await?;
    let opening = request("open again", "")?;
    open_log(&connection, identity()?, &writer(), "1".repeat(64), &opening).await?;
    let log = EventLog::open(&connection, identity()?, writer()).await?;
    for name in ["x", "y", "z"] {
        enrolled(&log, name, name).await?;
    }
    let refused = next(&mut follower).await;
    assert!(matches!(refused, Err(LogError::AnotherHistory { sequence: 2, .. })), "{refused:?}");
    server.stop().await;
    Ok(())
}

#[tokio::test]
async fn an_append_that_is_tried_again_does_not_land_in_another_stream() -> anyhow::Result<()> {
    let (stack, log) = stack().await?;
    enrolled(&log, "a", "a").await?;
    let store = AggregateStore::<Agent>::new(&log);
    let context = store.load_aggregate(&format!("{TENANT}/{}", target("b").id)).await?;
    let AgentCommand::Enroll(it) = enroll("b");
    let metadata =
        HashMap::from([(REQUEST.to_owned(), serde_json::to_string(&request("b", "b")?)?)]);
    stack.nats().stop().await;
    let commit = store.commit(vec![AgentEvent::Enrolled(it)], context, metadata);
    let (committed, server) = tokio::join!(commit, replaced(&stack));
    let Err(AggregateError::UnexpectedError(error)) = committed else {
        panic!("it was appended to another stream: {committed:?}")
    };
    assert!(matches!(error.downcast_ref(), Some(AppendError::AnotherLog(_))), "{error:?}");
    server?.stop().await;
    Ok(())
}
