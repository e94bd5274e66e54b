//! What the tests of the stack have in common.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::allow_attributes, reason = "an expectation would fail in the others")]

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use countersign_devkit::stack::{Options, Stack};
use nats::{Connection, ConnectionEvent};

pub const TENANT: &str = "acme";
pub const CHANGE: &str = "chg_01hzy8q3v5e6m7n8p9qrstvwxy";
pub const JOB: &str = "job_01hzy8q3v5e6m7n8p9qrstvwxy";
pub const PATIENCE: Duration = Duration::from_secs(20);

pub async fn stack() -> anyhow::Result<Stack> {
    Ok(Stack::start(Options::default()).await?)
}

/// Publishes and waits for the stream's acknowledgement.
pub async fn append(
    connection: &Connection,
    subject: &str,
    body: &'static str,
) -> anyhow::Result<u64> {
    let publish = connection.jetstream().publish(subject.to_owned(), Bytes::from(body)).await?;
    Ok(publish.await?.sequence)
}

/// How many messages a stream holds, as `connection` sees it.
pub async fn count(connection: &Connection, stream: &str) -> anyhow::Result<u64> {
    Ok(connection.jetstream().get_stream(stream).await?.cached_info().state.messages)
}

/// Asks again until the stream holds `wanted` messages.
pub async fn holds(connection: &Connection, stream: &str, wanted: u64) -> anyhow::Result<()> {
    let reached = async {
        while count(connection, stream).await? < wanted {}
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, reached).await.context("the stream does not fill")?
}

/// What the server refuses because of `send`, which it has taken in once it refuses the probe.
pub async fn refusals<F: Future<Output = anyhow::Result<()>>>(
    connection: &Connection,
    send: F,
) -> anyhow::Result<Vec<String>> {
    const PROBE: &str = "nobody.may.publish.this";
    let mut events = connection.events();
    send.await?;
    connection.client().publish(PROBE, Bytes::new()).await?;
    connection.client().flush().await?;
    let mut refused = Vec::new();
    loop {
        let event = tokio::time::timeout(PATIENCE, events.recv()).await.context("no refusal")??;
        match event {
            ConnectionEvent::Refused(text) if text.contains(PROBE) => return Ok(refused),
            ConnectionEvent::Refused(text) => refused.push(text),
            _ => {}
        }
    }
}

/// Whether the server refuses a publish to `subject`; without a body it does no harm if not.
pub async fn refuses_publish(connection: &Connection, subject: &str) -> anyhow::Result<bool> {
    let send = async {
        let inbox = connection.client().new_inbox();
        Ok(connection.client().publish_with_reply(subject.to_owned(), inbox, Bytes::new()).await?)
    };
    let refused = refusals(connection, send).await?;
    Ok(refused.iter().any(|text| text.contains(subject)))
}

/// Whether the server refuses a subscription to `subject`.
pub async fn refuses_subscribe(connection: &Connection, subject: &str) -> anyhow::Result<bool> {
    let mut held = None;
    let send = async {
        held = Some(connection.client().subscribe(subject.to_owned()).await?);
        Ok(())
    };
    let refused = refusals(connection, send).await?;
    drop(held);
    Ok(refused.iter().any(|text| text.contains(subject)))
}
