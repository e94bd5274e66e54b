//! `audit compare-target`: what a target's own journal remembers, against what the log says that its agent did.
//!
//! The journal comes as a file that somebody with access to the target wrote with [`QUERY`]: an auditor needs no
//! connection to a production database, and this program no driver. Whoever owns the target can write anything into its
//! journal. So a difference shows that one of the two is not true, never which one.

mod difference;
mod journal;

pub use journal::{Journal, JournalError, QUERY};

use super::blobs::Blobs;
use super::evidence::{Evidence, FinishedRecord, JobRecord};
use crate::output::Document;
use difference::{Difference, Disagreement};
use domain::jobs::{Dispatched, Mode};
use domain::vocabulary::Outcome;
use journal::{Answer, Step, StepState};
use ledger::Severity;
use serde_json::json;
use std::collections::BTreeMap;
use trust::dsse::{Envelope, Parsed};
use trust::encoding::Sha256Digest;
use trust::statement::JobResult;

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
    let jobs = jobs_for(&journal.data_source, evidence);
    let mut disagreements = Vec::new();
    let mut add = |job: &str, difference| {
        disagreements.push(Disagreement { job: job.to_owned(), difference });
    };
    for step in &journal.steps {
        match jobs.get(step.job.as_str()) {
            None => add(&step.job, Difference::NotRecorded),
            Some((dispatched, record)) => {
                of_step(step, dispatched, record).for_each(|found| add(&step.job, found));
            }
        }
    }
    for answer in &journal.answers {
        match jobs.get(answer.job.as_str()) {
            None => add(&answer.job, Difference::NotRecorded),
            Some((_, record)) => {
                if let Some(found) = of_answer(answer, record, blobs) {
                    add(&answer.job, found);
                }
            }
        }
    }
    for (job, (dispatched, record)) in &jobs {
        if let Some(found) = of_job(job, dispatched, record, journal) {
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

type Jobs<'a> = BTreeMap<&'a str, (&'a Dispatched, &'a JobRecord)>;

fn jobs_for<'a>(data_source: &str, evidence: &'a Evidence) -> Jobs<'a> {
    let jobs = evidence.jobs.iter().filter_map(|((_, job), record)| {
        let dispatched = record.dispatched.as_ref()?;
        let is_of_it = dispatched.data_source.to_string() == data_source;
        is_of_it.then_some((job.as_str(), (dispatched, record)))
    });
    jobs.collect()
}

fn of_step(
    step: &Step,
    dispatched: &Dispatched,
    record: &JobRecord,
) -> impl Iterator<Item = Difference> {
    let members = [
        ("attempt", step.attempt == u64::from(dispatched.attempt)),
        ("job_sha256", step.job_sha256 == dispatched.job_sha256),
        ("change", step.change == dispatched.change.to_string()),
        ("change_sha256", Some(step.change_sha256) == dispatched.change_sha256),
        ("fence", step.fence == dispatched.fence),
    ];
    let members = members.into_iter().filter(|(_, holds)| !holds);
    let members = members.map(|(member, _)| Difference::Member(member));
    let end = match record.finished.as_ref().map(|finished| finished.said.outcome) {
        None => Some(Difference::NotReported),
        Some(outcome) if can_be(step.state, outcome) => None,
        Some(outcome) => Some(Difference::OtherEnd { step: step.state, outcome }),
    };
    members.chain(end)
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

fn of_answer(answer: &Answer, record: &JobRecord, blobs: &dyn Blobs) -> Option<Difference> {
    let Some(FinishedRecord { said, .. }) = &record.finished else {
        return Some(Difference::NotReported);
    };
    if answer.attempt != u64::from(said.attempt) {
        return Some(Difference::Member("attempt"));
    }
    match result_sha256(record, blobs) {
        None => Some(Difference::ResultUnreadable),
        Some(sha256) => (sha256 != answer.result_sha256).then_some(Difference::OtherResult),
    }
}

fn result_sha256(record: &JobRecord, blobs: &dyn Blobs) -> Option<Sha256Digest> {
    let bytes = blobs.named(&record.finished.as_ref()?.said.result).ok()?;
    let parsed = Parsed::<JobResult>::from_envelope(Envelope::parse(&bytes).ok()?).ok()?;
    Some(parsed.sha256())
}

/// What the log says was run must be in the journal.
fn of_job(
    job: &str,
    dispatched: &Dispatched,
    record: &JobRecord,
    journal: &Journal,
) -> Option<Difference> {
    let said = &record.finished.as_ref()?.said;
    let runs_sql = matches!(dispatched.mode, Mode::Migrate | Mode::Rollback);
    let left_something = matches!(said.outcome, Outcome::Succeeded | Outcome::FailedPartial);
    if !runs_sql || !left_something {
        return None;
    }
    let is_there = journal.steps.iter().any(|step| step.job == job);
    (!is_there).then_some(Difference::NotRun { outcome: said.outcome })
}

#[cfg(test)]
mod tests {
    use super::super::testimony::{Testimony, data_source};
    use super::*;

    /// The journal that the testimony's agent would have left.
    fn journal(testimony: &Testimony) -> anyhow::Result<Journal> {
        let (key, record) = testimony.evidence.jobs.iter().next().ok_or_else(none)?;
        let dispatched = record.dispatched.as_ref().ok_or_else(none)?;
        let result = result_sha256(record, &testimony.blobs).ok_or_else(none)?;
        let (job, attempt, change) = (&key.1, dispatched.attempt, dispatched.change.to_string());
        let sha256 = dispatched.change_sha256.ok_or_else(none)?;
        let lines = [
            json!({"table": "version", "version": 1, "data_source": data_source().to_string()}),
            json!({"table": "journal", "job": job, "attempt": attempt, "ordinal": 1,
                "job_sha256": dispatched.job_sha256, "change": change, "change_sha256": sha256,
                "fence": dispatched.fence, "state": "succeeded"}),
            json!({"table": "results", "job": job, "attempt": attempt, "result_sha256": result}),
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
        let spoils: [fn(&mut Step, Sha256Digest); 5] = [
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
