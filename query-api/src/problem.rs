//! The problems that query-api itself answers; "not found" keeps the domain's codes.

use archive::ArchiveError;
use chassis::Problem;
use chassis::problem::{Chain, LOG_UNAVAILABLE};
use event_log::LogError;
use projections::DatabaseError;

chassis::problems! {
    PAGE_TOKEN_INVALID = "query.page_token_invalid", 400, "the page_token is malformed or belongs to another list, filter or tenant";
    POSITION_MALFORMED = "query.position_malformed", 400, "the header Cs-Min-Position is not <origin>:<sequence>";
    POSITION_OF_ANOTHER_LOG = "query.position_of_another_log", 400, "the header Cs-Min-Position names a log that is not read here";
    POSITION_NOT_REACHED = "query.position_not_reached", 503, "the read models have not reached the wanted position yet: try again";
    SEARCH_INVALID = "query.search_invalid", 400, "the search cannot be understood";
    SEARCH_NOT_REACHED = "query.search_not_reached", 503, "the search index has not reached the wanted position yet: try again";
    SEARCH_UNAVAILABLE = "query.search_unavailable", 503, "there is no search index yet: try again";
    UNAVAILABLE = "query.unavailable", 503, "the read models cannot be read now: try again";
    LOG_NOT_FOUND = "ledger.log_not_found", 404, "there is no such log here";
    NO_ARCHIVE = "ledger.no_archive", 404, "this query-api shows no sealed log: it has no archive configured";
    NOT_SEALED = "ledger.not_sealed", 404, "no checkpoint covers this yet: try again";
    CHECKPOINT_NOT_FOUND = "ledger.checkpoint_not_found", 404, "there is no checkpoint of this size";
    SIZES_MALFORMED = "ledger.sizes_malformed", 400, "sizes are from 1, and what is to be proven is not larger than the checkpoint";
    TILE_NOT_FOUND = "ledger.tile_not_found", 404, "there is no such tile";
    ARCHIVE_UNAVAILABLE = "ledger.archive_unavailable", 503, "the archive cannot be read now: try again";
    BLOB_NOT_FOUND = "ledger.blob_not_found", 404, "the log has no such blob of this tenant";
    NO_MANIFEST = "changes.no_manifest", 404, "the change has no manifest yet: nothing is to be signed";
}

const RETRY_SECONDS: u32 = 1;

/// The read models failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unread(String);

/// A list, document or row that could not be read.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
pub fn unread(error: DatabaseError) -> Problem {
    let described = error.described();
    if error.is_transient() {
        tracing::error!(error = described, "the read models are unavailable");
        return Problem::of(&UNAVAILABLE).retry_after(RETRY_SECONDS);
    }
    Problem::internal(&Unread(described))
}

/// What is in a list has no document yet: the documents are being made anew from the log.
pub fn being_rebuilt() -> Problem {
    Problem::of(&POSITION_NOT_REACHED)
        .detail("the document is being made anew from the log: try again")
        .retry_after(RETRY_SECONDS)
}

/// The archive could not be read.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
pub fn archive_unread(error: ArchiveError) -> Problem {
    if let ArchiveError::Store { .. } | ArchiveError::Folder { .. } = error {
        tracing::error!(error = %Chain(&error), "the archive is unavailable");
        return Problem::of(&ARCHIVE_UNAVAILABLE).retry_after(RETRY_SECONDS);
    }
    Problem::internal(&error)
}

/// The log could not be read.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
pub fn log_unread(error: LogError) -> Problem {
    match error {
        LogError::Read(_) | LogError::Follow(_) | LogError::Behind { .. } => {
            tracing::error!(error = %Chain(&error), "the log is unavailable");
            Problem::of(&LOG_UNAVAILABLE).retry_after(RETRY_SECONDS)
        }
        LogError::Name
        | LogError::BrokenChain { .. }
        | LogError::Unreadable { .. }
        | LogError::Blob { .. }
        | LogError::AnotherHistory { .. }
        | LogError::Shortened { .. }
        | LogError::Writer { .. }
        | LogError::Gap { .. }
        | LogError::GapFilled { .. }
        | LogError::NotOpen => Problem::internal(&error),
    }
}
