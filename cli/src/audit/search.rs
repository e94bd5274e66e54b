//! `audit search`: what happened, newest first.

use crate::args::SearchArguments;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Document, Output};
use crate::paging::with_query;
use crate::session::Session;
use client::reads::{AuditFacets, AuditFragment, AuditHit, AuditPage, CountedValue};
use serde_json::json;

/// The server's largest page.
const PAGE: usize = 200;

/// Shows what was found, page after page, up to as many events as were asked for.
pub async fn search(
    arguments: &SearchArguments,
    session: &Session,
    output: &Output,
) -> Result<Exit, CliError> {
    let limit = arguments.limit.limit;
    let (mut hits, mut facets, mut token) = (Vec::new(), None, None);
    loop {
        let size = limit.saturating_sub(hits.len()).clamp(1, PAGE).to_string();
        let path = path(arguments, &size, token.as_deref(), hits.is_empty());
        let page: AuditPage = session.query.get(&path).await?;
        hits.extend(page.items);
        facets = page.facets.or(facets);
        token = page.next_page_token;
        if token.is_none() || hits.len() >= limit {
            break;
        }
    }
    if let Some(facets) = &facets {
        for line in counted(facets) {
            output.talk(&line);
        }
    }
    if token.is_some() {
        output.talk(&format!("there is more: only the newest {} are shown (--limit)", hits.len()));
    }
    let value = json!({"items": hits, "facets": facets, "more": token.is_some()});
    let rows = hits.iter().map(|hit| (hit.event.clone(), row(hit))).collect();
    let header = ["at", "sequence", "actor", "action", "entity", "text"];
    output.document(&Document::list(value, &header, rows))?;
    Ok(Exit::Ok)
}

fn path(arguments: &SearchArguments, size: &str, token: Option<&str>, first: bool) -> String {
    let query = arguments.query.join(" ");
    let given = [
        ("q", Some(query.as_str()).filter(|query| !query.is_empty())),
        ("actor", arguments.actor.as_deref()),
        ("action", arguments.action.as_deref()),
        ("type", arguments.kind.as_deref()),
        ("entity", arguments.entity.as_deref()),
        ("since", arguments.since.as_deref()),
        ("until", arguments.until.as_deref()),
        ("tenant", arguments.tenant.as_deref()),
        ("facets", (arguments.facets && first).then_some("true")),
        ("page_size", Some(size)),
        ("page_token", token),
    ];
    let given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
    with_query("/v1/audit/events", given)
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
