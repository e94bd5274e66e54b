//! `audit search`: what happened, newest first.

use super::arguments::SearchArguments;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Document, Output};
use crate::paging::{items, with_query};
use crate::session::Session;
use client::reads::{AuditFacets, AuditFragment, AuditHit, AuditPage, CountedValue};
use serde_json::json;

const PATH: &str = "/v1/audit/events";

/// Shows what was found, up to as many events as were asked for.
pub async fn search(
    arguments: &SearchArguments,
    session: &Session,
    output: &Output,
) -> Result<Exit, CliError> {
    let words = arguments.query.join(" ");
    let filter = [
        ("q", Some(words.as_str()).filter(|words| !words.is_empty())),
        ("actor", arguments.actor.as_deref()),
        ("action", arguments.action.as_deref()),
        ("type", arguments.kind.as_deref()),
        ("entity", arguments.entity.as_deref()),
        ("since", arguments.since.as_deref()),
        ("until", arguments.until.as_deref()),
        ("tenant", arguments.tenant.as_deref()),
    ];
    let limit = arguments.limit.limit;
    caught_up(session).await?;
    let (hits, more) = items::<AuditHit>(&session.query, PATH, &filter, limit).await?;
    let facets = if arguments.facets { facets(session, &filter).await? } else { None };
    for line in facets.iter().flat_map(counted) {
        output.talk(&line);
    }
    if more {
        output.talk(&format!("there is more: only the newest {} are shown (--limit)", hits.len()));
    }
    let value = json!({"items": hits, "facets": facets, "more": more});
    let rows = hits.iter().map(|hit| (hit.event.clone(), row(hit))).collect();
    let header = ["at", "sequence", "actor", "action", "entity", "text"];
    output.document(&Document::list(value, &header, rows))?;
    Ok(Exit::Ok)
}

/// Waits until the index holds what the read models show now: whoever saw something finds it.
async fn caught_up(session: &Session) -> Result<(), CliError> {
    if let Some(position) = session.query.served_position("/v1/whoami").await? {
        let path = with_query(PATH, [("page_size", "1")].into_iter());
        session.query.get_since::<AuditPage>(&path, &position).await?;
    }
    Ok(())
}

/// Counted among everything found, whatever is shown.
async fn facets(
    session: &Session,
    filter: &[(&str, Option<&str>)],
) -> Result<Option<AuditFacets>, CliError> {
    let given = filter.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
    let path = with_query(PATH, given.chain([("facets", "true"), ("page_size", "1")]));
    Ok(session.query.get::<AuditPage>(&path).await?.facets)
}

fn row(hit: &AuditHit) -> Vec<String> {
    let AuditHit { at, sequence, actor, action, entity, fragments, .. } = hit;
    let text = marked(fragments);
    vec![at.clone(), sequence.to_string(), actor.clone(), action.clone(), entity.clone(), text]
}

/// On one line, what was looked for between marks.
fn marked(fragments: &[AuditFragment]) -> String {
    let pieces = fragments.iter().map(|fragment| {
        let text = fragment.text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            return " ".to_owned();
        }
        let ends =
            |pick: fn(&str) -> Option<char>| pick(&fragment.text).is_some_and(char::is_whitespace);
        let before = if ends(|text| text.chars().next()) { " " } else { "" };
        let after = if ends(|text| text.chars().next_back()) { " " } else { "" };
        if fragment.matches { format!("«{text}»") } else { format!("{before}{text}{after}") }
    });
    pieces.collect::<String>().trim().to_owned()
}

fn counted(facets: &AuditFacets) -> Vec<String> {
    let AuditFacets { actors, actions, types } = facets;
    let line = |name: &str, values: &[CountedValue]| {
        let values = values.iter().map(|CountedValue { value, count }| format!("{value} {count}"));
        format!("{name}: {}", values.collect::<Vec<_>>().join(", "))
    };
    vec![line("actors", actors), line("actions", actions), line("types", types)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_for_is_marked_on_one_line() {
        let piece = |text: &str, matches| AuditFragment { text: text.to_owned(), matches };
        let fragments =
            [piece("title: add\na ", false), piece("note", true), piece(" to orders\n", false)];
        assert_eq!(marked(&fragments), "title: add a «note» to orders");
        let beside = [piece("primary", true), piece(" ", false), piece("key", true)];
        assert_eq!(marked(&beside), "«primary» «key»");
    }
}
