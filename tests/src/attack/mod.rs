//! The attack: generated requests against every route of both APIs, as people and as services.
//!
//! `schemathesis` makes them from the `OpenAPI` documents. Workflows and agent are halted meanwhile, so that the log
//! must be longer by exactly the commits that were acknowledged; afterwards everything must still go on.

mod document;
mod record;

use crate::change::{reader, submit, wait_for};
use crate::http::{Raw, settled_length};
use crate::platform::Platform;
use crate::scratch::Scratch;
use crate::tunnel::Tunnel;
use anyhow::{Context as _, ensure};
use client::ReceiptBody;
use client::reads::{JobBody, Page, WhoamiBody};
use devkit::Program;
use devkit::default_data_dir;
use document::{Known, sharpened};
use record::Record;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use trust::encoding::to_base64;

const REQUIREMENTS: &str = include_str!("../../requirements-attack.txt");
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance";
const HALTED: [&str; 2] = ["workflows", "agent"];
/// Of a file that parses, runs nowhere, and whose size matters to nobody.
const SQL: &[u8] = b"CREATE TABLE public.attacked (id bigint PRIMARY KEY);\n";

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Generated requests of each route and attacker at most; those of the coverage phase come on top.
    pub examples: u32,
    /// Of every random choice.
    pub seed: u64,
}

/// Who attacks what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attacker {
    /// A person, or a service.
    pub name: &'static str,
    /// `command-api` or `query-api`.
    pub api: &'static str,
    is_service: bool,
}

const ATTACKERS: [Attacker; 8] = [
    Attacker { name: "workflows", api: "command-api", is_service: true },
    Attacker { name: "operator", api: "command-api", is_service: true },
    Attacker { name: "ada", api: "command-api", is_service: false },
    Attacker { name: "bob", api: "command-api", is_service: false },
    Attacker { name: "auditor", api: "command-api", is_service: false },
    Attacker { name: "ada", api: "query-api", is_service: false },
    Attacker { name: "bob", api: "query-api", is_service: false },
    Attacker { name: "auditor", api: "query-api", is_service: false },
];

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Requests in all.
    pub requests: usize,
    /// Commits that were acknowledged.
    pub committed: usize,
    /// By how much the log is longer.
    pub appended: u64,
    /// Everything that is wrong.
    pub violations: Vec<String>,
}

/// Starts a platform and attacks it.
pub async fn attack(plan: Plan, tell: impl Fn(&str)) -> anyhow::Result<Report> {
    let program = schemathesis(&tell).await?;
    let scratch = Scratch::new()?;
    let platform = Platform::start(&scratch.path().join("d")).await?;
    let known = known(&platform, &scratch).await?;
    for name in HALTED {
        platform.service(name).with_context(|| format!("no process {name}"))?.pause()?;
    }
    tell("the platform runs; workflows and agent are halted; the attack begins");
    let before = settled_length(&platform).await?;
    let (mut report, mut committed) = (Report::default(), BTreeSet::new());
    for attacker in ATTACKERS {
        let record = one(plan, attacker, &platform, &program, scratch.path(), &known).await?;
        tell(&line(attacker, &record));
        report.requests += record.requests();
        let named = |failure| format!("{} at {}: {failure}", attacker.name, attacker.api);
        report.violations.extend(record.failures.into_iter().map(named));
        committed.extend(record.committed);
    }
    let after = settled_length(&platform).await?;
    report.committed = committed.len();
    report.appended = after - before;
    if committed != (before + 1..=after).collect() {
        let unacknowledged: Vec<u64> =
            (before + 1..=after).filter(|sequence| !committed.contains(sequence)).collect();
        report.violations.push(format!("appended without a receipt: {unacknowledged:?}"));
    }
    for name in HALTED {
        platform.service(name).with_context(|| format!("no process {name}"))?.resume()?;
    }
    if let Err(error) = goes_on(&platform, &scratch, after).await {
        report.violations.push(format!("afterwards the platform does not go on: {error:#}"));
    }
    platform.stop().await?;
    Ok(report)
}

