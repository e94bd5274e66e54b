//! Judges what was seen over the APIs.

use super::{ApiFacts, Measure, Unseen, is_on_this_machine};
use crate::doctor::finding::{Finding, or_ok};
use crate::doctor::{clock, root};
use chrono::{DateTime, Utc};
use client::reads::JobBody;
use std::path::PathBuf;

/// What follows from the facts.
pub fn judge(facts: &ApiFacts, measure: Measure) -> Vec<Finding> {
    let mut findings = addresses(facts);
    findings.extend(token_files(&facts.open_files));
    match &facts.jobs {
        Ok(jobs) => findings.extend(stuck(jobs, measure)),
        Err(unseen) => findings.extend(not_seen(unseen)),
    }
    match &facts.root {
        Ok(seen) => findings.extend(root::judge(seen, &exposed(facts), measure.now)),
        Err(unseen) => findings.extend(not_seen(unseen)),
    }
    match &facts.reach {
        None => {}
        Some(Ok(reach)) => findings.push(lag("the read models", reach.served, reach.end)),
        Some(Err(unseen)) => findings.extend(not_seen(unseen)),
    }
    findings
}

fn exposed(facts: &ApiFacts) -> Vec<String> {
    let urls = facts.apis.iter().map(|api| api.url.clone());
    urls.filter(|url| !is_on_this_machine(url)).collect()
}

/// Whether each API answers, agrees about the time, and gets its token in a way that nobody else can read.
fn addresses(facts: &ApiFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for api in &facts.apis {
        let (name, url) = (api.name, &api.url);
        match &api.clock {
            Ok(seen) => {
                findings.push(Finding::ok(
                    "doctor.api_unreachable",
                    format!("{name} answers at {url}"),
                ));
                findings.push(clock::judge(seen));
            }
            Err(why) => findings.push(Finding::problem(
                "doctor.api_unreachable",
                format!("{name} does not answer at {url}: {why}"),
                "countersign dev    # or --api-url and --query-url for a platform elsewhere",
            )),
        }
    }
    let clear = exposed(facts).into_iter().filter(|url| !url.starts_with("https://"));
    let wrong = clear.map(|url| {
        let https = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        Finding::problem(
            "doctor.token_in_clear",
            format!("the token travels in the clear to {url}"),
            format!("export COUNTERSIGN_COMMAND_API=https://{https}    # and COUNTERSIGN_QUERY_API alike"),
        )
    });
    let sentence = "the token leaves this machine only encrypted";
    findings.extend(or_ok(wrong.collect(), "doctor.token_in_clear", sentence));
    findings
}

fn token_files(open: &[(PathBuf, u32)]) -> Vec<Finding> {
    let wrong = open.iter().map(|(path, mode)| {
        let path = path.display();
        let sentence = format!("others can read the token in {path} (mode {mode:04o})");
        Finding::problem("doctor.file_open", sentence, format!("chmod 600 '{path}'"))
    });
    wrong.collect()
}

/// Jobs that were sent long ago and have no result: what blocks a data source, since it takes one migrating job at a time.
fn stuck(jobs: &[JobBody], measure: Measure) -> Vec<Finding> {
    let code = "doctor.job_stuck";
    let wrong = jobs.iter().filter_map(|job| {
        let sent: DateTime<Utc> = DateTime::parse_from_rfc3339(&job.created_at).ok()?.into();
        let age = measure.now - sent;
        let JobBody { id, agent, data_source, change, mode, .. } = job;
        (age >= measure.stuck_after).then(|| {
            let sentence = format!(
                "{id} ({mode} on {data_source}) went to agent {agent} {} minutes ago and has no result",
                age.num_minutes()
            );
            Finding::problem(
                code,
                sentence,
                format!("countersign change get {change}    # and look whether agent {agent} runs"),
            )
        })
    });
    let minutes = measure.stuck_after.num_minutes();
    or_ok(wrong.collect(), code, format!("no job is without a result for {minutes} minutes"))
}

/// How far a reader of the log is behind.
fn lag(what: &str, reached: u64, end: u64) -> Finding {
    let code = "doctor.projection_lag";
    if reached >= end {
        return Finding::ok(code, format!("{what} are at the log's end, sequence {end}"));
    }
    Finding::problem(
        code,
        format!("{what} stay at sequence {reached}, the log ends at {end}"),
        "curl $PROJECTIONS_OPS/readyz    # at its ops_listen; its log says why, and a restart resumes where it was",
    )
}

