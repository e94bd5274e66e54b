//! `audit compare-target`: what a target's own journal remembers, against what the log says that its agent did.
//!
//! The journal comes as a file that somebody with access to the target wrote with [`QUERY`]: an auditor needs no
//! connection to a production database, and this program no driver. Whoever owns the target can write anything into its
//! journal. So a difference shows that one of the two is not true, never which one.

mod difference;
mod journal;

pub use journal::{Journal, JournalError, QUERY};

use super::blobs::Blobs;
use super::evidence::Evidence;
use crate::output::Document;
use difference::{Difference, Disagreement};
use domain::jobs::{Dispatched, Finished, Mode};
use domain::vocabulary::Outcome;
use journal::{Answer, Step, StepState};
use ledger::Severity;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use trust::dsse::{Envelope, Parsed};
use trust::statement::{JobResult, StepOutcome};

/// What was compared, and what differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The target.
    pub data_source: String,
    /// Steps of the journal.
    pub steps: usize,
    /// Stored answers of the journal.
    pub answers: usize,
    /// Jobs of the log for this target.
    pub jobs: usize,
    /// In the order of jobs.
    pub disagreements: Vec<Disagreement>,
}

impl Compared {
    /// The worst of it; none if both say the same.
    pub fn severity(&self) -> Option<Severity> {
        let all = self.disagreements.iter().map(|one| one.difference.severity());
        all.fold(None, |worst, severity| match (worst, severity) {
            (Some(Severity::Tampering), _) | (_, Severity::Tampering) => Some(Severity::Tampering),
            (_, other) => Some(other),
        })
    }

    /// For people and programs.
    pub fn document(&self) -> Document {
        let rows = self.disagreements.iter().map(|one| {
            let Disagreement { job, difference } = one;
            (job.clone(), vec![job.clone(), difference.code().to_owned(), difference.to_string()])
        });
        let value: Vec<_> = self.disagreements.iter().map(Disagreement::value).collect();
        let value = json!({"data_source": self.data_source, "steps": self.steps,
            "answers": self.answers, "jobs": self.jobs, "differences": value});
        Document::list(value, &["JOB", "CODE", "WHAT"], rows.collect())
    }

    /// In a sentence.
    pub fn sentence(&self) -> String {
        let Self { data_source, steps, answers, jobs, disagreements } = self;
        let seen = format!("{steps} steps and {answers} answers in the journal of {data_source}");
        match disagreements.len() {
            0 => format!("{seen} are what the log says of {jobs} jobs"),
            count => format!("{seen}, {jobs} jobs in the log: {count} differences"),
        }
    }
}

/// Compares a journal with what a verified log says of its target.
pub fn compare(journal: &Journal, evidence: &Evidence, blobs: &dyn Blobs) -> Compared {
    let jobs = jobs_for(&journal.data_source, evidence, blobs);
    let mut disagreements = Vec::new();
    let mut add = |job: &str, difference| {
        disagreements.push(Disagreement { job: job.to_owned(), difference });
    };
    for step in &journal.steps {
        match jobs.get(step.job.as_str()) {
            None => add(&step.job, Difference::NotRecorded),
            Some(told) => of_step(step, told).into_iter().for_each(|it| add(&step.job, it)),
        }
    }
    for answer in &journal.answers {
        match jobs.get(answer.job.as_str()) {
            None => add(&answer.job, Difference::NotRecorded),
            Some(told) => of_answer(answer, told).into_iter().for_each(|it| add(&answer.job, it)),
        }
    }
    for (job, told) in &jobs {
        for found in of_job(job, told, journal) {
            add(job, found);
        }
    }
    disagreements.sort_by(|one, other| one.job.cmp(&other.job));
    disagreements.dedup();
    Compared {
        data_source: journal.data_source.clone(),
        steps: journal.steps.len(),
        answers: journal.answers.len(),
        jobs: jobs.len(),
        disagreements,
    }
}

/// What the log tells of a job.
struct Told<'a> {
    dispatched: &'a Dispatched,
    said: Option<&'a Finished>,
    /// The signed result, as far as it can be read.
    result: Option<Parsed<JobResult>>,
}

fn jobs_for<'a>(
    data_source: &str,
    evidence: &'a Evidence,
    blobs: &dyn Blobs,
) -> BTreeMap<&'a str, Told<'a>> {
    let jobs = evidence.jobs.iter().filter_map(|((_, job), record)| {
        let dispatched = record.dispatched.as_ref()?;
        let is_of_it = dispatched.data_source.to_string() == data_source;
        let said = record.finished.as_ref().map(|finished| &finished.said);
        let result = said.and_then(|said| result(said, blobs));
        is_of_it.then_some((job.as_str(), Told { dispatched, said, result }))
    });
    jobs.collect()
}

