//! A message that is not a job, on a job's subject: refused as `malformed`, by as much of it as can be read.

use crate::answer::{Answer, End, Subject, unauthentic};
use crate::worker::Worker;
use serde_json::Value;
use trust::accept::Refusal;
use trust::encoding::from_base64;
use trust::message::MessageError;
use trust::names::JobId;
use trust::statement::{Mode, StatementError};

/// The wire's integers are below 2^53; what is not cannot be repeated in an answer.
const INTEGER_LIMIT: u64 = 1 << 53;

/// The answer, or `None` if not even a data source can be named: there is nobody to answer to then.
///
/// The job comes from the subject. Attempt, fence, data source and mode come from the payload as far as it can be read;
/// an agent with one data source can only mean that one. The same job may come in a message that holds, so that the
/// answer does not name its digest.
pub fn refuse(
    worker: &Worker,
    job: JobId,
    bytes: &[u8],
    error: &MessageError,
) -> Result<Option<Answer>, StatementError> {
    let payload = job_payload(bytes);
    let said: Value = payload
        .as_deref()
        .and_then(|payload| serde_json::from_slice(payload).ok())
        .unwrap_or_default();
    let member = |name: &str| said.get(name).cloned().unwrap_or_default();
    let site = worker.site();
    let mut configured = site.data_sources.keys();
    let only = configured.next().filter(|_| configured.next().is_none()).cloned();
    let named = serde_json::from_value(member("data_source")).ok();
    let Some(data_source) = named.or(only) else { return Ok(None) };
    let number = |name: &str| member(name).as_u64().filter(|number| *number < INTEGER_LIMIT);
    let subject = Subject {
        tenant: site.tenant.clone(),
        agent: site.agent.clone(),
        data_source,
        job,
        attempt: number("attempt").filter(|attempt| *attempt > 0).unwrap_or(1),
        fence: number("fence").unwrap_or(0),
        job_sha256: unauthentic(payload.as_deref().unwrap_or(bytes)),
        change_sha256: serde_json::from_value(member("change_sha256")).ok(),
        root: worker.root().reference(),
        mode: serde_json::from_value(member("mode")).unwrap_or(Mode::Introspect),
        counted: Vec::new(),
        started_at: worker.clock().now(),
        authentic: false,
    };
    subject.refused(&Refusal::from(error), End::default(), worker.clock()).map(Some)
}

fn job_payload(bytes: &[u8]) -> Option<Vec<u8>> {
    let message: Value = serde_json::from_slice(bytes).ok()?;
    from_base64(message.get("job")?.get("payload")?.as_str()?).ok()
}