fn line(attacker: Attacker, record: &Record) -> String {
    let statuses: Vec<String> =
        record.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
    format!(
        "{:<11} as {:<9} {:>6} requests, {:>4} commits, {} server errors, {} findings ({})",
        attacker.api,
        attacker.name,
        record.requests(),
        record.committed.len(),
        record.server_errors(),
        record.failures.len(),
        statuses.join(", "),
    )
}

/// One run of schemathesis.
async fn one(
    plan: Plan,
    attacker: Attacker,
    platform: &Platform,
    program: &Path,
    folder: &Path,
    known: &Known,
) -> anyhow::Result<Record> {
    let Attacker { name, api, is_service } = attacker;
    let card = &platform.card;
    let public = if api == "command-api" { &card.command_api } else { &card.query_api };
    let client = reqwest::Client::builder().no_proxy().build()?;
    let document: Value = client.get(format!("{public}/openapi.json")).send().await?.json().await?;
    let file = folder.join(format!("{api}.{name}.json"));
    std::fs::write(&file, sharpened(document, known).to_string())?;
    let report = folder.join(format!("{api}.{name}.ndjson"));
    let tunnel = if is_service { Some(Tunnel::of(platform, name).await?) } else { None };
    let base = tunnel.as_ref().map_or(public.as_str(), Tunnel::base);
    let token = card.tokens.get(name).map(|token| format!("Authorization: Bearer {token}"));
    let header = if is_service { Some("Cs-Tenant: acme".to_owned()) } else { token };
    let child = Program::new("schemathesis", program, folder.join(format!("{api}.{name}.log")))
        .argument("run")
        .argument(&file)
        .arguments(["--url", base, "--header", &header.context("no such person")?])
        .arguments(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing"])
        .arguments(["--max-examples", &plan.examples.to_string()])
        .arguments(["--seed", &plan.seed.to_string(), "--request-timeout", "40"])
        .arguments(["--generation-database", "none", "--no-shrink", "--continue-on-failure"])
        .arguments(["--suppress-health-check", "all", "--warnings", "off", "--no-color"])
        // A service shows its SVID and no token, and a person exactly their own.
        .arguments(["--generation-with-security-parameters", "false"])
        .arguments(["--report", "ndjson", "--report-ndjson-path"])
        .argument(&report)
        .in_folder(folder)
        .spawn()?;
    let status = child.wait().await;
    let written = std::fs::read_to_string(&report).with_context(|| child.log_tail())?;
    let mut record = Record::read(&written)?;
    if !status.success() && record.failures.is_empty() {
        record.failures.insert(format!("schemathesis ended with {status}: {}", child.log_tail()));
    }
    ensure!(record.requests() > 0, "schemathesis sent nothing: {}", child.log_tail());
    Ok(record)
}

/// What exists before the attack: a change that waits for its approval, a draft, and everything beside them.
async fn known(platform: &Platform, scratch: &Scratch) -> anyhow::Result<Known> {
    let file = scratch.file("before.sql", "CREATE TABLE public.before (id bigint);\n")?;
    let change = submit(platform, "before the attack", &file).await?;
    let pending = wait_for(platform, &change, "pending_approval").await?.change;
    let body = json!({"data_source": "shop", "title": "a draft", "sql": to_base64(SQL)});
    let draft = Raw::new(platform, "ada").post("/v1/changes", body.to_string()).await?;
    let draft: ReceiptBody = serde_json::from_value(draft.body).context("no draft")?;
    let client = reader(platform)?;
    let jobs: Page<JobBody> = client.get("/v1/jobs").await?;
    let jobs: Vec<String> = jobs.items.into_iter().map(|job| job.id).collect();
    let ada: WhoamiBody = client.get("/v1/whoami").await?;
    let manifest = client.bytes(&format!("/v1/changes/{change}/manifest")).await?;
    let approval = pending.approval.context("no approval")?;
    let changes = vec![change, draft.aggregate.id, "chg_351b5bhc2sgz3tz31hgkwr5qz4".to_owned()];
    let target = platform.target()?;
    let digest = pending.change_sha256.context("no manifest")?.clone();
    let times = ["2030-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0000-01-01T00:00:00Z"];
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    Ok(Known::from([
        ("change_id", changes.clone()),
        ("change", changes),
        ("approval_id", vec![approval.clone()]),
        ("approval", vec![approval]),
        ("job_id", jobs.clone()),
        ("job", jobs),
        ("data_source_id", vec![target.id.clone()]),
        ("data_source", vec![target.id.clone(), target.name.clone()]),
        ("principal_id", vec![ada.principal.clone()]),
        ("by", vec![ada.principal]),
        ("agent", words(&["edge"])),
        ("environment", vec![target.environment.clone()]),
        ("engine", words(&["postgresql"])),
        ("sql", vec![to_base64(SQL), to_base64(b"COMMIT"), to_base64(b"\xff\0")]),
        ("manifest", vec![to_base64(&manifest), to_base64(b"{}")]),
        ("message", vec![to_base64(b"{}"), to_base64(&manifest)]),
        ("envelope", vec![to_base64(b"{}"), to_base64(&manifest)]),
        ("fingerprint", vec![digest.clone()]),
        ("token_sha256", vec![digest.clone()]),
        ("sha256", vec![digest.clone()]),
        ("expires_at", words(&times)),
        ("received_at", words(&times)),
        ("start", words(&["on_approval", "on_release"])),
        ("kind", words(&["person", "service"])),
        ("decision", words(&["approve", "reject"])),
        ("log", words(&["dev.countersign.test-main"])),
        ("tenant", words(&["acme", "system"])),
    ]))
}

/// The read models take in all of it, and a change of somebody else still finds its way to its approvers.
async fn goes_on(platform: &Platform, scratch: &Scratch, last: u64) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let token = platform.card.tokens.get("ada").context("no token of ada")?;
    let request = client
        .get(format!("{}/v1/changes", platform.card.query_api))
        .bearer_auth(token)
        .header("cs-min-position", format!("dev.countersign.test-main:{last}"))
        .header("prefer", "wait=30");
    let answer = request.send().await?;
    ensure!(answer.status().is_success(), "the read models stay behind: {}", answer.text().await?);
    let file = scratch.file("after.sql", "CREATE TABLE public.after (id bigint);\n")?;
    let change = submit(platform, "after the attack", &file).await?;
    wait_for(platform, &change, "pending_approval").await?;
    Ok(())
}

