//! `change list` and `change get`.

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Document, Output};
use crate::paging::items;
use crate::session::Session;
use client::reads::{ChangeAnswer, ChangeDetail, ChangeSummary, Resolution};
use domain::ids::ChangeId;
use serde_json::Value;

/// Lists the tenant's changes, newest first.
pub async fn list(
    session: &Session,
    output: &Output,
    state: Option<&str>,
    source: Option<&str>,
    limit: usize,
) -> Result<Exit, CliError> {
    let filter = [("state", state), ("data_source", source)];
    let (changes, more) =
        items::<ChangeSummary>(&session.query, "/v1/changes", &filter, limit).await?;
    let rows = changes.iter().map(|change| {
        let ChangeSummary { id, title, data_source, environment, state, created_at, .. } =
            change.clone();
        (id.clone(), vec![id, state, data_source, environment, created_at, title])
    });
    let rows = rows.collect();
    let header = ["id", "state", "source", "environment", "created at", "title"];
    let value = serde_json::to_value(&changes).map_err(anyhow::Error::from)?;
    output.document(&Document::list(value, &header, rows))?;
    if more {
        output.talk("there are more: --limit shows them");
    }
    Ok(Exit::Ok)
}

/// Shows a change.
pub async fn get(session: &Session, output: &Output, id: ChangeId) -> Result<Exit, CliError> {
    let answer: ChangeAnswer = session.query.get(&format!("/v1/changes/{id}")).await?;
    let value = serde_json::to_value(&answer).map_err(anyhow::Error::from)?;
    output.document(&document(&answer, value))?;
    Ok(Exit::Ok)
}

fn resolved(resolution: &Resolution) -> String {
    format!("{}, says {}: {}", resolution.found, resolution.by, resolution.reason)
}

fn document(answer: &ChangeAnswer, value: Value) -> Document {
    let change: &ChangeDetail = &answer.change;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let root = change.root_version.map(|version| format!("version {version}")).unwrap_or_default();
    let fence = change.fence.map(|fence| fence.to_string()).unwrap_or_default();
    let revision = change.revision.to_string();
    let sql = format!("{} bytes, sha256 {}", change.sql_size, change.sql_sha256);
    let members = [
        ("id", change.id.clone()),
        ("title", change.title.clone()),
        ("reason", text(&change.reason)),
        ("state", change.state.clone()),
        ("code", text(&change.code)),
        ("resolved", change.resolution.as_ref().map(resolved).unwrap_or_default()),
        ("waiting", text(&answer.waiting_for)),
        ("source", format!("{} ({})", answer.data_source, change.data_source_id)),
        ("environment", change.environment.clone()),
        ("author", change.author.clone()),
        ("revision", revision),
        ("start", change.start.clone()),
        ("sql", sql),
        ("manifest", text(&change.change_sha256)),
        ("approval", text(&change.approval)),
        ("root", root),
        ("job", text(&change.job)),
        ("fence", fence),
        ("from schema", text(&change.fingerprint)),
        ("to schema", text(&change.fingerprint_after)),
        ("created at", change.created_at.clone()),
        ("updated at", change.updated_at.clone()),
    ];
    let history = change
        .history
        .iter()
        .map(|entry| ("", format!("{} {} by {}", entry.at, entry.event, entry.actor)));
    let all: Vec<_> = members.into_iter().chain(history).collect();
    let shown: Vec<_> = all.iter().map(|(name, text)| (*name, text.as_str())).collect();
    Document::record(value, &change.id, &shown)
}
