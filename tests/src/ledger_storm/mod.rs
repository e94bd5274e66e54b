//! The storm over the ledger: random attacks on sealed logs, each of which the verifier has to find where it is, and
//! untouched logs on which it has to be silent. Nothing but `ledger` takes part: no server, no disk.

mod attempt;
mod edits;
mod forger;
mod histories;
mod judge;
mod log;
mod memory;
mod moves;
mod nothing;
mod proofs;
mod table;
mod writers;

use anyhow::Context as _;
use attempt::Attack;
use fastrand::Rng;
use judge::Outcome;
use log::Log;
use std::num::NonZero;
use std::time::{Duration, Instant};

/// Logs of random sizes beside the large one: most instances run on these, because every instance verifies all of its
/// log.
const SMALL_LOGS: u64 = 24;
/// Every that many rounds over all attacks, one is on the large log; the first one is.
const ROUNDS_A_LARGE_ONE: usize = 20;
/// Wrong outcomes that are told word by word.
const TOLD: usize = 20;

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Instances of attacks.
    pub instances: usize,
    /// Of every random choice.
    pub seed: u64,
    /// Commits of the large log.
    pub commits: u64,
}

/// What came of one kind of attack.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Its number in `docs/attacks.md`; 0 where nothing is attacked.
    pub number: u8,
    /// What was done.
    pub name: &'static str,
    /// How often.
    pub instances: usize,
    /// How often it was detected; of an untouched log, how often nothing was said.
    pub detected: usize,
    /// Detected, and said to be elsewhere.
    pub mislocated: usize,
    /// Alarms where there was nothing.
    pub false_alarms: usize,
}

/// What came of all.
#[derive(Debug)]
pub struct Report {
    /// The plan.
    pub plan: Plan,
    /// Every attack.
    pub attacks: Vec<Row>,
    /// Untouched evidence.
    pub untouched: Vec<Row>,
    /// Edits of what nobody attests.
    pub unattested: Vec<Row>,
    /// How many instances were on the large log.
    pub on_the_large_log: usize,
    /// The sizes of the small logs, from and to.
    pub small_sizes: (u64, u64),
    /// What went wrong, some of it word by word.
    pub told: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// Everything was detected, where it was, and nothing else.
    pub fn holds(&self) -> bool {
        let rows = [&self.attacks, &self.untouched, &self.unattested].into_iter().flatten();
        rows.into_iter().all(|row| {
            row.detected == row.instances && row.mislocated == 0 && row.false_alarms == 0
        })
    }
}

struct World {
    large: Log,
    small: Vec<Log>,
    attacks: Vec<Attack>,
}

impl World {
    fn new(plan: Plan) -> anyhow::Result<Self> {
        let mut random = Rng::with_seed(plan.seed);
        let mut small = Vec::new();
        for _ in 0..SMALL_LOGS {
            small.push(Log::new(random.u64(24..=90), random.u64(..))?);
        }
        let large = Log::new(plan.commits, random.u64(..))?;
        let deeds = [edits::ATTACKS, moves::ATTACKS, histories::ATTACKS, writers::ATTACKS];
        let mut attacks = [deeds.concat(), proofs::ATTACKS.to_vec()].concat();
        attacks.sort_by_key(|attack| attack.number);
        Ok(Self { large, small, attacks })
    }

    /// All rows, attacks first.
    fn rows(&self) -> Vec<Attack> {
        [&self.attacks, nothing::UNTOUCHED, nothing::UNATTESTED].concat()
    }

    /// One instance, which follows from the seed and its number alone.
    fn instance(&self, plan: Plan, number: usize) -> anyhow::Result<Done> {
        let rows = self.rows();
        let (round, at) = (number / rows.len(), number % rows.len());
        let attack = rows.get(at).context("an attack")?;
        let mut random =
            Rng::with_seed(plan.seed ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let is_large = round.is_multiple_of(ROUNDS_A_LARGE_ONE);
        let log =
            if is_large { &self.large } else { random.choice(&self.small).context("a log")? };
        let attempt = (attack.deed)(log, &mut random);
        let attempt = attempt.with_context(|| format!("{}, instance {number}", attack.name))?;
        let outcome = judge::judge(log, &attempt)?;
        Ok(Done { at, number, is_large, place: format!("{:?}", attempt.place), outcome })
    }
}

struct Done {
    at: usize,
    number: usize,
    is_large: bool,
    place: String,
    outcome: Outcome,
}

/// Lets it rage, on every core.
pub fn rage(plan: Plan, tell: impl Fn(&str)) -> anyhow::Result<Report> {
    let began = Instant::now();
    anyhow::ensure!(plan.commits >= 24, "a log of at least 24 commits is attacked");
    let world = World::new(plan)?;
    tell(&format!(
        "{} logs are sealed after {:.1} s; {} kinds of attacks begin",
        world.small.len() + 1,
        began.elapsed().as_secs_f64(),
        world.attacks.len()
    ));
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    let done: anyhow::Result<Vec<Vec<Done>>> = std::thread::scope(|scope| {
        let run = |first: usize| {
            let world = &world;
            scope.spawn(move || {
                let numbers = (first..plan.instances).step_by(workers);
                numbers.map(|number| world.instance(plan, number)).collect()
            })
        };
        let threads: Vec<_> = (0..workers).map(run).collect();
        let joined = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the verifier panicked")))
        });
        joined.collect()
    });
    Ok(report(plan, &world, done?.into_iter().flatten().collect(), began.elapsed()))
}

fn report(plan: Plan, world: &World, mut done: Vec<Done>, took: Duration) -> Report {
    let kinds = world.rows();
    let row = |attack: &Attack| Row { number: attack.number, name: attack.name, ..Row::default() };
    let mut rows: Vec<Row> = kinds.iter().map(row).collect();
    let (mut told, mut on_the_large_log) = (Vec::new(), 0);
    done.sort_by_key(|done| done.number);
    for Done { at, number, is_large, place, outcome } in done {
        let Some(row) = rows.get_mut(at) else { continue };
        row.instances += 1;
        on_the_large_log += usize::from(is_large);
        let why = match outcome {
            Outcome::Right => {
                row.detected += 1;
                continue;
            }
            Outcome::Missed(why) => why,
            Outcome::Mislocated(why) => {
                row.detected += 1;
                row.mislocated += 1;
                why
            }
            Outcome::FalseAlarm(why) => {
                row.false_alarms += 1;
                why
            }
        };
        if told.len() < TOLD {
            told.push(format!("{}, instance {number}: expected {place}; {why}", row.name));
        }
    }
    let unattested = rows.split_off(kinds.len() - nothing::UNATTESTED.len());
    let untouched = rows.split_off(world.attacks.len());
    let sizes = || world.small.iter().map(Log::size);
    let small_sizes = (sizes().min().unwrap_or_default(), sizes().max().unwrap_or_default());
    Report { plan, attacks: rows, untouched, unattested, on_the_large_log, small_sizes, told, took }
}
