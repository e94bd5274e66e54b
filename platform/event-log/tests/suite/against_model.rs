//! The same script against the model and a real server, one or three of them: both must agree on every answer, and in
//! the end on the record.

use crate::lossy::Lossy;
use crate::model::{Answer, Ask, Attempt, Model};
use crate::script::{After, Step, script};
use crate::servers::{Servers, data_source, followed, lock, register, release};
use crate::world::request;
use anyhow::{Context as _, ensure};
use countersign_event_log as event_log;
use domain::catalog::{DataSource, DataSourceCommand, DataSourceError};
use domain::refusal::Refusal as _;
use event_log::{EventLog, ExecuteError, Recorded, Request, Target};
use futures::future::try_join_all;
use ledger::Receipt;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

const STEPS: usize = 24;
/// The scripts of a test that is to be short.
const SEEDS: Range<u64> = 0..6;

/// One script on one aggregate, and what came of it.
struct Run<'a> {
    servers: &'a Servers,
    writers: &'a [EventLog; 2],
    seed: u64,
    shop: Target,
    model: Model,
    receipts: RefCell<Vec<(u32, Receipt)>>,
}

impl<'a> Run<'a> {
    async fn of(
        servers: &'a Servers,
        writers: &'a [EventLog; 2],
        seed: u64,
    ) -> anyhow::Result<Self> {
        let shop = data_source(&seed.to_string());
        let (model, receipts) = (Model::default(), RefCell::default());
        let mut run = Self { servers, writers, seed, shop, model, receipts };
        for (index, step) in script(seed, STEPS).iter().enumerate() {
            let before = run.model.clone();
            let taken = Box::pin(run.take(step)).await;
            taken.with_context(|| format!("seed {seed}, step {index}: {step:?} on {before:?}"))?;
        }
        Ok(run)
    }

    async fn take(&mut self, step: &Step) -> anyhow::Result<()> {
        match step {
            Step::One(writer, attempt) => {
                let log = self.writers.get(*writer).context("two writers")?;
                let answer = self.ask(log, attempt).await?;
                let expected = self.model.answer(attempt);
                ensure!(answer == expected, "answered {answer:?}, not {expected:?}");
            }
            Step::Both(one, two) => {
                let [first, second] = self.writers;
                let (one_answer, two_answer) =
                    tokio::try_join!(self.ask(first, one), self.ask(second, two))?;
                let answers = [one_answer, two_answer];
                let possible = self.model.either_order(one, two);
                let ended = possible.iter().find(|(_, expected)| *expected == answers);
                let expected = || possible.each_ref().map(|(_, expected)| *expected);
                let ended = ended.with_context(|| format!("{answers:?}, not {:?}", expected()));
                self.model = ended?.0.clone();
            }
            Step::Lost(after, attempt) => {
                let answer = self.ask_and_lose(*after, attempt).await?;
                let expected = match (self.model.answer(attempt), after) {
                    (Answer::Recorded { replayed: false, .. }, After::Dies) => None,
                    (Answer::Recorded { version, replayed: false }, After::Waits) => {
                        Some(Answer::Recorded { version, replayed: true })
                    }
                    (answer, _) => Some(answer),
                };
                ensure!(answer == expected, "answered {answer:?}, not {expected:?}");
            }
        }
        Ok(())
    }

    fn request(&self, attempt: &Attempt) -> anyhow::Result<Request> {
        let name = format!("{} {}", self.seed, attempt.command);
        let expected_version = attempt.expected_version;
        Ok(Request { expected_version, ..request(&name, &attempt.body)? })
    }

    fn command(&self, ask: Ask) -> DataSourceCommand {
        match ask {
            Ask::Register => register(&self.seed.to_string()),
            Ask::Lock(change) => lock(change),
            Ask::Release(change) => release(change),
        }
    }

    async fn ask(&self, log: &EventLog, attempt: &Attempt) -> anyhow::Result<Answer> {
        let (command, request) = (self.command(attempt.ask), self.request(attempt)?);
        match log.execute::<DataSource, _>(&self.shop, command, &request).await {
            Ok(answered) => {
                let (receipt, replayed) = (answered.receipt(), answered.replayed);
                let version = receipt.version;
                self.receipts.borrow_mut().push((attempt.command, receipt));
                Ok(Answer::Recorded { version, replayed })
            }
            Err(ExecuteError::Refused(refusal)) => Ok(Answer::Refused(refusal)),
            Err(ExecuteError::OtherBody) => Ok(Answer::OtherBody),
            Err(ExecuteError::Stale { version }) => Ok(Answer::Stale { version }),
            Err(other) => Err(other.into()),
        }
    }

    /// Asks as a process of its own, whose first answer after something is recorded is lost.
    async fn ask_and_lose(
        &self,
        after: After,
        attempt: &Attempt,
    ) -> anyhow::Result<Option<Answer>> {
        let before = self.newest().await?;
        let lossy = Lossy::to(self.servers.node(0).port()).await?;
        let asked = async {
            let log = self.servers.log_at(&lossy.url()?).await?;
            self.ask(&log, attempt).await
        };
        let died = async {
            match after {
                After::Dies => lossy.lost().await,
                After::Waits => std::future::pending().await,
            }
        };
        tokio::select! {
            served = lossy.serve(async || Ok(self.newest().await? > before)) => {
                served.map(|()| None)
            }
            answer = asked => Ok(Some(answer?)),
            () = died => Ok(None),
        }
    }

