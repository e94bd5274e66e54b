//! The `OpenAPI` 3.1 document, generated from the handlers.

use crate::router::open_api;
use anyhow::Context as _;
use chassis::document::{Header, Shared};
use chassis::problem::ProblemBody;
use std::io::Write as _;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

/// What every command has in common.
pub(crate) const SHARED: Shared<'static> = Shared {
    request: &[
        Header {
            name: "Idempotency-Key",
            required: true,
            pattern: "^[!-~]{1,255}$",
            description: "The caller's name for this command: a retry with it gets the first answer. Its scope is \
                          the caller, the tenant, the operation and the aggregate",
        },
        Header {
            name: "Cs-Tenant",
            required: false,
            pattern: "^[a-z0-9][a-z0-9-]{0,62}$",
            description: "The tenant that a service acts for; a person acts in the token's own",
        },
        Header {
            name: "If-Match",
            required: false,
            pattern: "^\"[0-9]{1,19}\"$",
            description: "The ETag that the caller has seen; another version is 412",
        },
        Header {
            name: "Cs-Causation-Id",
            required: false,
            pattern: "^evt_[0-7][0-9a-hjkmnp-tv-z]{25}$",
            description: "The event that led to this command",
        },
        Header {
            name: "Cs-Correlation-Id",
            required: false,
            pattern: "^[!-~]{1,200}$",
            description: "What larger piece of work it belongs to",
        },
    ],
    answer: &[
        Header {
            name: "ETag",
            required: true,
            pattern: "^\"[0-9]+\"$",
            description: "The aggregate's version after the command",
        },
        Header {
            name: "Cs-Position",
            required: true,
            pattern: "^[a-z0-9][a-z0-9.-]*:[0-9]+$",
            description: "Where the commit is in the log: reads may wait for it with Cs-Min-Position",
        },
        Header {
            name: "Location",
            required: false,
            pattern: "^/v1/",
            description: "Where query-api reads the aggregate, if it does",
        },
        Header {
            name: "Idempotent-Replayed",
            required: false,
            pattern: "^true$",
            description: "There if an earlier try of this command was recorded",
        },
    ],
    problems: &[400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 500, 503],
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Countersign command API", version = "1", description =
        "The only door in. Every POST needs an Idempotency-Key; the answer is a signed receipt of the commit. \
         Errors are RFC 9457 problems with a stable code."),
    components(schemas(ProblemBody)),
    tags(
        (name = "identity", description = "Tenants, principals, trust roots"),
        (name = "catalog", description = "Data sources and their schema lock"),
        (name = "agents", description = "Agents"),
        (name = "changes", description = "Changes"),
        (name = "approvals", description = "Approvals"),
        (name = "jobs", description = "Jobs and results"),
        (name = "ledger", description = "The keys and gaps of the log"),
    ),
)]
struct Outline;

/// The document without its routes.
pub(crate) fn outline() -> OpenApi {
    Outline::openapi()
}

/// The document as it is checked in.
pub fn open_api_json() -> anyhow::Result<String> {
    let mut text = open_api()?.to_pretty_json().context("the document does not serialise")?;
    text.push('\n');
    Ok(text)
}

/// Writes a document to standard output.
pub fn print_document(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("standard output is closed")
}
