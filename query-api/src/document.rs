//! The `OpenAPI` 3.1 document, generated from the handlers.

use crate::router::open_api;
use anyhow::Context as _;
use chassis::document::{Header, Shared};
use chassis::problem::ProblemBody;
use std::io::Write as _;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

/// What every read has in common.
pub(crate) const SHARED: Shared<'static> = Shared {
    request: &[
        Header {
            name: "Cs-Tenant",
            required: false,
            pattern: "^[a-z0-9][a-z0-9-]{0,62}$",
            description: "The tenant that a service acts for; a person acts in the token's own",
        },
        Header {
            name: "Cs-Min-Position",
            required: false,
            pattern: "^[a-z0-9][a-z0-9.-]*:[0-9]{1,19}$",
            description: "The answer must hold everything up to here, else 503 query.position_not_reached",
        },
        Header {
            name: "Prefer",
            required: false,
            pattern: "^wait=[0-9]{1,4}$",
            description: "How many seconds to wait for Cs-Min-Position, at most 30",
        },
    ],
    answer: &[Header {
        name: "Cs-Position",
        required: false,
        pattern: "^[a-z0-9][a-z0-9.-]*:[0-9]+$",
        description: "Everything up to here is in the answer",
    }],
    problems: &[400, 401, 403, 404, 500, 503],
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Countersign query API", version = "1", description =
        "The only door out. Every answer says in Cs-Position up to which position of the log everything is in it; \
         Cs-Min-Position with Prefer: wait=<seconds> waits for one. Services name their tenant in Cs-Tenant. \
         Errors are RFC 9457 problems with a stable code."),
    components(schemas(ProblemBody)),
    tags(
        (name = "changes", description = "Changes"),
        (name = "approvals", description = "Approvals"),
        (name = "catalog", description = "Data sources and their schema lock"),
        (name = "jobs", description = "Jobs and what became of them"),
        (name = "agents", description = "Agents"),
        (name = "identity", description = "The caller, and the trust root"),
        (name = "audit", description = "Search over everything that happened"),
        (name = "ledger", description = "The log itself, for auditors of tenant system"),
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
