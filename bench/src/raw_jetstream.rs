//! The floor under an append: a publish of the same bytes and headers with the same expectation, and nothing else.

use crate::callers::{Run, Work, call};
use crate::locks::{DataSources, ROUNDS};
use crate::servers::TENANT;
use anyhow::Context as _;
use async_nats::HeaderMap;
use async_nats::jetstream::Context as JetStream;
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use devkit::stack::SHARD;
use ledger::{HASH_HEADER, SIGNATURE_HEADER};
use nats::{Connection, StoredMessage, subjects};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Publishes over one connection.
pub struct RawJetStream {
    connection: Connection,
    headers: HeaderMap,
    payload: Bytes,
}

impl RawJetStream {
    /// Messages like this one.
    pub fn like(connection: Connection, message: &StoredMessage) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        for name in [HASH_HEADER, SIGNATURE_HEADER] {
            headers.insert(name, message.header(name).context("a commit without its header")?);
        }
        Ok(Self { connection, headers, payload: message.payload.clone() })
    }

    /// One run.
    pub async fn run(&self, set: &str, callers: usize, commands: usize) -> anyhow::Result<Run> {
        let sources = DataSources::of(&format!("raw-{set}"), callers, commands);
        let subject = |id: &String| subjects::log(SHARD, TENANT, "data_source", id);
        let subjects = sources.ids().iter().map(subject).collect::<Result<Vec<_>, _>>()?;
        let mut last = Vec::new();
        last.resize_with(subjects.len(), AtomicU64::default);
        let (headers, payload) = (self.headers.clone(), self.payload.clone());
        let jetstream = self.connection.jetstream().clone();
        let each = sources.per_caller;
        let work = Arc::new(Publishes { jetstream, sources, subjects, last, headers, payload });
        // Each subject has two messages before the time is taken, as the aggregates have two commits.
        call(&work, callers, 2 * each).await?;
        call(&work, callers, ROUNDS * each).await
    }
}

struct Publishes {
    jetstream: JetStream,
    sources: DataSources,
    subjects: Vec<String>,
    last: Vec<AtomicU64>,
    headers: HeaderMap,
    payload: Bytes,
}

impl Work for Publishes {
    async fn one(&self, caller: usize, index: usize) -> anyhow::Result<()> {
        let (place, _) = self.sources.place(caller, index);
        let subject = self.subjects.get(place).context("there is no such subject")?;
        let last = self.last.get(place).context("there is no such subject")?;
        let message = PublishMessage::build()
            .headers(self.headers.clone())
            .payload(self.payload.clone())
            .expected_last_subject_sequence(last.load(Ordering::Relaxed));
        let ack = self.jetstream.send_publish(subject.clone(), message).await?.await?;
        anyhow::ensure!(!ack.duplicate, "the server took a message for a duplicate");
        last.store(ack.sequence, Ordering::Relaxed);
        Ok(())
    }
}
