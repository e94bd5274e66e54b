//! Three nodes go on without one of them.

mod stand;

use countersign_devkit::Cluster;
use countersign_devkit::identities::{COMMAND_API, LOG_OPERATOR};
use stand::append;

const STREAM: &str = "CS_LOG_main";
const SUBJECT: &str = "cs.log.main.acme.change.chg_01hzy8q3v5e6m7n8p9qrstvwxy";

#[tokio::test]
async fn a_cluster_goes_on_without_its_leader_and_takes_it_back() -> anyhow::Result<()> {
    let mut cluster = Cluster::start().await?;
    let first = cluster.connect_service(0, LOG_OPERATOR).await?;
    let info = first.jetstream().get_stream(STREAM).await?.cached_info().clone();
    assert_eq!(info.config.num_replicas, 3);
    let leader = cluster.leader_other_than(None, &first, STREAM).await?;
    let writer = cluster.connect_service(leader + 1, COMMAND_API).await?;
    assert_eq!(append(&writer, SUBJECT, "one").await?, 1);
    cluster.kill(leader).await;
    let next = cluster.leader_other_than(Some(leader), &writer, STREAM).await?;
    assert_ne!(next, leader);
    assert_eq!(append(&writer, SUBJECT, "two").await?, 2);
    cluster.start_again(leader).await?;
    let again = cluster.connect_service(leader, COMMAND_API).await?;
    assert_eq!(append(&again, SUBJECT, "three").await?, 3);
    cluster.stop().await;
    Ok(())
}
