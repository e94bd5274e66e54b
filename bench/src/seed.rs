//! Signed commits and blobs at the speed of the server: published without waiting for each acknowledgement.
//!
//! What is written are the very bytes that the appender would have written, so that every reader accepts them.

use crate::servers::writer;
use anyhow::Context as _;
use async_nats::HeaderMap;
use async_nats::jetstream::Context as JetStream;
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use ledger::{CommitHash, HASH_HEADER, SIGNATURE_HEADER, sign_hash};
use nats::Connection;
use std::collections::VecDeque;
use tokio::sync::mpsc;
use trust::keys::PrivateKey;

/// Acknowledgements that are waited for at a time.
const UNACKNOWLEDGED: usize = 2_000;
/// Messages that are made ahead.
const AHEAD: usize = 4_096;

/// A message ready to be stored.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its subject.
    pub subject: String,
    /// The hash and the signature of a commit; nothing for a blob.
    pub headers: HeaderMap,
    /// The exact bytes.
    pub payload: Bytes,
}

impl Message {
    /// A commit, signed by the log's writer.
    pub fn commit(subject: String, payload: Vec<u8>, hash: &CommitHash, key: &PrivateKey) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(HASH_HEADER, hash.to_string().as_str());
        headers.insert(SIGNATURE_HEADER, sign_hash(key, hash).to_string().as_str());
        Self { subject, headers, payload: payload.into() }
    }

    /// A blob.
    pub fn blob(subject: String, bytes: Vec<u8>) -> Self {
        Self { subject, headers: HeaderMap::new(), payload: bytes.into() }
    }
}

/// Publishes what `make` gives, which runs on a thread of its own; answers the last stream sequence.
pub async fn publish<F>(connection: &Connection, make: F) -> anyhow::Result<u64>
where
    F: FnOnce(&PrivateKey, &dyn Fn(Message) -> anyhow::Result<()>) -> anyhow::Result<()>
        + Send
        + 'static,
{
    publish_all(connection, vec![make]).await
}

/// As [`publish`], from several threads; what one makes keeps its order.
pub async fn publish_all<F>(connection: &Connection, makers: Vec<F>) -> anyhow::Result<u64>
where
    F: FnOnce(&PrivateKey, &dyn Fn(Message) -> anyhow::Result<()>) -> anyhow::Result<()>
        + Send
        + 'static,
{
    let (sender, receiver) = mpsc::channel(AHEAD);
    let making: Vec<_> = makers
        .into_iter()
        .map(|make| {
            let sender = sender.clone();
            tokio::task::spawn_blocking(move || {
                let send = |message| {
                    let sent = sender.blocking_send(message);
                    sent.map_err(|_| anyhow::anyhow!("nobody publishes any more"))
                };
                make(&writer(), &send)
            })
        })
        .collect();
    drop(sender);
    let last = published(connection.jetstream(), receiver).await?;
    for made in making {
        made.await.context("a maker of messages ended")??;
    }
    Ok(last)
}

async fn published(
    jetstream: &JetStream,
    mut messages: mpsc::Receiver<Message>,
) -> anyhow::Result<u64> {
    let mut waiting: VecDeque<PublishAckFuture> = VecDeque::new();
    let mut last = 0;
    while let Some(Message { subject, headers, payload }) = messages.recv().await {
        let message = PublishMessage::build().headers(headers).payload(payload);
        waiting.push_back(jetstream.send_publish(subject, message).await?);
        if waiting.len() >= UNACKNOWLEDGED
            && let Some(oldest) = waiting.pop_front()
        {
            last = oldest.await?.sequence;
        }
    }
    for ack in waiting {
        last = last.max(ack.await?.sequence);
    }
    Ok(last)
}
