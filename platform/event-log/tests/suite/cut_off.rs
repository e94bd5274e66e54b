//! A leader that none of the others answers: it goes on reading and does not know whether another one leads.

use crate::servers::{Servers, data_source, lock, register, release};
use crate::world::{TENANT, request};
use anyhow::{Context as _, bail, ensure};
use countersign_event_log::ExecuteError;
use devkit::identities::{COMMAND_API, LOG_OPERATOR};
use domain::catalog::{DataSource, DataSourceError};
use nats::{ReadError, batch, leader, subjects};
use std::time::{Duration, Instant};

const STREAM: &str = "CS_LOG_main";
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_leader_that_hears_nobody_confirms_nothing_until_it_does() -> anyhow::Result<()> {
    let servers = Servers::three().await?;
    let Servers::Three(cluster, _) = &servers else { bail!("one server has no leader") };
    let operator = cluster.connect_service(0, LOG_OPERATOR).await?;
    let leading = cluster.leader_other_than(None, &operator, STREAM).await?;
    let connection = servers.connect(&servers.node(leading).url(), COMMAND_API).await?;
    let log = servers.log_over(&connection).await?;
    let shop = data_source("shop");
    log.execute::<DataSource, _>(&shop, register("shop"), &request("register", "")?).await?;
    log.execute::<DataSource, _>(&shop, lock(1), &request("lock 1", "")?).await?;
    let subject = subjects::log("main", TENANT, "data_source", &shop.id)?;
    assert_eq!(leader::messages_of(&connection, STREAM, &subject).await?, 2);

    let others = [cluster.node(leading + 1).child(), cluster.node(leading + 2).child()];
    for node in others {
        node.pause();
    }
    let until = Instant::now() + PATIENCE;
    let heard = loop {
        match leader::messages_of(&connection, STREAM, &subject).await {
            Err(ReadError::NotLeading { heard, nodes: 3, .. }) => break heard,
            Ok(2) if Instant::now() < until => tokio::task::yield_now().await,
            other => bail!("{other:?}"),
        }
    };
    assert_eq!(heard, 1);
    let read = batch::last_on_leader(&connection, STREAM, &subject).await?;
    read.context("it still reads, and says nothing of its being alone")?;

    let again = request("release 2", "")?;
    let alone = async {
        for _ in 0..20 {
            let word = leader::messages_of(&connection, STREAM, &subject).await;
            ensure!(word.is_err(), "it is believed again: {word:?}");
        }
        Ok(())
    };
    tokio::select! {
        answered = log.execute::<DataSource, _>(&shop, release(2), &again) => {
            bail!("answered while nobody else was heard: {answered:?}");
        }
        asked = alone => asked?,
    }
    for node in others {
        node.resume();
    }
    let refused = log.execute::<DataSource, _>(&shop, release(2), &again).await;
    let held = matches!(refused, Err(ExecuteError::Refused(DataSourceError::NotHolder)));
    assert!(held, "{refused:?}");
    servers.stop().await;
    Ok(())
}
