//! The storm over the sealer: it is killed again and again while commits come, and between kills the streams get an old
//! copy of themselves, as from a backup, and are restored from the archive by `countersign archive restore`, which is
//! killed too. At the end every checkpoint that anybody ever saw has to be one of the log as it is.

mod memory;
mod sealed_log;

use anyhow::ensure;
use fastrand::Rng;
use memory::Seen;
use sealed_log::SealedLog;
use std::fmt;
use std::time::{Duration, Instant};

/// One kill in so many is followed by an old copy.
const SET_BACK_EVERY: u32 = 6;

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How often the sealer is killed.
    pub kills: u32,
    /// Of every random choice.
    pub seed: u64,
}

/// What was done, and what came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Kills of the sealer.
    pub kills: u32,
    /// Old copies of the log's stream.
    pub set_backs: u32,
    /// Old copies of the stream of checkpoints.
    pub checkpoints_set_back: u32,
    /// Times that a sealer refused a log that is shorter than what was sealed.
    pub refusals: u32,
    /// Kills of a restore.
    pub restores_killed: u32,
    /// Messages that came back out of the archive.
    pub restored: u64,
    /// Of them, those that no checkpoint covered.
    pub unsealed: u64,
    /// Acknowledged commits.
    pub appended: u64,
    /// How long the log is at the end.
    pub size: u64,
    /// Checkpoints of different sizes that were seen, and how often one was looked at.
    pub checkpoints: (usize, u64),
    /// What must not be.
    pub violations: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// Nothing is wrong.
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sizes, looks) = self.checkpoints;
        writeln!(f, "kills of the sealer       {}", self.kills)?;
        writeln!(f, "old copies of the log     {}", self.set_backs)?;
        writeln!(f, "  and of its checkpoints  {}", self.checkpoints_set_back)?;
        writeln!(f, "refused by the sealer     {}", self.refusals)?;
        writeln!(f, "kills of a restore        {}", self.restores_killed)?;
        writeln!(f, "messages restored         {} ({} unsealed)", self.restored, self.unsealed)?;
        writeln!(f, "commits acknowledged      {}", self.appended)?;
        writeln!(f, "the log at the end        {}", self.size)?;
        writeln!(f, "checkpoints seen          {sizes} sizes in {looks} looks")?;
        for violation in &self.violations {
            writeln!(f, "VIOLATION: {violation}")?;
        }
        writeln!(f, "violations                {}", self.violations.len())?;
        writeln!(f, "took                      {:.0} s", self.took.as_secs_f64())
    }
}

/// Lets it rage.
pub async fn rage(plan: Plan, tell: impl Fn(&str)) -> anyhow::Result<Report> {
    let began = Instant::now();
    let mut random = Rng::with_seed(plan.seed);
    let (mut log, mut report, mut seen) =
        (SealedLog::new().await?, Report::default(), Seen::default());
    log.until_shown().await?;
    while report.kills < plan.kills {
        let sealer = log.sealer()?;
        let moment = Duration::from_millis(random.u64(30..2_500));
        report.appended += log.grow(&mut random, moment).await?;
        if let Some(status) = sealer.exit_status() {
            report.violations.push(format!("a sealer ended with {status}: {}", sealer.log_tail()));
            break;
        }
        sealer.kill().await;
        report.kills += 1;
        log.look(&mut seen).await?;
        if report.kills.is_multiple_of(SET_BACK_EVERY) {
            back_and_forth(&mut log, &mut random, &mut report).await?;
            log.look(&mut seen).await?;
        }
        if report.kills.is_multiple_of(10) {
            tell(&format!("{} kills, {} commits", report.kills, report.appended));
        }
    }
    let last = log.sealer()?;
    log.until_sealed(&last).await?;
    log.look(&mut seen).await?;
    last.kill().await;
    let roots = log.roots().await?;
    report.size = u64::try_from(roots.len())?.saturating_sub(1);
    report.checkpoints = seen.numbers();
    report.violations.extend(seen.contradictions(&roots));
    report.took = began.elapsed();
    Ok(report)
}

/// An old copy, which the sealer must refuse, and the restore out of the archive.
async fn back_and_forth(
    log: &mut SealedLog,
    random: &mut Rng,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (held, largest) = (log.messages().await?, log.largest_checkpoint().await?);
    let keep = random.usize(1..held.len());
    log.set_back(held.get(..keep).unwrap_or_default()).await?;
    report.set_backs += 1;
    if random.bool() {
        log.set_checkpoints_back(random).await?;
        report.checkpoints_set_back += 1;
    }
    if u64::try_from(keep)? < largest {
        let sealer = log.sealer()?;
        let status = sealer.wait().await;
        let is_named = sealer.log_text().contains("restore it from the archive");
        if status.success() || !is_named {
            let what =
                format!("a sealer took {keep} messages for {largest}: {}", sealer.log_tail());
            report.violations.push(what);
        }
        report.refusals += 1;
    }
    if random.bool() {
        let restore = log.restore()?;
        tokio::time::timeout(Duration::from_millis(random.u64(20..900)), restore.wait()).await.ok();
        restore.kill().await;
        report.restores_killed += 1;
    }
    let restored = log.restored().await?;
    report.restored += restored.messages;
    report.unsealed += restored.unsealed;
    ensure!(restored.checkpoint_size >= largest, "restored to less than {largest}");
    log.reopen().await
}
