//! Real migrations through the whole platform, and the same files through `psql`: the schemas must be equal after each.

mod history;
mod reference;
mod verdict;

use crate::change;
use crate::platform::Platform;
use crate::scratch::Scratch;
use anyhow::Context as _;
use reference::{REFERENCE, Tools};
use std::path::{Path, PathBuf};

pub use history::{Migration, read};
pub use verdict::{Summary, Verdict, first_difference};

const EMPTY: &str = "changes.sql_empty";

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// A folder of migrations.
    pub folder: PathBuf,
    /// Apply with `psql` to both sides what the platform refuses by name.
    pub skip_refused: bool,
    /// A folder with one dump per major version of `PostgreSQL` that the end must equal as well.
    pub expected: Option<PathBuf>,
    /// Write that dump instead of comparing with it.
    pub write: bool,
}

/// Plays a history; every verdict is told as it falls. Stops at the first that does not hold.
pub async fn play(
    plan: &Plan,
    mut tell: impl FnMut(&Migration, &Verdict),
) -> anyhow::Result<Summary> {
    let migrations = read(&plan.folder)?;
    let scratch = Scratch::new()?;
    let platform = Platform::start(&scratch.path().join("data")).await?;
    let sides = Sides { tools: Tools::prepare(&platform).await?, platform: &platform };
    let mut summary = Summary::default();
    for migration in &migrations {
        let file = scratch.path().join("migration.sql");
        std::fs::write(&file, &migration.sql).with_context(|| format!("{}", file.display()))?;
        let verdict = sides.judge(&file, plan.skip_refused).await?;
        summary.count(&verdict);
        tell(migration, &verdict);
        if !verdict.holds() {
            break;
        }
    }
    if let Some(expected) = &plan.expected {
        let (name, verdict) = sides.end(expected, plan.write).await?;
        summary.count(&verdict);
        tell(&Migration { name, sql: Vec::new() }, &verdict);
    }
    platform.stop().await?;
    Ok(summary)
}

struct Sides<'a> {
    tools: Tools,
    platform: &'a Platform,
}

/// What the platform made of a file.
enum Ours {
    Applied,
    Failed(String),
    /// By name, before anything was sent to the database.
    Refused(String),
    /// It ended otherwise: by a refusal of the agent, or nobody knows how.
    Otherwise(String),
}

impl Sides<'_> {
    async fn judge(&self, file: &Path, skip_refused: bool) -> anyhow::Result<Verdict> {
        let ours = self.ours(file).await?;
        if let Ours::Refused(code) = ours {
            if !skip_refused {
                let empty = code == EMPTY;
                return Ok(if empty { Verdict::Empty } else { Verdict::Refused { code } });
            }
            for database in [self.tools.target(), REFERENCE] {
                if let Err(said) = self.tools.run_file_loosely(database, file).await? {
                    let how = format!("psql failed on {database}: {}", said.trim());
                    return Ok(Verdict::Differs { how });
                }
            }
            return Ok(self.difference().await?.unwrap_or(Verdict::Skipped { code }));
        }
        let theirs = self.tools.run_file(REFERENCE, file).await?;
        let verdict = match (ours, theirs) {
            (Ours::Applied, Ok(())) => Verdict::Equal,
            (Ours::Failed(code), Err(said)) if said.contains(&code) => {
                Verdict::FailedAlike { code }
            }
            (Ours::Failed(code) | Ours::Otherwise(code), Err(said)) => {
                Verdict::Differs { how: format!("here {code}, psql says {}", said.trim()) }
            }
            (Ours::Applied, Err(said)) => {
                Verdict::Differs { how: format!("applied here, psql says {}", said.trim()) }
            }
            (Ours::Failed(code) | Ours::Refused(code) | Ours::Otherwise(code), _) => {
                Verdict::Differs { how: format!("applied by psql, here {code}") }
            }
        };
        Ok(if verdict.holds() { self.difference().await?.unwrap_or(verdict) } else { verdict })
    }

    async fn ours(&self, file: &Path) -> anyhow::Result<Ours> {
        let change = match change::try_submit(self.platform, "corpus", file).await? {
            Ok(change) => change,
            Err(code) => return Ok(Ours::Refused(code)),
        };
        let seen = change::wait_for_end_or(self.platform, &change, "pending_approval").await?;
        if seen.change.state == "pending_approval" {
            for who in ["bob", "cyd"] {
                change::approve(self.platform, who, &change).await?;
            }
        }
        let seen = change::wait_for_end_or(self.platform, &change, "applied").await?;
        if seen.change.state == "applied" {
            return Ok(Ours::Applied);
        }
        let code = seen.change.code.unwrap_or(seen.change.state);
        let sqlstate =
            code.len() == 5 && code.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
        Ok(if sqlstate { Ours::Failed(code) } else { Ours::Otherwise(code) })
    }

    async fn difference(&self) -> anyhow::Result<Option<Verdict>> {
        let ours = self.tools.dump(self.tools.target()).await?;
        let theirs = self.tools.dump(REFERENCE).await?;
        Ok(first_difference(&ours, &theirs).map(|how| Verdict::Differs { how }))
    }

    /// The end against a dump that was looked at and checked in.
    async fn end(&self, folder: &Path, write: bool) -> anyhow::Result<(String, Verdict)> {
        let file = folder.join(format!("postgresql-{}.sql", self.tools.major()));
        let ours = self.tools.dump(self.tools.target()).await?;
        if write {
            std::fs::write(&file, &ours).with_context(|| format!("{}", file.display()))?;
        }
        let theirs =
            std::fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
        let differs = |how| Verdict::Differs { how };
        let verdict = first_difference(&ours, &theirs).map_or(Verdict::Equal, differs);
        Ok((format!("the end against {}", file.display()), verdict))
    }
}