/// The pinned schemathesis, in a virtual environment of its own beside devkit's.
async fn schemathesis(tell: &impl Fn(&str)) -> anyhow::Result<PathBuf> {
    let data_dir = default_data_dir();
    let cache = data_dir.parent().context("a data folder without a parent")?;
    let venv = cache.join("attack");
    let (program, installed) = (venv.join("bin/schemathesis"), venv.join("requirements.txt"));
    let is_there = std::fs::read_to_string(&installed).is_ok_and(|text| text == REQUIREMENTS);
    if is_there && program.exists() {
        return Ok(program);
    }
    tell("installing schemathesis from PyPI (pinned) into devkit's cache");
    devkit::folder::make(cache, 0o755)?;
    let log = cache.join("attack-setup.log");
    let make = Program::new("python3", "python3", &log).arguments(["-m", "venv", "--clear"]);
    make.argument(&venv).run().await?;
    let requirements = venv.join("wanted.txt");
    std::fs::write(&requirements, REQUIREMENTS)?;
    Program::new("pip", venv.join("bin/python"), &log)
        .arguments(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
        .arguments(["--no-deps", "--only-binary", ":all:", "-r"])
        .argument(&requirements)
        .run()
        .await?;
    // Last, so that an installation that broke off is begun again.
    std::fs::rename(&requirements, &installed)?;
    Ok(program)
}
