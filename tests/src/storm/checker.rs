//! Reads log, `PostgreSQL` and target after the storm, and names every violation.

use super::fleet::Fleet;
use super::people::{Acknowledged, Ended};
use crate::command_line::CommandLine;
use crate::target::connect_to;
use anyhow::Context as _;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_postgres::Client;
use trust::encoding::from_base64;

const PATIENCE: Duration = Duration::from_mins(2);
/// What says how far a worker is, not what the log says.
const OF_THE_WORKER: [&str; 3] = ["_sqlx_migrations", "lease", "positions"];

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// In the log.
    pub commits: usize,
    /// In the target.
    pub journal_rows: i64,
    /// Of the changes, by state.
    pub states: BTreeMap<String, usize>,
    /// What must not be.
    pub violations: Vec<String>,
}

/// Checks everything.
pub async fn check(
    fleet: &Fleet,
    auditor: &CommandLine,
    acknowledged: &[Acknowledged],
    ended: &[Ended],
) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    log(fleet, auditor, acknowledged, &mut findings).await?;
    target(fleet, ended, &mut findings).await?;
    read_models(fleet, &mut findings).await?;
    for one in ended {
        let resolved = if one.was_unknown { " after unknown" } else { "" };
        let code = one.code.as_deref().filter(|_| !one.to_fail);
        let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
        *findings.states.entry(format!("{}{code}{resolved}", one.state)).or_default() += 1;
    }
    Ok(findings)
}

/// Every acknowledged command is in the log exactly once, and no command is there twice.
async fn log(
    fleet: &Fleet,
    auditor: &CommandLine,
    acknowledged: &[Acknowledged],
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let bundle = fleet.data.join("storm-bundle");
    let (folder, policy) = (path(&bundle)?, path(&fleet.card.verify_policy)?);
    auditor.run(&["audit", "export", "--out", folder]).await?;
    let verdict = auditor.call(&["audit", "verify", folder, "--policy", policy]).await?;
    if verdict.code != 0 {
        findings.violations.push(format!("audit verify: exit {}: {}", verdict.code, verdict.out));
    }
    let lines = std::fs::read_to_string(bundle.join("commits.ndjson"))?;
    let (mut hashes, mut commands) = (BTreeMap::new(), BTreeSet::new());
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line)?;
        let text = |name: &str| line.get(name).and_then(Value::as_str).context("no such member");
        let payload: Value = serde_json::from_slice(&from_base64(text("payload")?)?)?;
        let command = payload.pointer("/command/id").and_then(Value::as_str).context("no id")?;
        let sequence = line.get("sequence").and_then(Value::as_u64).context("no sequence")?;
        if !commands.insert(command.to_owned()) {
            findings.violations.push(format!("{command} is twice in the log, at {sequence} again"));
        }
        hashes.insert(sequence, text("hash")?.to_owned());
    }
    findings.commits = hashes.len();
    for Acknowledged { what, receipt } in acknowledged {
        if hashes.get(&receipt.sequence) != Some(&receipt.hash) {
            let at = receipt.sequence;
            findings.violations.push(format!("acknowledged, but not in the log at {at}: {what}"));
        }
    }
    Ok(())
}

/// No SQL ran twice, and what ran is what the changes say.
async fn target(fleet: &Fleet, ended: &[Ended], findings: &mut Findings) -> anyhow::Result<()> {
    let url = &fleet.card.targets.first().context("no target")?.url;
    let client = connect_to(url).await?;
    let rows = client.query("SELECT change, count(*) FROM public.runs GROUP BY 1", &[]).await?;
    let runs: BTreeMap<i32, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let journal = "SELECT change, count(*) FILTER (WHERE state = 'succeeded'), \
                   count(*) FILTER (WHERE state = 'started'), count(*) \
                   FROM countersign.journal GROUP BY 1";
    let rows = client.query(journal, &[]).await?;
    let journal: BTreeMap<String, (i64, i64)> =
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    findings.journal_rows = rows.iter().map(|row| row.get::<_, i64>(3)).sum();
    for one in ended {
        let ran = runs.get(&i32::try_from(one.number)?).copied().unwrap_or(0);
        let (succeeded, open) = journal.get(&one.change).copied().unwrap_or((0, 0));
        let ok = match one.state.as_str() {
            // The agent could not tell, and says so in its journal; somebody looked and said it.
            "applied" | "failed" if one.was_unknown => {
                (one.state == "applied") == (ran == 1) && ran <= 1 && succeeded == 0 && open == 1
            }
            "applied" => ran == 1 && succeeded == 1 && open == 0 && !one.to_fail,
            "failed" => ran == 0 && succeeded == 0 && open == 0 && (one.to_fail || is_weather(one)),
            _ => false,
        };
        if !ok {
            let Ended { number, change, state, code, .. } = one;
            findings.violations.push(format!(
                "change {number} ({change}) is {state} ({code:?}), ran {ran} times, \
                 {succeeded} succeeded and {open} open in the journal"
            ));
        }
    }
    for (change, ran) in runs.iter().filter(|(_, ran)| **ran > 1) {
        findings.violations.push(format!("the SQL of change {change} ran {ran} times"));
    }
    Ok(())
}

/// A failure that the storm may bring to SQL that would run: the server was shut down or gave no lock, and rolled back.
fn is_weather(one: &Ended) -> bool {
    let code = one.code.as_deref().unwrap_or_default();
    ["57P", "08", "55P03", "failed_clean"].iter().any(|weather| code.starts_with(weather))
}

/// `PostgreSQL` = fold(log): an empty database filled from the whole log holds the same rows.
async fn read_models(fleet: &Fleet, findings: &mut Findings) -> anyhow::Result<()> {
    let live = connect_to(&fleet.card.database_url).await?;
    let url = fleet.database("read_models_again").await?;
    let worker = fleet.project_into(&url)?;
    let again = worker.until(PATIENCE, || async { connect_to(&url).await.ok() }).await?;
    let end = i64::try_from(findings.commits)?;
    for client in [&live, &again] {
        let deadline = Instant::now() + PATIENCE;
        // Before its first batch the worker has no tables yet.
        while reached(client).await.unwrap_or_default() < end {
            anyhow::ensure!(
                Instant::now() < deadline,
                "the log is not projected:\n{}",
                worker.log_tail()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let (ours, fresh) = (digests(&live).await?, digests(&again).await?);
    for (table, digest) in &fresh {
        if ours.get(table) != Some(digest) {
            findings.violations.push(format!("read model {table} is not what the log says"));
        }
    }
    if fresh.len() < 8 || ours.len() != fresh.len() {
        let tables = format!("{} read models, {} filled anew", ours.len(), fresh.len());
        findings.violations.push(tables);
    }
    Ok(())
}

async fn reached(client: &Client) -> Option<i64> {
    let row = client.query_one("SELECT min(sequence) FROM positions", &[]).await.ok()?;
    row.try_get::<_, Option<i64>>(0).ok()?
}

async fn digests(client: &Client) -> anyhow::Result<BTreeMap<String, String>> {
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
    let mut digests = BTreeMap::new();
    for row in client.query(tables, &[]).await? {
        let table: String = row.get(0);
        if OF_THE_WORKER.contains(&table.as_str()) {
            continue;
        }
        let digest = format!(
            "SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, E'\\n' ORDER BY t::text)), '') \
             FROM public.\"{table}\" AS t"
        );
        digests.insert(table, client.query_one(&digest, &[]).await?.get(0));
    }
    Ok(digests)
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}
