//! What commits name: each change, approval and job must be in the record, and the commit that a job's signature names
//! must be where it says.
//!
//! A commit does not sign its sequence. Whoever removes whole stories and renumbers the rest leaves every chain whole;
//! what the rest still names is then missed.

use super::blobs::Blobs;
use super::evidence::{Evidence, Key};
use super::hash_runs;
use super::objection::Objection;
use domain::approvals::ApprovalEvent;
use domain::catalog::DataSourceEvent;
use domain::changes::ChangeEvent;
use domain::jobs::{Dispatched, JobEvent};
use domain::registry::Event;
use ledger::{Commit, CommitHash, Origin, pairs};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use trust::encoding::Timestamp;
use trust::message::JobMessage;

/// A change's dispatch and its job are two commits, one right after the other. At the end of the record the second may
/// not be there yet.
const UNDER_WAY_SECONDS: i64 = 10;

/// What was found in the commits, to be compared once they are all in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct References {
    #[serde(with = "hash_runs")]
    hashes: BTreeMap<u64, CommitHash>,
    present: BTreeSet<Key>,
    ended: BTreeSet<(Key, End)>,
    /// Where it was named first.
    #[serde(with = "pairs")]
    named: BTreeMap<Named, u64>,
    /// By change.
    #[serde(with = "pairs")]
    orders: BTreeMap<Key, Order>,
    /// Where each job was recorded.
    #[serde(with = "pairs")]
    dispatches: BTreeMap<Key, u64>,
    newest: Option<Timestamp>,
}

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum End {
    Granted,
    Rejected,
    Finished,
}

/// What an aggregate's commit names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Named {
    tenant: String,
    by: String,
    id: String,
    end: Option<End>,
}

/// A job that a change says is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Order {
    job: String,
    sequence: u64,
    time: Timestamp,
    /// What the change says afterwards.
    then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Then {
    Nothing,
    /// The job was refused before it was recorded.
    GivenUp,
    WentOn,
}

/// A reference that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Of the commit that names.
    pub sequence: u64,
    /// The aggregate that names.
    pub by: String,
    /// What is wrong.
    pub objection: Objection,
}

impl References {
    /// Notes a good commit.
    pub fn commit(&mut self, commit: &Commit) {
        let envelope = &commit.envelope;
        self.hashes.insert(commit.sequence, commit.hash);
        self.present.insert((envelope.tenant.to_string(), envelope.aggregate.id.to_string()));
        self.newest = self.newest.max(Some(envelope.time));
    }

    /// Notes an event of a good commit.
    pub fn event(&mut self, commit: &Commit, event: &Event) {
        match event {
            Event::DataSource(event) => self.data_source(commit, event),
            Event::Change(event) => self.change(commit, event),
            Event::Approval(event) => self.approval(commit, event),
            Event::Job(event) => self.job(commit, event),
            Event::Tenant(_)
            | Event::Principal(_)
            | Event::TrustRoot(_)
            | Event::Agent(_)
            | Event::Log(_) => {}
        }
    }

    fn data_source(&mut self, commit: &Commit, event: &DataSourceEvent) {
        match event {
            DataSourceEvent::LockQueued { change }
            | DataSourceEvent::LockGranted { change, .. }
            | DataSourceEvent::LockReleased { change, .. } => self.name(commit, change, None),
            DataSourceEvent::Created(_) => {}
        }
    }

