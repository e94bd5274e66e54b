//! `change watch`: every event of a change once, what it waits for, and an exit code at its end.

use crate::args::Patience;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Output;
use crate::session::Session;
use client::ClientError;
use client::stories::ChangeAnswer;
use domain::changes::Phase;
use domain::ids::ChangeId;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Between two looks: shorter while things happen.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);
/// How long an API may be away before watching ends with its error.
const OUTAGE: Duration = Duration::from_secs(30);
/// How long a change may be unknown: it may have been submitted a moment ago.
const UNKNOWN: Duration = Duration::from_secs(2);

/// Follows a change to its end; `since` is a position that the first answer must hold.
pub async fn watch(
    session: &Session,
    output: &Output,
    id: ChangeId,
    since: Option<String>,
    patience: Patience,
) -> Result<Exit, CliError> {
    let path = format!("/v1/changes/{id}");
    let started = Instant::now();
    let mut watched = Watched::default();
    let mut pause = SHORTEST;
    let mut failing: Option<Instant> = None;
    loop {
        let answer: Result<ChangeAnswer, ClientError> = match &since {
            Some(position) => session.query.get_since(&path, position).await,
            None => session.query.get(&path).await,
        };
        match answer {
            Ok(answer) => {
                failing = None;
                let news = watched.news(&answer);
                if !news.is_empty() {
                    pause = SHORTEST;
                }
                news.iter().try_for_each(|news| tell(output, &answer, news))?;
                let state = &answer.change.state;
                if patience.until.as_ref().is_some_and(|until| has_come_to(state, until)) {
                    end(output, &answer)?;
                    return Ok(Exit::Ok);
                }
                if has_ended(state) {
                    return end(output, &answer);
                }
            }
            Err(error) if is_unknown(&error) && started.elapsed() < UNKNOWN => {}
            Err(error) if may_pass(&error) => {
                let since = *failing.get_or_insert_with(Instant::now);
                if since.elapsed() > OUTAGE {
                    return Err(error.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
        if let Some(seconds) = patience.timeout.filter(|s| started.elapsed().as_secs() >= *s) {
            return Err(CliError::TimedOut { change: id.to_string(), seconds });
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Something that was not said before.
#[derive(Debug, Clone, PartialEq, Eq)]
enum News {
    Event { event: String, at: String, actor: String, sequence: u64 },
    Waiting(String),
}

/// What was said already.
#[derive(Debug, Default)]
struct Watched {
    events_there: usize,
    waiting_for: Option<String>,
}

impl Watched {
    /// What this answer adds.
    fn news(&mut self, answer: &ChangeAnswer) -> Vec<News> {
        let mut news = Vec::new();
        // A commit can hold several events: its place alone does not say which were told.
        for entry in answer.change.history.iter().skip(self.events_there) {
            news.push(News::Event {
                event: entry.event.clone(),
                at: entry.at.clone(),
                actor: entry.actor.clone(),
                sequence: entry.sequence,
            });
        }
        self.events_there = self.events_there.max(answer.change.history.len());
        if answer.waiting_for != self.waiting_for {
            self.waiting_for.clone_from(&answer.waiting_for);
            news.extend(answer.waiting_for.clone().map(News::Waiting));
        }
        news
    }
}

/// Whether a change in this state is in the other one or has passed it.
fn has_come_to(state: &str, until: &str) -> bool {
    let way = [
        Phase::Checking,
        Phase::PendingApproval,
        Phase::Approved,
        Phase::Scheduled,
        Phase::Applying,
        Phase::Applied,
    ];
    let place = |name: &str| way.iter().position(|phase| phase.name() == name);
    place(until).is_some_and(|until| place(state).is_some_and(|state| state >= until))
}

fn has_ended(state: &str) -> bool {
    [Phase::Applied, Phase::Rejected, Phase::Cancelled, Phase::Failed, Phase::Unknown]
        .iter()
        .any(|phase| phase.name() == state)
}

fn is_unknown(error: &ClientError) -> bool {
    error.code() == Some("changes.not_found")
}

/// Whether the same question can be answered later.
fn may_pass(error: &ClientError) -> bool {
    match error {
        ClientError::Problem(problem) => problem.status >= 500 || problem.status == 429,
        ClientError::Transport { .. } => true,
        ClientError::Answer { .. } | ClientError::Request(_) => false,
    }
}

fn tell(output: &Output, answer: &ChangeAnswer, news: &News) -> anyhow::Result<()> {
    let (id, state) = (&answer.change.id, &answer.change.state);
    if output.is_json() {
        let value = match news {
            News::Event { event, at, actor, sequence } => {
                json!({"change": id, "event": event, "at": at, "actor": actor, "sequence": sequence})
            }
            News::Waiting(sentence) => {
                json!({"change": id, "state": state, "waiting_for": sentence})
            }
        };
        return output.line(&value.to_string());
    }
    let line = match news {
        News::Event { event, at, actor, .. } => format!("{at} {event} by {actor}"),
        News::Waiting(sentence) => sentence.clone(),
    };
    output.talk(&sql::escaped(&line));
    Ok(())
}

fn end(output: &Output, answer: &ChangeAnswer) -> Result<Exit, CliError> {
    let change = &answer.change;
    if output.is_json() {
        let value = json!({"change": change.id, "state": change.state, "code": change.code,
            "fingerprint_after": change.fingerprint_after});
        output.line(&value.to_string())?;
    } else {
        let code = change.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
        output.line(&sql::escaped(&format!("{} {}{code}", change.id, change.state)))?;
    }
    Ok(Exit::of_ended(&change.state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::ProblemBody;
    use client::reads::{ChangeDetail, HistoryEntry};

    fn answer(events: &[(&str, u64)], waiting_for: Option<&str>) -> ChangeAnswer {
        let entry = |(event, sequence): &(&str, u64)| HistoryEntry {
            event: (*event).to_owned(),
            at: String::new(),
            actor: "prn_1".to_owned(),
            version: 1,
            sequence: *sequence,
            hash: String::new(),
        };
        let history = events.iter().map(entry).collect();
        let change = ChangeDetail { history, ..ChangeDetail::default() };
        let waiting_for = waiting_for.map(str::to_owned);
        let data_source = String::new();
        let (checks, jobs) = (Vec::new(), Vec::new());
        ChangeAnswer {
            change,
            data_source,
            waiting_for,
            countersigning: None,
            checks,
            jobs,
            more_jobs: false,
        }
    }

    fn told(news: &[News]) -> Vec<String> {
        let text = |news: &News| match news {
            News::Event { event, .. } => event.clone(),
            News::Waiting(sentence) => sentence.clone(),
        };
        news.iter().map(text).collect()
    }

    #[test]
    fn every_event_and_every_wait_is_told_once() {
        let mut watched = Watched::default();
        let first = answer(&[("schema.drafted", 3), ("schema.requested", 3)], Some("agent"));
        let expected = ["schema.drafted", "schema.requested", "agent"];
        assert_eq!(told(&watched.news(&first)), expected);
        assert_eq!(told(&watched.news(&first)), Vec::<String>::new());
        let one = [("schema.drafted", 3), ("schema.requested", 3), ("schema.pending_approval", 9)];
        let waiting = "waiting for approval: 1 of 2 signatures";
        let second = answer(&one, Some(waiting));
        assert_eq!(told(&watched.news(&second)), ["schema.pending_approval", waiting]);
        assert_eq!(watched.news(&answer(&one, None)), Vec::new());
    }

    #[test]
    fn only_what_has_ended_ends_the_watch() {
        for state in ["applied", "failed", "unknown", "rejected", "cancelled"] {
            assert!(has_ended(state), "{state}");
        }
        for state in ["draft", "checking", "pending_approval", "approved", "scheduled", "applying"]
        {
            assert!(!has_ended(state), "{state}");
        }
    }

    #[test]
    fn a_state_that_has_passed_was_come_to() {
        for (state, until) in
            [("approved", "approved"), ("applying", "pending_approval"), ("applied", "scheduled")]
        {
            assert!(has_come_to(state, until), "{state} {until}");
        }
        for (state, until) in
            [("draft", "checking"), ("checking", "approved"), ("failed", "approved")]
        {
            assert!(!has_come_to(state, until), "{state} {until}");
        }
    }

    #[test]
    fn an_outage_is_waited_for_and_a_refusal_is_not() {
        let problem = |status| {
            ClientError::Problem(Box::new(ProblemBody {
                status,
                code: "a.b".to_owned(),
                title: String::new(),
                detail: None,
                trace_id: None,
                errors: Vec::new(),
            }))
        };
        assert!(may_pass(&problem(503)) && may_pass(&problem(429)));
        assert!(!may_pass(&problem(404)) && !may_pass(&problem(401)));
    }
}
