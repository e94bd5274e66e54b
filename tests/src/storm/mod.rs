//! The storm: changes go through the platform while everything is killed and every link breaks, and afterwards
//! nothing is lost, doubled or half done.

mod checker;
mod fleet;
mod people;

use crate::command_line::CommandLine;
use crate::platform::Platform;
use crate::proxy::Weather;
use crate::scratch::Scratch;
use anyhow::Context as _;
use checker::Findings;
use fleet::{Fleet, Victim};
use futures::StreamExt as _;
use people::{Ended, Memory, live, resolve};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How many changes are under way at a time.
const AT_ONCE: usize = 4;

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many changes.
    pub changes: u32,
    /// Of every random choice.
    pub seed: u64,
    /// Kills of each process at least.
    pub kills_each: usize,
}

/// What was done, and what came of it.
#[derive(Debug)]
pub struct Report {
    /// The plan.
    pub plan: Plan,
    /// How long from kill to ready, by process.
    pub recoveries: BTreeMap<Victim, Vec<Duration>>,
    /// Links that were cut, silenced or lost their answers.
    pub broken_links: usize,
    /// Commands that people were told to be recorded.
    pub acknowledged: usize,
    /// Requests without an answer, sent again.
    pub unanswered: u64,
    /// Services that ended by themselves and were started again.
    pub ended_by_themselves: Vec<String>,
    /// What was found.
    pub findings: Findings,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// Nothing is wrong, and enough was killed to say so.
    pub fn holds(&self) -> bool {
        self.findings.violations.is_empty() && self.missing_kills().is_empty()
    }

    /// What was not killed often enough.
    pub fn missing_kills(&self) -> Vec<&'static str> {
        let few = |victim: &Victim| {
            self.recoveries.get(victim).map_or(0, Vec::len) < self.plan.kills_each
        };
        Victim::ALL.iter().filter(|victim| few(victim)).map(|victim| victim.name()).collect()
    }
}

/// Lets it rage.
pub async fn rage(plan: Plan, tell: impl Fn(&str)) -> anyhow::Result<Report> {
    let began = Instant::now();
    let scratch = Scratch::new()?;
    let fleet = Fleet::start(&scratch.path().join("d")).await?;
    prepare(&fleet).await?;
    tell(&format!(
        "everything runs after {:.1} s; the storm begins",
        began.elapsed().as_secs_f64()
    ));
    let memory = Arc::new(Memory::default());
    let over = CancellationToken::new();
    let changes = async {
        let ended = changes(&fleet, &memory, plan, &tell).await;
        over.cancel();
        ended
    };
    let (mut ended, recoveries, (broken_links, ended_by_themselves)) =
        tokio::try_join!(changes, kills(&fleet, plan, &over), breaks(&fleet, plan, &over))?;
    tell(&format!("the storm is over after {:.1} s; checking", began.elapsed().as_secs_f64()));
    fleet.settle().await?;
    for one in ended.iter_mut().filter(|one| one.state == "unknown") {
        resolve(&fleet, &memory, plan.seed, one).await?;
    }
    let acknowledged = memory.acknowledged();
    let auditor = auditor(&fleet).await?;
    let findings = checker::check(&fleet, &auditor, &acknowledged, &ended).await?;
    fleet.stop().await?;
    Ok(Report {
        plan,
        recoveries,
        broken_links,
        acknowledged: acknowledged.len(),
        unanswered: memory.unanswered(),
        ended_by_themselves,
        findings,
        took: began.elapsed(),
    })
}

/// The table in which every run leaves a row.
async fn prepare(fleet: &Fleet) -> anyhow::Result<()> {
    let target = fleet.card.targets.first().context("no target")?;
    let client = crate::target::connect_to(&target.url).await?;
    client.batch_execute("CREATE TABLE public.runs (change int NOT NULL)").await?;
    Ok(())
}

async fn auditor(fleet: &Fleet) -> anyhow::Result<CommandLine> {
    let token = fleet.card.tokens.get("auditor").context("no auditor")?;
    let program = Platform::command_line_program().await?;
    Ok(CommandLine::new(program, &fleet.card.command_api, &fleet.card.query_api, token))
}

async fn changes(
    fleet: &Fleet,
    memory: &Arc<Memory>,
    plan: Plan,
    tell: &impl Fn(&str),
) -> anyhow::Result<Vec<Ended>> {
    let mut lives = futures::stream::iter(0..plan.changes)
        .map(|number| live(fleet, memory, plan.seed, number))
        .buffer_unordered(AT_ONCE);
    let mut ended = Vec::new();
    while let Some(one) = lives.next().await {
        ended.push(one?);
        if ended.len() % 20 == 0 {
            tell(&format!("{} of {} changes have ended", ended.len(), plan.changes));
        }
    }
    Ok(ended)
}

/// Kills in random order, round after round, until the changes have ended and everything was killed often enough.
async fn kills(
    fleet: &Fleet,
    plan: Plan,
    over: &CancellationToken,
) -> anyhow::Result<BTreeMap<Victim, Vec<Duration>>> {
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let mut recoveries: BTreeMap<Victim, Vec<Duration>> = BTreeMap::new();
    for round in 0.. {
        let mut order = Victim::ALL;
        random.shuffle(&mut order);
        for victim in order {
            if over.is_cancelled() && round >= plan.kills_each {
                return Ok(recoveries);
            }
            tokio::time::sleep(Duration::from_millis(random.u64(200..3_000))).await;
            let took = fleet.crash(victim).await.with_context(|| victim.name())?;
            recoveries.entry(victim).or_default().push(took);
        }
    }
    Ok(recoveries)
}

/// Breaks one link after the other, for a moment each; starts again what ended by itself.
async fn breaks(
    fleet: &Fleet,
    plan: Plan,
    over: &CancellationToken,
) -> anyhow::Result<(usize, Vec<String>)> {
    let mut random = fastrand::Rng::with_seed(plan.seed.wrapping_add(1));
    let (mut broken, mut ended) = (0, Vec::new());
    while !over.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(random.u64(100..1_500))).await;
        let links: Vec<_> = fleet.links().values().collect();
        let weather = [Weather::Cut, Weather::Silent, Weather::AnswersLost];
        let (Some(link), Some(weather)) = (random.choice(links), random.choice(weather)) else {
            break;
        };
        link.set(weather);
        tokio::time::sleep(Duration::from_millis(random.u64(50..1_500))).await;
        link.set(Weather::Clear);
        broken += 1;
        ended.extend(fleet.revive().await?);
    }
    Ok((broken, ended))
}
