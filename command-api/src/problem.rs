//! The problems that command-api itself answers; refusals of the domain keep their own codes.

use chassis::Problem;
use chassis::problem::{LOG_CONFLICT, LOG_UNAVAILABLE};
use domain::refusal::Refusal;
use event_log::{AppendError, ExecuteError, LogError};
use ledger::CommitError;

chassis::problems! {
    CAUSE_MALFORMED = "http.cause_malformed", 400, "the header Cs-Causation-Id or Cs-Correlation-Id is malformed";
    IF_MATCH_MALFORMED = "http.if_match_malformed", 400, "the header If-Match is not one strong ETag that this API gave";
    STALE = "http.stale", 412, "the thing has changed since the version that If-Match names: read it again";
    IN_FLIGHT = "http.in_flight", 409, "a request with this Idempotency-Key is being executed";
    OTHER_BODY = "http.idempotency_key_reused", 422, "the Idempotency-Key was used with another body";
    OUTCOME_UNKNOWN = "log.outcome_unknown", 503, "it is not known whether the command was recorded: send it again with the same Idempotency-Key";
    COMMIT_TOO_LARGE = "log.commit_too_large", 413, "what the command leads to does not fit into one commit (512 KiB)";
    SLUG_MALFORMED = "http.malformed_name", 422, "a name is not of the form ^[a-z0-9][a-z0-9-]{0,62}$";
    TEXT_LENGTH = "http.text_length", 422, "a text is empty or too long";
    TEXT_CONTROL = "http.text_control", 422, "a text holds a control character";
    BASE64_MALFORMED = "http.malformed_base64", 422, "a member is not canonical padded base64";
    TOKEN_EXPIRED = "identity.token_expired", 422, "the token's expiry is not in the future";
    ROOT_INVALID = "identity.trust_root_invalid", 422, "the trust root is malformed, invalid, of another tenant, or not signed by its own threshold";
    ROOT_WALK = "identity.trust_root_walk_not_supported", 422, "root versions after the first are not supported yet";
    ENGINE_NOT_SUPPORTED = "catalog.engine_not_supported", 422, "the engine is not supported: postgresql is";
    ENVIRONMENT_NOT_IN_ROOT = "catalog.environment_not_in_root", 422, "the tenant's trust root has no such environment";
    TOO_MANY_LABELS = "catalog.labels_invalid", 422, "at most 32 labels, each name and value of 1 to 63 bytes without control characters";
    MANIFEST_INVALID = "approvals.manifest_invalid", 422, "the manifest is malformed or does not describe this revision of this change";
    SIGNATURE_MALFORMED = "approvals.signature_malformed", 422, "the signature or statement is not of the DSSE form";
    DECISION_MISMATCH = "approvals.decision_mismatch", 422, "the signed decision is about another change or says something else";
    MESSAGE_INVALID = "jobs.message_invalid", 422, "the job message is malformed or is not what the request says";
    RESULT_INVALID = "jobs.result_invalid", 422, "the result message is malformed, not signed by the job's agent, or about another job";
    DOCUMENT_MISMATCH = "jobs.document_mismatch", 422, "the result's document does not have the fingerprint that it names";
    RESULT_MISSING = "jobs.no_result", 409, "the job has no result yet";
}

/// What became of a command that was not executed.
pub fn not_executed<E: Refusal + 'static>(error: ExecuteError<E>) -> Problem {
    match error {
        ExecuteError::Refused(refusal) => Problem::refusal(&refusal),
        ExecuteError::OtherBody => Problem::of(&OTHER_BODY),
        ExecuteError::Stale { version } => {
            Problem::of(&STALE).detail(format!("it is at version {version} now"))
        }
        ExecuteError::InFlight => Problem::of(&IN_FLIGHT).retry_after(1),
        ExecuteError::Conflict => Problem::of(&LOG_CONFLICT).retry_after(1),
        ExecuteError::Append(error) => not_appended(&error),
    }
}

/// What became of an append that failed.
pub fn not_appended(error: &AppendError) -> Problem {
    match error {
        AppendError::Unknown { .. } => {
            Problem::of(&OUTCOME_UNKNOWN).detail(error.to_string()).retry_after(1)
        }
        AppendError::Conflict => Problem::of(&LOG_CONFLICT).retry_after(1),
        AppendError::Blob { .. } => unavailable(error).detail(error.to_string()),
        AppendError::AnotherLog(_) => unavailable(error),
        AppendError::Log(error) => unread(error),
        AppendError::Commit(CommitError::TooLarge(bytes)) => {
            Problem::of(&COMMIT_TOO_LARGE).detail(format!("it would have {bytes} bytes"))
        }
        AppendError::Commit(_) | AppendError::Event(_) => Problem::internal(error),
    }
}

/// What a failed read of the log means for the caller.
pub fn unread(error: &LogError) -> Problem {
    match error {
        LogError::Read(_)
        | LogError::Follow(_)
        | LogError::Behind { .. }
        | LogError::Writer { .. } => unavailable(error),
        LogError::Name
        | LogError::BrokenChain { .. }
        | LogError::Unreadable { .. }
        | LogError::Blob { .. }
        | LogError::AnotherHistory { .. }
        | LogError::Shortened { .. }
        | LogError::Gap { .. }
        | LogError::GapFilled { .. }
        | LogError::NotOpen => Problem::internal(error),
    }
}

fn unavailable(error: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::error!(error = %chassis::problem::Chain(error), "the log is unavailable");
    Problem::of(&LOG_UNAVAILABLE).retry_after(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_commit_can_hold_is_the_callers_to_change() {
        let problem = not_appended(&AppendError::Commit(CommitError::TooLarge(524_289)));
        assert_eq!((problem.status().as_u16(), problem.code()), (413, "log.commit_too_large"));
        let problem = not_appended(&AppendError::Commit(CommitError::NoEvents));
        assert_eq!(problem.status().as_u16(), 500);
    }
}