    /// The last sequence of the aggregate, seen past every proxy.
    async fn newest(&self) -> anyhow::Result<u64> {
        let [observer, _] = self.writers;
        let Target { tenant, id } = &self.shop;
        let loaded = observer.load_current::<DataSource>(tenant, id).await?;
        Ok(loaded.map_or(0, |loaded| loaded.last_sequence))
    }

    /// The record holds what the model holds, and every receipt names its commit.
    fn agrees_with(&self, record: &[Recorded]) -> anyhow::Result<()> {
        let own: Vec<&Recorded> =
            record.iter().filter(|commit| commit.aggregate_id == self.shop.id).collect();
        let count = self.model.entries.len();
        ensure!(own.len() == count, "seed {}: {} commits, not {count}", self.seed, own.len());
        for ((version, entry), commit) in (1..).zip(&self.model.entries).zip(&own) {
            let name = format!("{} {}", self.seed, entry.command);
            let wanted = request(&name, &entry.body)?;
            let events = commit.events.as_ref().map_err(|error| anyhow::anyhow!("{error:?}"))?;
            let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
            let held = (commit.version, commit.command.id.to_string(), commit.command.digest);
            let should = (version, wanted.command.to_string(), wanted.digest);
            ensure!(held == should && kinds == entry.events, "{commit:?} is not {entry:?}");
        }
        for (command, receipt) in self.receipts.borrow().iter() {
            let commit = own.iter().find(|commit| commit.sequence == receipt.sequence);
            let commit = commit.with_context(|| format!("{receipt:?} names no commit"))?;
            let entry = usize::try_from(receipt.version - 1).ok();
            let entry = entry.and_then(|index| self.model.entries.get(index));
            let fits = commit.hash == receipt.hash && commit.version == receipt.version;
            let own = entry.is_some_and(|entry| entry.command == *command);
            ensure!(fits && own, "{receipt:?} of command {command} is not of {commit:?}");
        }
        Ok(())
    }
}

async fn agrees(servers: Servers, seeds: Range<u64>) -> anyhow::Result<()> {
    let writers = [servers.log(0).await?, servers.log(1).await?];
    let runs = try_join_all(seeds.map(|seed| Run::of(&servers, &writers, seed))).await?;
    let recorded: usize = runs.iter().map(|run| run.model.entries.len()).sum();
    let last = recorded as u64 + 1;
    let [log, _] = &writers;
    assert_eq!(log.reader().last_sequence().await?, last, "nothing else was appended");
    let mut follower = servers.reader(2).await?.follow(None).await?;
    let record = followed(&mut follower, last).await?;
    for run in &runs {
        run.agrees_with(&record)?;
    }
    servers.stop().await;
    Ok(())
}

#[test]
fn the_short_scripts_meet_every_rule() {
    let mut met = BTreeMap::<&str, u32>::new();
    for seed in SEEDS {
        let mut model = Model::default();
        for step in script(seed, STEPS) {
            let (kind, attempts) = match step {
                Step::One(_, attempt) => ("one", vec![attempt]),
                Step::Both(one, two) if one.command == two.command => ("same", vec![one, two]),
                Step::Both(one, two) => ("both", vec![one, two]),
                Step::Lost(After::Dies, attempt) => ("lost, dies", vec![attempt]),
                Step::Lost(After::Waits, attempt) => ("lost, waits", vec![attempt]),
            };
            for attempt in attempts {
                let answer = match model.answer(&attempt) {
                    Answer::Recorded { replayed: true, .. } => "replayed",
                    Answer::Recorded { .. } if kind.starts_with("lost") => kind,
                    Answer::Recorded { .. } => "recorded",
                    Answer::Refused(refusal) => refusal.code(),
                    Answer::OtherBody => "other body",
                    Answer::Stale { .. } => "stale",
                };
                *met.entry(answer).or_default() += 1;
            }
            *met.entry(kind).or_default() += 1;
        }
    }
    let refusals = DataSourceError::CATALOGUE.iter().map(|entry| entry.code);
    let refusals = refusals.filter(|code| *code != DataSourceError::QueueFull.code());
    let rules = ["recorded", "replayed", "other body", "stale", "both", "same"];
    for rule in rules.into_iter().chain(["lost, dies", "lost, waits"]).chain(refusals) {
        assert!(met.contains_key(rule), "no script meets {rule}: {met:?}");
    }
}

#[tokio::test]
async fn one_server_agrees_with_the_model() -> anyhow::Result<()> {
    agrees(Servers::one().await?, SEEDS).await
}

#[tokio::test]
async fn three_servers_agree_with_the_model() -> anyhow::Result<()> {
    agrees(Servers::three().await?, SEEDS).await
}

#[tokio::test]
#[ignore = "a long loop: `cargo xtask storm model --seeds N`"]
#[expect(clippy::print_stderr, reason = "long work shows progress")]
#[expect(clippy::disallowed_methods, reason = "the command gives its number by the environment")]
async fn many_scripts_agree_with_the_model() -> anyhow::Result<()> {
    let seeds = std::env::var("COUNTERSIGN_MODEL_SEEDS").map_or(Ok(10), |text| text.parse())?;
    for first in (0..seeds).step_by(10) {
        let scripts = first..seeds.min(first + 10);
        agrees(Servers::one().await?, scripts.clone()).await?;
        agrees(Servers::three().await?, scripts.clone()).await?;
        eprintln!("{} of {seeds} scripts agree at one replica and at three", scripts.end);
    }
    Ok(())
}
