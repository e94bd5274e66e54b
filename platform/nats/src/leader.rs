//! The leader's word about a subject, and whether whoever gives it still leads.
//!
//! A leader that was stopped in time or cut off from the others goes on answering until it notices, and so does a node
//! that knows of no leader. The answer's own account of when its sender last heard the others tells (nats-server:
//! heartbeats every second, elections after 4 to 9 s of silence). It is evidence, not proof: see decision 0014.

use std::time::Duration;

use async_nats::jetstream::stream::{ClusterInfo, PeerInfo, RawMessageErrorKind};
use futures::TryStreamExt as _;

use crate::Connection;
use crate::batch::ReadError;

/// How long ago a node may have been heard.
const LEASE: Duration = Duration::from_secs(3);

/// How many messages `subject`, without wildcards, has on the leader of `stream`, which has heard a majority within three seconds.
pub async fn messages_of(
    connection: &Connection,
    stream: &str,
    subject: &str,
) -> Result<u64, ReadError> {
    let handle = connection.jetstream().get_stream_no_info(stream).await;
    let handle = handle.map_err(|error| ReadError::request(stream, error))?;
    let answer = handle.info_with_subjects(subject).await;
    let mut answer = answer.map_err(|error| ReadError::request(stream, error))?;
    if let Some(cluster) = &answer.info.cluster {
        leads(stream, cluster)?;
    }
    // One subject, one entry: asking for more would be another request.
    let entry = answer.try_next().await.map_err(|error| ReadError::request(stream, error))?;
    Ok(entry.map_or(0, |(_, messages)| u64::try_from(messages).unwrap_or(u64::MAX)))
}

/// Whether the leader of `stream`, which has heard a majority within three seconds, holds a message at `sequence`.
pub async fn holds(
    connection: &Connection,
    stream: &str,
    sequence: u64,
) -> Result<bool, ReadError> {
    let handle = connection.jetstream().get_stream(stream).await;
    let handle = handle.map_err(|error| ReadError::request(stream, error))?;
    if let Some(cluster) = &handle.cached_info().cluster {
        leads(stream, cluster)?;
    }
    match handle.get_raw_message(sequence).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(false),
        Err(error) => Err(ReadError::request(stream, error)),
    }
}

fn leads(stream: &str, cluster: &ClusterInfo) -> Result<(), ReadError> {
    let nodes = cluster.replicas.len() + 1;
    if cluster.leader.as_ref().is_none_or(String::is_empty) {
        return Err(ReadError::NotLeading { stream: stream.to_owned(), heard: 0, nodes });
    }
    let heard = 1 + cluster.replicas.iter().filter(|node| is_heard(node)).count();
    if heard * 2 > nodes {
        return Ok(());
    }
    Err(ReadError::NotLeading { stream: stream.to_owned(), heard, nodes })
}

/// The server says zero also of a node that was never heard; such a node is not current.
fn is_heard(node: &PeerInfo) -> bool {
    node.active < LEASE && (node.current || node.active > Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cluster(heard_millis: &[u64]) -> anyhow::Result<ClusterInfo> {
        let node = |millis| json!({"name": "n", "current": true, "active": millis * 1_000_000});
        let replicas: Vec<_> = heard_millis.iter().map(node).collect();
        Ok(serde_json::from_value(json!({"name": "c", "leader": "a", "replicas": replicas}))?)
    }

    #[test]
    fn a_leader_that_has_heard_a_majority_lately_leads() {
        for heard in [&[][..], &[0, 0], &[900, 8_000], &[1, 2, 8_000, 8_000]] {
            assert!(leads("S", &cluster(heard).unwrap()).is_ok(), "{heard:?}");
        }
    }

    #[test]
    fn a_node_that_knows_of_no_leader_is_none() {
        let mut leaderless = cluster(&[1, 1]).unwrap();
        for leader in [None, Some(String::new())] {
            leaderless.leader = leader;
            assert!(leads("S", &leaderless).is_err());
        }
    }

    #[test]
    fn one_that_has_not_may_have_been_replaced() {
        for heard in [&[3_000][..], &[3_000, 8_000], &[1, 4_000, 8_000, 8_000]] {
            assert!(leads("S", &cluster(heard).unwrap()).is_err(), "{heard:?}");
        }
        let mut never = cluster(&[0, 0]).unwrap();
        never.replicas.iter_mut().for_each(|node| node.current = false);
        assert!(matches!(
            leads("S", &never),
            Err(ReadError::NotLeading { heard: 1, nodes: 3, .. })
        ));
    }
}
