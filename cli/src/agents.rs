//! `agent`: who runs changes.

use crate::args::{AgentVerb, Limit};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Document, Output};
use crate::paging::items;
use crate::session::Session;
use client::reads::AgentBody;

/// Runs a verb.
pub async fn run(verb: &AgentVerb, session: &Session, output: &Output) -> Result<Exit, CliError> {
    let AgentVerb::List(Limit { limit }) = verb;
    let (agents, more) = items::<AgentBody>(&session.query, "/v1/agents", &[], *limit).await?;
    let rows = agents.iter().map(|agent| {
        let AgentBody { id, name, spiffe_id, created_at } = agent.clone();
        (id.clone(), vec![name, spiffe_id, created_at, id])
    });
    let rows = rows.collect();
    let value = serde_json::to_value(&agents).map_err(anyhow::Error::from)?;
    output.document(&Document::list(value, &["name", "spiffe id", "enrolled at", "id"], rows))?;
    if more {
        output.talk("there are more: --limit shows them");
    }
    Ok(Exit::Ok)
}