fn result(said: &Finished, blobs: &dyn Blobs) -> Option<Parsed<JobResult>> {
    let bytes = blobs.named(&said.result).ok()?;
    Parsed::from_envelope(Envelope::parse(&bytes).ok()?).ok()
}

fn of_step(step: &Step, told: &Told<'_>) -> Vec<Difference> {
    let Told { dispatched, said, result } = told;
    let members = [
        ("attempt", step.attempt == u64::from(dispatched.attempt)),
        ("job_sha256", step.job_sha256 == dispatched.job_sha256),
        ("change", step.change == dispatched.change.to_string()),
        ("change_sha256", Some(step.change_sha256) == dispatched.change_sha256),
        ("fence", step.fence == dispatched.fence),
    ];
    let members = members.into_iter().filter(|(_, holds)| !holds);
    let mut found: Vec<_> = members.map(|(member, _)| Difference::Member(member)).collect();
    match said.map(|said| said.outcome) {
        None => found.push(Difference::NotReported),
        Some(outcome) if !can_be(step.state, outcome) => {
            found.push(Difference::OtherEnd { step: step.state, outcome });
        }
        Some(_) => {}
    }
    let Some(result) = result else { return found };
    let mut steps = result.statement().steps.iter();
    match steps.find(|told| told.ordinal == step.ordinal) {
        None => found.push(Difference::StepUnknown(step.ordinal)),
        Some(told) if told.sha256 != step.sha256 => {
            found.push(Difference::Member("step_sha256"));
        }
        Some(_) => {}
    }
    found
}

/// Whether a step can have ended so in a job that ended so.
fn can_be(step: StepState, job: Outcome) -> bool {
    match step {
        StepState::Succeeded => {
            matches!(job, Outcome::Succeeded | Outcome::FailedPartial | Outcome::Unknown)
        }
        StepState::Failed => matches!(job, Outcome::FailedClean | Outcome::FailedPartial),
        StepState::Started => matches!(job, Outcome::FailedPartial | Outcome::Unknown),
    }
}

fn of_answer(answer: &Answer, told: &Told<'_>) -> Option<Difference> {
    let Told { said, result, .. } = told;
    let Some(said) = said else { return Some(Difference::NotReported) };
    if answer.attempt != u64::from(said.attempt) {
        return Some(Difference::Member("attempt"));
    }
    match result {
        None => Some(Difference::ResultUnreadable),
        Some(result) => {
            (result.sha256() != answer.result_sha256).then_some(Difference::OtherResult)
        }
    }
}