    fn change(&mut self, commit: &Commit, event: &ChangeEvent) {
        if let Some(order) = self.orders.get_mut(&key(commit)) {
            let gives_up = matches!(event, ChangeEvent::Failed { job: Some(job), .. } if job.to_string() == order.job);
            order.then = match order.then {
                Then::Nothing if gives_up => Then::GivenUp,
                Then::Nothing | Then::GivenUp | Then::WentOn => Then::WentOn,
            };
        }
        match event {
            ChangeEvent::PendingApproval(pending) => {
                self.name(commit, &pending.approval, None);
                self.name(commit, &pending.job, Some(End::Finished));
            }
            ChangeEvent::Approved { approval } => self.name(commit, approval, Some(End::Granted)),
            ChangeEvent::Rejected { approval, .. } => {
                self.name(commit, approval, Some(End::Rejected));
            }
            ChangeEvent::Dispatched { job, .. } => {
                let order = Order {
                    job: job.to_string(),
                    sequence: commit.sequence,
                    time: commit.envelope.time,
                    then: Then::Nothing,
                };
                self.orders.insert(key(commit), order);
            }
            ChangeEvent::ResultTaken { job, .. }
            | ChangeEvent::Applied { job, .. }
            | ChangeEvent::OutcomeUnknown { job } => self.name(commit, job, Some(End::Finished)),
            // A failure also names jobs that were refused before they were recorded.
            ChangeEvent::Failed { .. }
            | ChangeEvent::Drafted(_)
            | ChangeEvent::Requested { .. }
            | ChangeEvent::Scheduled { .. }
            | ChangeEvent::Resolved { .. }
            | ChangeEvent::Cancelled { .. } => {}
        }
    }

    fn approval(&mut self, commit: &Commit, event: &ApprovalEvent) {
        match event {
            ApprovalEvent::Opened(opened) => self.name(commit, &opened.change, None),
            ApprovalEvent::Granted {} => self.end(commit, End::Granted),
            ApprovalEvent::Rejected { .. } => self.end(commit, End::Rejected),
            ApprovalEvent::Signed(_) | ApprovalEvent::Closed {} => {}
        }
    }

    fn job(&mut self, commit: &Commit, event: &JobEvent) {
        match event {
            JobEvent::Dispatched(dispatched) => {
                self.dispatches.insert(key(commit), commit.sequence);
                self.name(commit, &dispatched.change, None);
            }
            JobEvent::Succeeded(finished)
            | JobEvent::Failed(finished)
            | JobEvent::Refused(finished)
            | JobEvent::OutcomeUnknown(finished) => {
                self.end(commit, End::Finished);
                self.name(commit, &finished.change, None);
            }
        }
    }

    fn end(&mut self, commit: &Commit, end: End) {
        self.ended.insert((key(commit), end));
    }

    fn name(&mut self, commit: &Commit, id: &impl Display, end: Option<End>) {
        let (tenant, by) = key(commit);
        let named = Named { tenant, by, id: id.to_string(), end };
        self.named.entry(named).or_insert(commit.sequence);
    }

    /// What is named and not in the record, or has not ended there as it is said to have.
    fn missing(&self) -> impl Iterator<Item = Broken> {
        self.named.iter().filter_map(|(Named { tenant, by, id, end }, sequence)| {
            let key = (tenant.clone(), id.clone());
            let objection = match end {
                _ if !self.present.contains(&key) => Objection::NotRecorded(id.clone()),
                Some(end) if !self.ended.contains(&(key, *end)) => {
                    Objection::EndNotRecorded(id.clone())
                }
                Some(_) | None => return None,
            };
            Some(Broken { sequence: *sequence, by: by.clone(), objection })
        })
    }

    /// Jobs that changes say were sent, and that nobody recorded.
    fn unrecorded(&self) -> impl Iterator<Item = Broken> {
        let absent = |((tenant, change), order): (&Key, &Order)| {
            let is_present = self.present.contains(&(tenant.clone(), order.job.clone()));
            if is_present || self.is_under_way(order) || order.then == Then::GivenUp {
                return None;
            }
            let objection = Objection::NotRecorded(order.job.clone());
            Some(Broken { sequence: order.sequence, by: change.clone(), objection })
        };
        self.orders.iter().filter_map(absent)
    }

    fn is_under_way(&self, order: &Order) -> bool {
        let ends = order.time.plus_seconds(UNDER_WAY_SECONDS);
        order.then == Then::Nothing && self.newest.is_none_or(|newest| newest <= ends)
    }
}

