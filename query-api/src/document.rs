//! The `OpenAPI` 3.1 document, generated from the handlers.

use crate::router::open_api;
use anyhow::Context as _;
use chassis::problem::ProblemBody;
use std::io::Write as _;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

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
    let mut text = open_api().to_pretty_json().context("the document does not serialise")?;
    text.push('\n');
    Ok(text)
}

/// Writes a document to standard output.
pub fn print_document(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("standard output is closed")
}
