//! `source`: the databases that changes are for.

use crate::args::{Limit, SourceVerb};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Document, Output};
use crate::paging::items;
use crate::session::Session;
use client::commands::RegisterDataSource;
use client::reads::DataSourceBody;

const ENGINE: &str = "postgresql";

/// Runs a verb.
pub async fn run(verb: SourceVerb, session: &Session, output: &Output) -> Result<Exit, CliError> {
    match verb {
        SourceVerb::Add { name, environment, agent, labels, repeat } => {
            let body = RegisterDataSource {
                name: name.to_string(),
                engine: ENGINE.to_owned(),
                environment,
                agent: agent.to_string(),
                labels: labels.into_iter().collect(),
            };
            let recorded = session.tell(&repeat, "/v1/data-sources", &body).await?;
            output.talk(&recorded.told("registered"));
            output.document(&Document::receipt(&recorded.receipt)?)?;
        }
        SourceVerb::List(Limit { limit }) => list(session, output, limit).await?,
    }
    Ok(Exit::Ok)
}

async fn list(session: &Session, output: &Output, limit: usize) -> Result<(), CliError> {
    let (sources, more) =
        items::<DataSourceBody>(&session.query, "/v1/data-sources", &[], limit).await?;
    let rows = sources.iter().map(|source| {
        let labels: Vec<_> = source.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let row = vec![
            source.name.clone(),
            source.environment.clone(),
            source.agent.clone(),
            source.locked_by.clone().unwrap_or_default(),
            labels.join(","),
            source.id.clone(),
        ];
        (source.id.clone(), row)
    });
    let header = ["name", "environment", "agent", "locked by", "labels", "id"];
    let rows = rows.collect();
    let value = serde_json::to_value(&sources).map_err(anyhow::Error::from)?;
    output.document(&Document::list(value, &header, rows))?;
    if more {
        output.talk("there are more: --limit shows them");
    }
    Ok(())
}
