//! Intake: agents' signed results become commands. command-api verifies every one; hints decide nothing.

use crate::door::{Door, Told};
use crate::set_aside::{Aside, SetAside};
use client::commands::RecordJobResult;
use domain::ids::event_id;
use domain::jobs::JobError;
use domain::refusal::Refusal as _;
use nats::{Connection, Delivery, ResultKind, ResultQueue, subjects};
use tokio_util::sync::CancellationToken;
use trust::encoding::{Timestamp, to_base64};
use trust::message::ResultMessage;

const INTAKE: &str = "intake";

/// Takes results in until the process stops. A result is acknowledged only after command-api has recorded it, or after
/// it was set aside.
pub async fn take_in_results(
    connection: Connection,
    door: Door,
    set_aside: SetAside,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut queue = ResultQueue::open(&connection).await?;
    set_aside.show(INTAKE).await?;
    loop {
        let delivery = tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            delivery = queue.next() => delivery?,
        };
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            taken = take_in(&door, &delivery) => if let Err(aside) = taken {
                set_aside.keep(INTAKE, aside).await?;
            }
        }
        // Not acknowledged means delivered again: the same command then, which is found.
        if let Err(error) = delivery.acknowledge().await {
            tracing::warn!(%error, queue.sequence = delivery.sequence, "a result will come again");
        }
    }
}

async fn take_in(door: &Door, delivery: &Delivery) -> Result<(), Aside> {
    let aside =
        |what: &str, why: String| Aside { sequence: delivery.sequence, what: what.to_owned(), why };
    let subject = subjects::parse_result(delivery.subject())
        .map_err(|error| aside(delivery.subject(), error.to_string()))?;
    match subject.kind {
        ResultKind::Claimed | ResultKind::Progress => {
            tracing::info!(
                job.id = subject.job,
                agent = subject.agent,
                "the agent works on the job"
            );
            return Ok(());
        }
        ResultKind::Result => {}
    }
    let message = ResultMessage::parse(delivery.payload())
        .map_err(|error| aside(subject.job, format!("from agent {}: {error}", subject.agent)))?;
    let attempt = message.result.statement().attempt;
    let path = format!("/v1/jobs/{}/record-result", subject.job);
    // The event that led to it is the job's first, whose id follows from the job.
    let dispatched = event_id(subject.tenant, "job", subject.job, 1, 0);
    let key = format!("intake/{dispatched}/result-{attempt}");
    let received_at = Timestamp::new(delivery.stored_at);
    let body = RecordJobResult { message: to_base64(delivery.payload()), received_at };
    match door.tell_for((subject.tenant, delivery.traceparent()), &key, &path, &body).await {
        Told::Recorded => tracing::info!(job.id = subject.job, "result taken in"),
        // A redelivered job is answered again.
        Told::Refused { code } if code == JobError::AlreadyFinished.code() => {
            tracing::info!(job.id = subject.job, agent = subject.agent, "the job had its result");
        }
        // The job is still open: its change goes on only if somebody looks.
        Told::Refused { code } => {
            return Err(aside(subject.job, format!("from agent {}: {code}", subject.agent)));
        }
    }
    Ok(())
}
