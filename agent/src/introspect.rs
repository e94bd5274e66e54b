//! Mode `introspect`: the fixed queries of `pgfp1` and nothing else, read from one snapshot.
//!
//! Nothing is journaled: a redelivered job reads again, which harms nobody and says what is true then. One reading
//! gives one fingerprint, which is both the one before and the one after.

use crate::answer::{Answer, End, Subject};
use crate::executor::fingerprint::{self, Reads};
use crate::target::{Session, Target, TargetError, failed};
use chassis::Clock;
use tokio_util::sync::CancellationToken;
use trust::statement::Outcome;

/// Reads the schema. A database that answers with an error has failed; one that does not answer is tried again.
pub async fn introspect(
    target: &Target,
    subject: &Subject,
    cancelled: &CancellationToken,
    clock: &Clock,
) -> Result<Answer, TargetError> {
    let session = target.connect(subject.job.as_str()).await?;
    let reading = tokio::select! {
        reading = read(&session, target) => reading,
        () = cancelled.cancelled() => {
            tracing::info!(job.id = %subject.job, "introspection cancelled");
            return failed_clean(subject, clock);
        }
    };
    match reading {
        Ok(reading) => {
            let fingerprint = Some(reading.fingerprint);
            let end = End { steps: Vec::new(), before: fingerprint.clone(), after: fingerprint };
            let result = subject.result(Outcome::Succeeded, end, clock);
            Ok(Answer::of(&result, Some(reading.document))?)
        }
        Err(TargetError::Query { source, .. }) if source.as_db_error().is_some() => {
            let sqlstate = source.code().map(tokio_postgres::error::SqlState::code);
            tracing::warn!(job.id = %subject.job, sqlstate, "introspection failed");
            failed_clean(subject, clock)
        }
        Err(error) => Err(error),
    }
}

fn failed_clean(subject: &Subject, clock: &Clock) -> Result<Answer, TargetError> {
    Ok(Answer::of(&subject.result(Outcome::FailedClean, End::default(), clock), None)?)
}

async fn read(session: &Session, target: &Target) -> Result<fingerprint::Reading, TargetError> {
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = {}; \
         SET LOCAL statement_timeout = {}",
        target.limits.lock_timeout.as_millis(),
        target.limits.statement_timeout.as_millis(),
    );
    session.batch_execute(&begin).await.map_err(failed("begin to read the schema"))?;
    let reading = fingerprint::read(session, Reads::Schema).await?;
    session.batch_execute("COMMIT").await.map_err(failed("end reading the schema"))?;
    Ok(reading)
}
