//! What an appender keeps between two commands is never the last word.

use crate::world::{TENANT, identity, request, stack, writer};
use anyhow::Context as _;
use countersign_event_log as event_log;
use devkit::identities::COMMAND_API;
use domain::catalog::{DataSource, DataSourceCommand, DataSourceError, Registered};
use domain::ids::{AgentId, ChangeId, DataSourceId};
use event_log::{Answered, EventLog, ExecuteError, Target};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

type Executed = Result<Answered, ExecuteError<DataSourceError>>;

fn change(n: u32) -> ChangeId {
    ChangeId::derived("change", &[&n.to_string()])
}

async fn shop(log: &EventLog, key: &str, command: DataSourceCommand) -> anyhow::Result<Executed> {
    let id = DataSourceId::derived("data_source", &[TENANT, "shop"]).to_string();
    let target = Target { tenant: TENANT.to_owned(), id };
    Ok(log.execute::<DataSource, _>(&target, command, &request(key, "")?).await)
}

#[tokio::test]
async fn another_appender_is_noticed_by_the_append_and_before_every_refusal() -> anyhow::Result<()>
{
    let (stack, one) = stack().await?;
    let other = stack.connect_service(COMMAND_API).await?;
    let other = EventLog::open(&other, identity()?, writer()).await?;
    let registered = Registered {
        name: "shop".to_owned(),
        engine: "postgresql".to_owned(),
        environment: "dev".to_owned(),
        agent: AgentId::derived("agent", &["edge"]),
        agent_name: "edge".to_owned(),
        labels: BTreeMap::new(),
    };
    shop(&one, "register", DataSourceCommand::Register(registered)).await??;
    let lock = |n| DataSourceCommand::RequestLock { change: change(n) };
    let release = |n| DataSourceCommand::ReleaseLock { change: change(n) };
    assert_eq!(shop(&one, "lock 1", lock(1)).await??.receipt().version, 2);

    // Kept at version 2; the other one appends. An append on top finds out and decides again.
    assert_eq!(shop(&other, "release 1", release(1)).await??.receipt().version, 3);
    assert_eq!(shop(&one, "lock 2", lock(2)).await??.receipt().version, 4);

    // Kept at version 4, where change 3 has nothing to release: refused only if the leader says so too.
    assert_eq!(shop(&other, "lock 3", lock(3)).await??.receipt().version, 5);
    assert_eq!(shop(&one, "release 3", release(3)).await??.receipt().version, 6);
    let refused = shop(&one, "release 4", release(4)).await?;
    assert!(matches!(refused, Err(ExecuteError::Refused(_))), "{refused:?}");

    // A command that the other one recorded is found, not recorded again.
    assert_eq!(shop(&other, "lock 5", lock(5)).await??.receipt().version, 7);
    let again = shop(&one, "lock 5", lock(5)).await??;
    assert_eq!((again.receipt().version, again.replayed), (7, true));

    // Nothing is read before an append to what was kept: one message, the append itself.
    let connection = stack.connect_service(COMMAND_API).await?;
    let third = EventLog::open(&connection, identity()?, writer()).await?;
    let sent = || connection.client().statistics().out_messages.load(Ordering::Relaxed);
    assert_eq!(shop(&third, "lock 8", lock(8)).await??.receipt().version, 8);
    let before = sent();
    assert_eq!(shop(&third, "release 8", release(8)).await??.receipt().version, 9);
    assert_eq!(sent() - before, 1);

    // Nor does anything outlive a connection.
    one.reconnect().await.context("it does not connect again")?;
    assert_eq!(shop(&one, "lock 6", lock(6)).await??.receipt().version, 10);
    stack.stop().await;
    Ok(())
}
