//! Intake: agents' signed results become commands. command-api verifies every one; hints decide nothing.

use crate::door::{Door, Told};
use client::commands::RecordJobResult;
use domain::ids::event_id;
use nats::{Connection, Delivery, ResultKind, ResultQueue, subjects};
use tokio_util::sync::CancellationToken;
use trust::encoding::{Timestamp, to_base64};
use trust::message::ResultMessage;

/// Takes results in until the process stops. A result is acknowledged only after command-api has answered.
pub async fn take_in_results(
    connection: Connection,
    door: Door,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut queue = ResultQueue::open(&connection).await?;
    loop {
        let delivery = tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            delivery = queue.next() => delivery?,
        };
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = take_in(&door, &delivery) => {}
        }
        // Not acknowledged means delivered again: the same command then, which is found.
        if let Err(error) = delivery.acknowledge().await {
            tracing::warn!(%error, sequence = delivery.sequence, "a result will come again");
        }
    }
}

async fn take_in(door: &Door, delivery: &Delivery) {
    let subject = match subjects::parse_result(delivery.subject()) {
        Ok(subject) => subject,
        Err(error) => {
            tracing::error!(%error, sequence = delivery.sequence, "a result on a strange subject");
            return;
        }
    };
    match subject.kind {
        ResultKind::Claimed | ResultKind::Progress => {
            tracing::info!(
                job.id = subject.job,
                agent = subject.agent,
                "the agent works on the job"
            );
            return;
        }
        ResultKind::Result => {}
    }
    let attempt = match ResultMessage::parse(delivery.payload()) {
        Ok(message) => message.result.statement().attempt,
        Err(error) => {
            tracing::error!(job.id = subject.job, agent = subject.agent, %error, "a malformed result");
            return;
        }
    };
    let path = format!("/v1/jobs/{}/record-result", subject.job);
    // The event that led to it is the job's first, whose id follows from the job.
    let dispatched = event_id(subject.tenant, "job", subject.job, 1, 0);
    let key = format!("intake/{dispatched}/result-{attempt}");
    let received_at = Timestamp::new(delivery.stored_at);
    let body = RecordJobResult { message: to_base64(delivery.payload()), received_at };
    match door.tell_for(subject.tenant, &key, &path, &body).await {
        Told::Recorded => tracing::info!(job.id = subject.job, "result taken in"),
        Told::Refused { code } => tracing::error!(
            job.id = subject.job,
            agent = subject.agent,
            code,
            "a result was not taken in"
        ),
    }
}