/// What a token may not see is no defect; what does not answer is named with its API.
fn not_seen(unseen: &Unseen) -> [Finding; 1] {
    let Unseen { what, why, is_refusal } = unseen;
    let code = "doctor.not_seen";
    let sentence = format!("{what} could not be looked at: {why}");
    if *is_refusal {
        let mend = "export COUNTERSIGN_TOKEN_FILE=...    # of an operator; an auditor of the tenant system sees the log's end";
        [Finding::warning(code, sentence, mend)]
    } else {
        [Finding::problem(
            code,
            sentence,
            "countersign dev    # or --query-url for a platform elsewhere",
        )]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::apis::{Api, Reach};
    use crate::doctor::clock::Clock;
    use crate::doctor::finding::Severity;
    use crate::doctor::root::RootFacts;
    use chrono::Duration;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn measure() -> Measure {
        Measure { now: now(), stuck_after: Duration::minutes(15) }
    }

    fn api(name: &'static str, url: &str) -> Api {
        let clock = Clock::seen(name, (now(), now()), (now(), now()));
        Api { name, url: url.to_owned(), clock: Ok(clock) }
    }

    fn healthy() -> ApiFacts {
        let root = RootFacts {
            tenant: "acme".to_owned(),
            version: 1,
            expires: now() + Duration::days(20),
            development: true,
            golden: Vec::new(),
        };
        ApiFacts {
            apis: vec![
                api("command-api", "http://127.0.0.1:4610"),
                api("query-api", "http://127.0.0.1:4620"),
            ],
            open_files: Vec::new(),
            jobs: Ok(Vec::new()),
            root: Ok(root),
            reach: Some(Ok(Reach { served: 9, end: 9 })),
        }
    }

    fn found(facts: &ApiFacts, code: &str) -> Finding {
        let findings = judge(facts, measure());
        assert!(findings.iter().all(|finding| {
            crate::doctor::finding::FINDINGS.contains(&finding.code)
                && (finding.severity == Severity::Ok) == finding.mend.is_none()
        }));
        let mut found = findings.into_iter().filter(|finding| finding.code == code);
        found.find(|finding| finding.severity == Severity::Problem).unwrap()
    }

    #[test]
    fn a_healthy_platform_has_no_finding_but_good_ones() {
        let findings = judge(&healthy(), measure());
        assert!(findings.iter().all(|finding| finding.severity == Severity::Ok), "{findings:#?}");
    }

    #[test]
    fn an_api_that_does_not_answer_is_named() {
        let mut facts = healthy();
        facts.apis[0].clock = Err("connection refused".to_owned());
        let found = found(&facts, "doctor.api_unreachable");
        assert!(found.sentence.contains("command-api"), "{}", found.sentence);
    }

    #[test]
    fn a_token_in_the_clear_and_a_development_root_beyond_this_machine_are_named() {
        let mut facts = healthy();
        facts.apis[1] = api("query-api", "http://10.1.2.3:4620");
        assert!(found(&facts, "doctor.token_in_clear").sentence.contains("10.1.2.3"));
        assert!(found(&facts, "doctor.development_root").sentence.contains("10.1.2.3"));
        facts.apis[1] = api("query-api", "https://10.1.2.3:4620");
        assert!(judge(&facts, measure()).iter().any(|finding| {
            finding.code == "doctor.token_in_clear" && finding.severity == Severity::Ok
        }));
    }

    #[test]
    fn a_token_file_that_others_can_read_is_named_with_its_mode() {
        let mut facts = healthy();
        facts.open_files = vec![("/a/ada.token".into(), 0o644)];
        let found = found(&facts, "doctor.file_open");
        assert_eq!(found.mend.as_deref(), Some("chmod 600 '/a/ada.token'"));
        assert!(found.sentence.contains("0644"));
    }

    #[test]
    fn a_job_without_a_result_is_stuck_after_a_while() {
        let job = |minutes: i64| JobBody {
            id: "job_1".to_owned(),
            change: "chg_1".to_owned(),
            data_source_id: "dsc_1".to_owned(),
            data_source: "shop".to_owned(),
            agent_id: "agt_1".to_owned(),
            agent: "edge".to_owned(),
            mode: "migrate".to_owned(),
            state: "dispatched".to_owned(),
            fence: 1,
            attempt: 1,
            refusal: None,
            sqlstate: None,
            counted: Vec::new(),
            created_at: (now() - Duration::minutes(minutes)).to_rfc3339(),
            started_at: None,
            ended_at: None,
            finished_at: None,
            result_sha256: None,
        };
        let facts = ApiFacts { jobs: Ok(vec![job(14)]), ..healthy() };
        assert!(judge(&facts, measure()).iter().all(|finding| finding.severity == Severity::Ok));
        let facts = ApiFacts { jobs: Ok(vec![job(14), job(16)]), ..healthy() };
        assert!(found(&facts, "doctor.job_stuck").sentence.contains("agent edge 16 minutes ago"));
    }

    #[test]
    fn read_models_that_stay_behind_are_named() {
        let facts = ApiFacts { reach: Some(Ok(Reach { served: 3, end: 9 })), ..healthy() };
        assert!(found(&facts, "doctor.projection_lag").sentence.contains("sequence 3"));
    }

    #[test]
    fn what_a_token_may_not_see_is_a_warning_and_what_fails_is_a_problem() {
        let unseen = |is_refusal| Unseen { what: "the jobs", why: "no".to_owned(), is_refusal };
        let facts = ApiFacts { jobs: Err(unseen(true)), ..healthy() };
        let all = judge(&facts, measure());
        let warned = all.iter().find(|finding| finding.code == "doctor.not_seen").unwrap();
        assert_eq!(warned.severity, Severity::Warning);
        let facts = ApiFacts { jobs: Err(unseen(false)), ..healthy() };
        assert!(found(&facts, "doctor.not_seen").sentence.contains("the jobs"));
    }
}