/// Checks everything that commits name and that jobs' signatures name.
pub fn check(evidence: &Evidence, origin: &Origin, blobs: &dyn Blobs) -> Vec<Broken> {
    let references = &evidence.references;
    let mut broken: Vec<_> = references.missing().chain(references.unrecorded()).collect();
    for (key, sequence) in &references.dispatches {
        let record = evidence.jobs.get(key).and_then(|record| record.dispatched.as_ref());
        let Some(dispatched) = record else { continue };
        if let Err(objection) = job(key, *sequence, dispatched, references, origin, blobs) {
            broken.push(Broken { sequence: *sequence, by: key.1.clone(), objection });
        }
    }
    broken
}

/// Whether a job's message is the recorded one, and what it signs about the log is so.
fn job(
    (tenant, id): &Key,
    recorded_at: u64,
    dispatched: &Dispatched,
    references: &References,
    origin: &Origin,
    blobs: &dyn Blobs,
) -> Result<(), Objection> {
    let message = JobMessage::parse(&blobs.named(&dispatched.message)?)?;
    let job = message.job.statement();
    for (member, holds) in [
        ("digest", message.job.sha256() == dispatched.job_sha256),
        ("tenant", job.tenant.as_str() == tenant),
        ("id", job.job.as_str() == id),
        ("data source", job.data_source.as_str() == dispatched.data_source.to_string()),
        ("mode", job.mode.name() == dispatched.mode.name()),
        ("attempt", job.attempt == u64::from(dispatched.attempt)),
        ("fence", job.fence == dispatched.fence),
        ("change", job.change_sha256 == dispatched.change_sha256),
    ] {
        if !holds {
            return Err(Objection::OtherJob(member));
        }
    }
    let Some(position) = &job.log else { return Ok(()) };
    let sequence = position.sequence;
    if position.origin.as_str() != origin.as_str() {
        return Err(Objection::PositionOfOtherLog(position.origin.to_string()));
    }
    let found = references.hashes.get(&sequence).ok_or(Objection::PositionMissing(sequence))?;
    if found.to_string() != position.hash.to_string() {
        return Err(Objection::OtherPosition(sequence));
    }
    // It was signed because of that commit, and recorded once it was signed.
    if sequence < recorded_at { Ok(()) } else { Err(Objection::PositionAfter(sequence)) }
}

