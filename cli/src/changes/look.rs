//! `change list` and `change get`.

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Document, Output};
use crate::paging::items;
use crate::session::Session;
use client::reads::{ChangeDetail, ChangeSummary, JobBody, Resolution};
use client::stories::{ChangeAnswer, Countersigning, JobStory};
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

/// Who signed, what is missing, and who still may.
fn signatures(told: &Countersigning) -> Vec<(&'static str, String)> {
    let roles = |roles: &[String]| {
        if roles.is_empty() { String::new() } else { format!(" ({})", roles.join(", ")) }
    };
    let signed = told.signed.iter();
    let signed =
        signed.map(|it| ("signed", format!("{} by {}{}", it.at, it.person, roles(&it.roles))));
    let rejected = told.rejected_by.iter().map(|person| ("rejected", format!("by {person}")));
    let stages = told.stages.iter().map(|stage| {
        let missing = stage.missing.iter().map(|it| format!(", {} {} missing", it.count, it.role));
        let missing: String = missing.collect();
        ("stage", format!("{}: {} of {}{missing}", stage.name, stage.signed, stage.quorum))
    });
    let open = told.may_sign.iter().flatten().map(|signer| {
        let name = signer.name.as_deref().unwrap_or("unnamed");
        ("may sign", format!("{name} {}{}", signer.person, roles(&signer.roles)))
    });
    stages.chain(signed).chain(rejected).chain(open).collect()
}

/// A job, and each of its steps.
fn job(told: &JobStory) -> Vec<(&'static str, String)> {
    let JobStory { job, steps } = told;
    let why = job.refusal.as_deref().or(job.sqlstate.as_deref());
    let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
    let ended = job.ended_at.as_deref().unwrap_or("not yet");
    let begun = job.started_at.as_deref().unwrap_or(&job.created_at);
    let JobBody { id, mode, state, agent, .. } = job;
    let line = format!("{mode} {state}{why} by {agent}, {begun} to {ended} ({id})");
    let steps = steps.iter().flatten().map(|step| {
        let rows = step.rows.map(|rows| format!(", {rows} rows")).unwrap_or_default();
        let code = step.sqlstate.as_deref().map(|code| format!(", {code}")).unwrap_or_default();
        let text =
            format!("{} {} in {} ms{rows}{code}", step.ordinal, step.outcome, step.duration_ms);
        ("step", text)
    });
    std::iter::once(("job", line)).chain(steps).collect()
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
        ("fence", fence),
        ("from schema", text(&change.fingerprint)),
        ("to schema", text(&change.fingerprint_after)),
        ("created at", change.created_at.clone()),
        ("updated at", change.updated_at.clone()),
    ];
    let history = change.history.iter();
    let history = history.map(|entry| {
        (
            "",
            format!(
                "{} {} by {} at sequence {}",
                entry.at, entry.event, entry.actor, entry.sequence
            ),
        )
    });
    let countersigning = answer.countersigning.iter().flat_map(signatures);
    let jobs = answer.jobs.iter().flat_map(job);
    let all: Vec<_> =
        members.into_iter().chain(countersigning).chain(jobs).chain(history).collect();
    let shown: Vec<_> = all.iter().map(|(name, text)| (*name, text.as_str())).collect();
    Document::record(value, &change.id, &shown)
}
