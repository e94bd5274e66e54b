//! `change`: submit, look at, countersign and follow changes.

mod decide;
mod look;
mod submit;
mod watch;

use crate::args::{ChangeVerb, Told};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Document, Output};
use crate::session::{Recorded, Session};
use client::commands::{Nothing, ResolveChange};
use client::stories::ChangeAnswer;
use domain::ids::ChangeId;

/// Runs a verb.
pub async fn run(verb: ChangeVerb, session: &Session, output: &Output) -> Result<Exit, CliError> {
    match verb {
        ChangeVerb::Submit(submit) => submit::submit(submit, session, output).await,
        ChangeVerb::List { state, source, limit } => {
            look::list(session, output, state.as_deref(), source.as_deref(), limit.limit).await
        }
        ChangeVerb::Get { id } => look::get(session, output, id).await,
        ChangeVerb::Watch { id, patience } => {
            watch::watch(session, output, id, None, patience).await
        }
        ChangeVerb::Approve { id, key, yes, repeat } => {
            decide::approve(session, output, id, &key, yes, &repeat).await
        }
        ChangeVerb::Reject { id, key, reason, repeat } => {
            decide::reject(session, output, id, &key, reason, &repeat).await
        }
        ChangeVerb::Start(told) => tell(session, output, "start", "started", &told).await,
        ChangeVerb::Cancel(told) => tell(session, output, "cancel", "cancelled", &told).await,
        ChangeVerb::Resolve { id, found, reason, repeat } => {
            let path = format!("/v1/changes/{id}/resolve");
            let body = ResolveChange { found: found.into(), reason };
            let session = in_its_trace(session, id).await;
            let recorded = session.tell(&repeat, &path, &body).await?;
            shown(output, &recorded, "resolved")
        }
    }
}

async fn tell(
    session: &Session,
    output: &Output,
    verb: &str,
    done: &str,
    told: &Told,
) -> Result<Exit, CliError> {
    let path = format!("/v1/changes/{}/{verb}", told.id);
    let session = in_its_trace(session, told.id).await;
    let recorded = session.tell(&told.repeat, &path, &Nothing {}).await?;
    shown(output, &recorded, done)
}

/// Speaks in the trace in which the change was drafted, where that can be read.
async fn in_its_trace(session: &Session, id: ChangeId) -> Session {
    match session.query.get::<ChangeAnswer>(&format!("/v1/changes/{id}")).await {
        Ok(answer) => session.in_trace(&answer.change.traceparent),
        Err(_) => session.clone(),
    }
}

fn shown(output: &Output, recorded: &Recorded, done: &str) -> Result<Exit, CliError> {
    output.talk(&recorded.told(done));
    output.document(&Document::receipt(&recorded.receipt)?)?;
    Ok(Exit::Ok)
}