/// What the log says was left behind must be in the journal: each step of it, and the answer.
fn of_job(job: &str, told: &Told<'_>, journal: &Journal) -> Vec<Difference> {
    let Told { dispatched, said, result } = told;
    let runs_sql = matches!(dispatched.mode, Mode::Migrate | Mode::Rollback);
    let left =
        |said: &&&Finished| matches!(said.outcome, Outcome::Succeeded | Outcome::FailedPartial);
    let Some(said) = said.as_ref().filter(left).filter(|_| runs_sql) else { return Vec::new() };
    if said.finished_at > journal.taken_at {
        return vec![Difference::Later];
    }
    let own: BTreeSet<u32> =
        journal.steps.iter().filter(|step| step.job == job).map(|step| step.ordinal).collect();
    if own.is_empty() {
        return vec![Difference::NotRun { outcome: said.outcome }];
    }
    let steps = result.iter().flat_map(|result| &result.statement().steps);
    let ran = steps.filter(|step| step.outcome == StepOutcome::Succeeded);
    let missing = ran.map(|step| step.ordinal).filter(|ordinal| !own.contains(ordinal));
    let mut found: Vec<_> = missing.map(Difference::StepMissing).collect();
    if !journal.answers.iter().any(|answer| answer.job == job) {
        found.push(Difference::AnswerMissing);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::testimony::{Testimony, data_source};
    use super::*;
    use trust::encoding::Sha256Digest;

    /// The journal that the testimony's agent would have left.
    fn journal(testimony: &Testimony) -> anyhow::Result<Journal> {
        let (key, record) = testimony.evidence.jobs.iter().next().ok_or_else(none)?;
        let dispatched = record.dispatched.as_ref().ok_or_else(none)?;
        let said = &record.finished.as_ref().ok_or_else(none)?.said;
        let result = result(said, &testimony.blobs).ok_or_else(none)?;
        let step = result.statement().steps.first().ok_or_else(none)?;
        let (job, attempt, change) = (&key.1, dispatched.attempt, dispatched.change.to_string());
        let sha256 = dispatched.change_sha256.ok_or_else(none)?;
        let lines = [
            json!({"table": "version", "version": 1, "data_source": data_source().to_string(),
                "taken_at": "2026-12-01T00:00:00.000000Z"}),
            json!({"table": "journal", "job": job, "attempt": attempt, "ordinal": step.ordinal,
                "step_sha256": step.sha256, "job_sha256": dispatched.job_sha256, "change": change, "change_sha256": sha256,
                "fence": dispatched.fence, "state": "succeeded"}),
            json!({"table": "results", "job": job, "attempt": attempt,
                "result_sha256": result.sha256()}),
        ];
        Ok(Journal::read(lines.map(|line| line.to_string()).join("\n").as_bytes())?)
    }

    fn none() -> anyhow::Error {
        anyhow::anyhow!("the testimony has no job")
    }

    fn found(spoil: impl FnOnce(&mut Testimony, &mut Journal)) -> Vec<&'static str> {
        let mut testimony = Testimony::new().unwrap();
        let mut journal = journal(&testimony).unwrap();
        spoil(&mut testimony, &mut journal);
        let compared = compare(&journal, &testimony.evidence, &testimony.blobs);
        compared.disagreements.iter().map(|one| one.difference.code()).collect()
    }

    #[test]
    fn a_target_that_did_what_the_log_says_agrees() {
        assert_eq!(found(|_, _| {}), Vec::<&str>::new());
    }

    #[test]
    fn what_ran_and_was_never_recorded_is_told() {
        assert_eq!(found(|t, _| t.evidence.jobs.clear()), ["not_recorded"]);
        let other = |_: &mut Testimony, j: &mut Journal| j.data_source = "data_source_x".to_owned();
        assert_eq!(found(other), ["not_recorded"]);
    }

    #[test]
    fn what_was_recorded_and_never_ran_is_told() {
        let emptied = |_: &mut Testimony, j: &mut Journal| j.steps.clear();
        assert_eq!(found(emptied), ["not_run"]);
        let planned = |t: &mut Testimony, j: &mut Journal| {
            emptied(t, j);
            t.finished().unwrap().said.outcome = Outcome::FailedClean;
        };
        assert_eq!(found(planned), Vec::<&str>::new());
    }

    #[test]
    fn every_member_of_a_step_is_compared() {
        let other = Sha256Digest::of(b"other");
        let spoils: [fn(&mut Step, Sha256Digest); 6] = [
            |step, other| step.sha256 = other,
            |step, _| step.attempt += 1,
            |step, other| step.job_sha256 = other,
            |step, _| step.change = "chg_x".to_owned(),
            |step, other| step.change_sha256 = other,
            |step, _| step.fence += 1,
        ];
        for spoil in spoils {
            let codes = found(|_, journal| spoil(&mut journal.steps[0], other));
            assert_eq!(codes, ["step_mismatch"]);
        }
        assert_eq!(found(|_, j| j.steps[0].state = StepState::Failed), ["end_mismatch"]);
    }

    #[test]
    fn a_step_or_an_answer_too_many_or_too_few_is_told() {
        let more = |_: &mut Testimony, j: &mut Journal| {
            let step = j.steps[0].clone();
            j.steps.push(Step { ordinal: 99, ..step });
        };
        assert_eq!(found(more), ["step_unknown"]);
        let other = |_: &mut Testimony, j: &mut Journal| j.steps[0].ordinal = 99;
        assert_eq!(found(other), ["step_unknown", "step_missing"]);
        assert_eq!(found(|_, j| j.answers.clear()), ["answer_missing"]);
        let early = |_: &mut Testimony, j: &mut Journal| {
            j.taken_at = "2026-11-01T00:00:00.000000Z".parse().unwrap();
        };
        assert_eq!(found(early), ["later_than_journal"]);
    }

    #[test]
    fn another_answer_than_the_recorded_one_is_told() {
        let other = |_: &mut Testimony, j: &mut Journal| {
            j.answers[0].result_sha256 = Sha256Digest::of(b"other");
        };
        assert_eq!(found(other), ["result_mismatch"]);
        assert_eq!(found(|t, _| t.blobs.0.clear()), ["result_unreadable"]);
    }

    #[test]
    fn a_result_that_has_not_arrived_is_incomplete_and_no_tampering() {
        let mut testimony = Testimony::new().unwrap();
        let journal = journal(&testimony).unwrap();
        testimony.evidence.jobs.values_mut().for_each(|record| record.finished = None);
        let compared = compare(&journal, &testimony.evidence, &testimony.blobs);
        assert_eq!(compared.severity(), Some(Severity::Incompleteness));
        assert_eq!(compared.disagreements.len(), 1, "{compared:?}");
    }
}
