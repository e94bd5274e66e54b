//! `doctor`: gather facts, judge them, show what was found. Nothing is changed.
//!
//! Facts are gathered by the modules that may do I/O; what follows from them is decided by pure functions, which the
//! tests of every finding call.

mod apis;
mod clock;
mod finding;
#[cfg(feature = "dev")]
mod local;
mod root;

use crate::args::{DoctorArguments, Global};
use crate::config;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Output;
use apis::{Access, Measure};
use chrono::Duration;
use finding::Finding;

/// Looks, judges, shows: 0 without a problem, else 1.
pub async fn run(
    arguments: &DoctorArguments,
    global: &Global,
    output: &Output,
) -> Result<Exit, CliError> {
    let findings = looked(arguments, global).await?;
    let exit = if finding::has_problem(&findings) { Exit::Failure } else { Exit::Ok };
    output.document(&finding::document(findings)?)?;
    Ok(exit)
}

/// With a data folder the whole stack, else what the configured APIs show.
#[cfg(feature = "dev")]
async fn looked(arguments: &DoctorArguments, global: &Global) -> Result<Vec<Finding>, CliError> {
    let named = arguments.data_dir.clone();
    if named.is_none() && config::names_an_api(global) {
        return of_apis(&configured(global)?, arguments).await;
    }
    let folder = named.unwrap_or_else(devkit::default_data_dir);
    let folder = std::path::absolute(&folder).map_err(|source| CliError::ReadFile {
        what: "the data folder",
        path: folder,
        source,
    })?;
    if !local::is_data_folder(&folder) {
        let sentence = format!("{} is not a data folder of countersign dev", folder.display());
        let mend = format!("countersign dev --data-dir {}", finding::quoted(&folder));
        return Ok(vec![Finding::problem("doctor.data_folder", sentence, mend)]);
    }
    let facts = local::gather(&folder).await?;
    let mut findings = local::judge(&facts, crate::clock::now().datetime());
    let sentence = format!("{} is a data folder of countersign dev", folder.display());
    findings.insert(0, Finding::ok("doctor.data_folder", sentence));
    if local::is_down(&facts) {
        return Ok(findings);
    }
    match local::access(&folder) {
        Ok(access) => findings.extend(of_apis(&access, arguments).await?),
        Err(why) => findings.push(Finding::problem(
            "doctor.api_unreachable",
            format!("where the APIs are is not known: {why:#}"),
            format!("countersign dev --data-dir {}", finding::quoted(&folder)),
        )),
    }
    Ok(findings)
}

/// The forensic build has no servers to look into.
#[cfg(not(feature = "dev"))]
async fn looked(arguments: &DoctorArguments, global: &Global) -> Result<Vec<Finding>, CliError> {
    of_apis(&configured(global)?, arguments).await
}

fn configured(global: &Global) -> Result<Access, CliError> {
    let (settings, files) = config::load_with_files(global)?;
    let config::Settings { command_api, query_api, token, .. } = settings;
    Ok(Access { command_api, query_api, token, files, knows_streams: false })
}

async fn of_apis(access: &Access, arguments: &DoctorArguments) -> Result<Vec<Finding>, CliError> {
    let facts = apis::gather(access).await?;
    let stuck_after = Duration::minutes(arguments.stuck_minutes.into());
    Ok(apis::judge(&facts, Measure { now: crate::clock::now().datetime(), stuck_after }))
}