fn key(commit: &Commit) -> Key {
    (commit.envelope.tenant.to_string(), commit.envelope.aggregate.id.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::stand::Stand;
    use super::super::testimony::{TENANT, Testimony, change_id, data_source};
    use super::super::written_log::{envelope, unrelated_change};
    use super::*;
    use domain::ids::{ApprovalId, ChangeId, JobId, PrincipalId};
    use domain::vocabulary::Outcome;
    use ledger::{Line, Verdict};
    use serde::Serialize;

    /// Where the testimony's log has what.
    const UNRELATED: usize = 2;
    const LOCK_GRANT: usize = 8;
    const JOB: usize = 9;

    /// The exit code and the codes of all objections to references, of a bundle that somebody retold.
    fn retold(change: impl FnOnce(&mut Vec<Line>)) -> anyhow::Result<(u8, Vec<&'static str>)> {
        let stand = Stand::new(|_| {})?;
        stand.retell(change)?;
        let conclusion = stand.verify()?;
        // Every chain is whole: the ledger by itself has nothing to say.
        anyhow::ensure!(conclusion.report.verdict == Verdict::Intact, "{:?}", conclusion.report);
        let codes = conclusion.raised.iter().map(|raised| raised.objection.code());
        Ok((conclusion.exit() as u8, codes.collect()))
    }

    #[test]
    fn a_log_that_is_told_as_it_was_is_not_objected_to() {
        assert_eq!(retold(|_| {}).unwrap(), (0, vec![]));
        // Nothing signed comes after it and nothing names it: only a checkpoint could show it.
        let cut = |lines: &mut Vec<Line>| drop(lines.pop());
        assert_eq!(retold(cut).unwrap(), (0, vec![]));
    }

    #[test]
    fn a_story_removed_before_a_signed_place_of_the_log_is_tampering() {
        let id = unrelated_change().to_string();
        let found = retold(|lines| lines.retain(|line| !line.subject.ends_with(&id))).unwrap();
        assert_eq!(found, (7, vec!["job_position_mismatch"]));
    }

    #[test]
    fn another_order_of_aggregates_before_a_signed_place_is_tampering() {
        let found = retold(|lines| lines.swap(LOCK_GRANT, UNRELATED)).unwrap();
        assert_eq!(found, (7, vec!["job_position_mismatch"]));
        let found = retold(|lines| lines.swap(JOB, UNRELATED)).unwrap();
        assert_eq!(found, (7, vec!["job_position_later"]));
    }

    #[test]
    fn a_change_that_others_name_and_that_is_not_there_leaves_it_open() {
        let id = change_id().to_string();
        let (exit, codes) =
            retold(|lines| lines.retain(|line| !line.subject.ends_with(&id))).unwrap();
        // The signed place has moved, too.
        assert_eq!(exit, 7);
        let named = codes.iter().filter(|code| **code == "named_not_recorded").count();
        assert_eq!(named, 3, "an approval, a lock and a job name it: {codes:?}");
    }

    #[test]
    fn a_lost_commit_that_a_job_signs_leaves_it_open() {
        let stand = Stand::new(|_| {}).unwrap();
        let path = stand.path().join("commits.ndjson");
        let text = std::fs::read_to_string(&path).unwrap();
        let kept = text.split_inclusive('\n').enumerate().filter(|(i, _)| *i != LOCK_GRANT);
        std::fs::write(&path, kept.map(|(_, line)| line).collect::<String>()).unwrap();
        let conclusion = stand.verify().unwrap();
        assert_eq!(conclusion.exit() as u8, 8);
        let codes: Vec<_> = conclusion.raised.iter().map(|r| r.objection.code()).collect();
        assert_eq!(codes, ["job_position_missing"]);
    }

    #[test]
    fn a_message_that_is_not_the_recorded_job_is_tampering() {
        let found = |spoil: fn(&mut Testimony)| {
            let conclusion = Stand::new(spoil).unwrap().verify().unwrap();
            assert_eq!(conclusion.exit() as u8, 7);
            conclusion.raised.iter().map(|r| r.objection.code()).collect::<Vec<_>>()
        };
        let codes = found(|t| t.dispatched().unwrap().fence = 2);
        assert_eq!(codes, ["job_mismatch"]);
        let codes = found(|t| t.dispatched().unwrap().change_sha256 = None);
        assert_eq!(codes, ["job_mismatch"]);
        let codes = found(|t| {
            let root = t.evidence.roots.values().next().unwrap().envelope.clone();
            t.dispatched().unwrap().message = root;
        });
        assert_eq!(codes, ["message_malformed"]);
    }

    /// Commits of the test change, approval, job and data source, one a second unless `later`.
    #[derive(Default)]
    struct Told {
        evidence: Evidence,
        sequence: u64,
        later: i64,
    }

    impl Told {
        fn tell<E: Serialize>(&mut self, kind: &str, id: &str, event: E) -> anyhow::Result<()> {
            self.sequence += 1;
            let start: Timestamp = "2026-11-20T07:00:00.000000Z".parse()?;
            let time = start.plus_seconds(i64::try_from(self.sequence)? + self.later);
            let place = (self.sequence, 1, CommitHash::ZERO);
            let envelope = envelope((TENANT, kind, id), place, time, &[event])?;
            let commit = Commit { sequence: self.sequence, hash: CommitHash::ZERO, envelope };
            self.evidence.take_in(&commit);
            anyhow::ensure!(self.evidence.unreadable.is_empty(), "{:?}", self.evidence.unreadable);
            Ok(())
        }

        fn change(&mut self, event: ChangeEvent) -> anyhow::Result<()> {
            self.tell("change", &change_id().to_string(), event)
        }

        /// What is missing: who names it first and where, and how.
        fn missing(&self) -> anyhow::Result<Vec<(u64, &'static str)>> {
            let testimony = Testimony::new()?;
            let broken = check(&self.evidence, &"a.b".parse()?, &testimony.blobs);
            Ok(broken.iter().map(|b| (b.sequence, b.objection.code())).collect())
        }
    }

    fn approval() -> ApprovalId {
        ApprovalId::derived("approval", &["told"])
    }

    fn told_job() -> JobId {
        JobId::derived("job", &["told"])
    }

    #[test]
    fn whatever_a_change_names_must_be_there_and_have_ended_as_it_says() {
        let mut told = Told::default();
        let person = PrincipalId::derived("principal", &["bob"]);
        told.change(ChangeEvent::Approved { approval: approval() }).unwrap();
        told.change(ChangeEvent::Rejected { approval: approval(), by: person }).unwrap();
        told.change(ChangeEvent::OutcomeUnknown { job: told_job() }).unwrap();
        let absent = "named_not_recorded";
        let mut missing = told.missing().unwrap();
        missing.sort_unstable();
        assert_eq!(missing, [(1, absent), (2, absent), (3, absent)]);
        told.tell("approval", &approval().to_string(), ApprovalEvent::Closed {}).unwrap();
        let mut missing = told.missing().unwrap();
        missing.sort_unstable();
        assert_eq!(missing, [(1, "end_not_recorded"), (2, "end_not_recorded"), (3, absent)]);
        told.tell("approval", &approval().to_string(), ApprovalEvent::Granted {}).unwrap();
        assert_eq!(told.missing().unwrap().len(), 2);
        let finished = Testimony::new().unwrap().finished().unwrap().said.clone();
        told.tell("job", &told_job().to_string(), JobEvent::ended(finished)).unwrap();
        assert_eq!(told.missing().unwrap(), [(2, "end_not_recorded")]);
    }

    #[test]
    fn every_lock_event_names_a_change() {
        let change = ChangeId::derived("change", &["absent"]);
        for event in [
            DataSourceEvent::LockQueued { change },
            DataSourceEvent::LockGranted { change, fence: 1 },
            DataSourceEvent::LockReleased { change, fence: None },
        ] {
            let mut told = Told::default();
            told.tell("data_source", &data_source().to_string(), event).unwrap();
            assert_eq!(told.missing().unwrap(), [(1, "named_not_recorded")]);
        }
    }

    fn dispatched() -> anyhow::Result<Told> {
        let mut told = Told::default();
        told.change(ChangeEvent::Dispatched { job: told_job(), fence: 1 })?;
        Ok(told)
    }

    #[test]
    fn a_job_on_its_way_may_be_recorded_a_moment_later_and_no_more() {
        let absent = vec![(1, "named_not_recorded")];
        let mut told = dispatched().unwrap();
        assert_eq!(told.missing().unwrap(), [], "it is the newest commit");
        told.later = UNDER_WAY_SECONDS - 1;
        let other = ChangeId::derived("change", &["other"]).to_string();
        told.tell("change", &other, ChangeEvent::Requested { revision: 1 }).unwrap();
        assert_eq!(told.missing().unwrap(), []);
        told.tell("change", &other, ChangeEvent::Requested { revision: 2 }).unwrap();
        assert_eq!(told.missing().unwrap(), absent, "the log went on without it");
    }

    #[test]
    fn a_job_that_was_refused_before_it_was_recorded_is_not_missed() {
        let failed = |job| ChangeEvent::Failed { code: "jobs.refused".to_owned(), job: Some(job) };
        let mut told = dispatched().unwrap();
        told.change(failed(told_job())).unwrap();
        told.later = 60;
        assert_eq!(told.missing().unwrap(), []);
        let mut told = dispatched().unwrap();
        told.change(failed(JobId::derived("job", &["other"]))).unwrap();
        assert_eq!(told.missing().unwrap(), [(1, "named_not_recorded")]);
        let mut told = dispatched().unwrap();
        let result = Testimony::new().unwrap().finished().unwrap().said.result.clone();
        let (outcome, job) = (Outcome::FailedClean, told_job());
        let taken =
            ChangeEvent::ResultTaken { job, outcome, refusal: None, sqlstate: None, result };
        told.change(taken).unwrap();
        told.change(failed(told_job())).unwrap();
        let absent = "named_not_recorded";
        assert_eq!(told.missing().unwrap(), [(2, absent), (1, absent)]);
    }
}
