//! `version`: which program this is.

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Document, Output};
use serde_json::json;

/// Shows it.
pub fn run(output: &Output) -> Result<Exit, CliError> {
    let version = env!("CARGO_PKG_VERSION");
    let build = match (cfg!(feature = "dev"), cfg!(feature = "witness")) {
        (true, _) => "development",
        (false, true) => "witness",
        (false, false) => "forensic",
    };
    let value = json!({"version": version, "build": build});
    output.document(&Document::record(
        value,
        version,
        &[("version", version), ("build", build)],
    ))?;
    Ok(Exit::Ok)
}
