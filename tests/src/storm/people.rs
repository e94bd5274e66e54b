//! People who do not give up: every command is sent under one key until it is answered, and every answer is remembered.

use super::fleet::Fleet;
use crate::target::connect_to;
use anyhow::{Context as _, bail};
use client::commands::{DraftChange, ResolveChange};
use client::stories::ChangeAnswer;
use client::{Client, Credential, ReceiptBody};
use domain::vocabulary::{Found, Start};
use serde::Serialize;
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use trust::dsse::Envelope;
use trust::encoding::to_base64;
use trust::keys::PrivateKey;
use trust::statement::{Change as Manifest, Statement as _};

/// For one answer, and for one state: a storm lasts, but not for ever.
const PATIENCE: Duration = Duration::from_mins(4);
/// Gives up on an answer that was lost on the way.
const ANSWER: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(40);
const ENDED: [&str; 5] = ["applied", "failed", "rejected", "cancelled", "unknown"];

/// An answer with 2xx: from now on the command must be in the log, once.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// What was asked, for people.
    pub what: String,
    /// What was answered.
    pub receipt: ReceiptBody,
}

/// How a change ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its number in the storm.
    pub number: u32,
    /// `chg_...`
    pub change: String,
    /// The last state.
    pub state: String,
    /// Its code.
    pub code: Option<String>,
    /// Its SQL fails on purpose.
    pub to_fail: bool,
    /// Its outcome was unknown until somebody looked.
    pub was_unknown: bool,
}

/// Everything that people were told.
#[derive(Debug, Default)]
pub struct Memory {
    acknowledged: Mutex<Vec<Acknowledged>>,
    unanswered: Mutex<u64>,
}

impl Memory {
    /// Every acknowledged command.
    pub fn acknowledged(&self) -> Vec<Acknowledged> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Requests that got no answer and were sent again.
    pub fn unanswered(&self) -> u64 {
        *self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, what: &str, receipt: &ReceiptBody) {
        let told = Acknowledged { what: what.to_owned(), receipt: receipt.clone() };
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }

    fn no_answer(&self) {
        *self.unanswered.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }
}

/// Takes one change through its whole life.
pub async fn live(
    fleet: &Fleet,
    memory: &Arc<Memory>,
    storm: u64,
    number: u32,
) -> anyhow::Result<Ended> {
    let person = |name: &str| Person::new(fleet, memory, name);
    let to_fail = number % 10 == 7;
    let ada = person("ada")?;
    let draft = DraftChange {
        data_source: fleet.card.targets.first().context("no target")?.name.clone(),
        title: format!("storm {storm} change {number}"),
        reason: None,
        sql: to_base64(sql(number, to_fail).as_bytes()),
        start: Start::OnApproval,
        submit: true,
    };
    let key = |step: &str| format!("storm/{storm}/{number}/{step}");
    let change = ada.insist("/v1/changes", &key("submit"), &draft).await?.aggregate.id;
    let seen = ada.watch(&change, "pending_approval").await?;
    if seen.change.state == "pending_approval" {
        let approval = seen.change.approval.context("no approval")?;
        let manifest = ada.manifest(&change).await?;
        let path = format!("/v1/approvals/{approval}/decisions");
        for name in ["bob", "cyd"] {
            let body = decision(fleet, name, &manifest)?;
            person(name)?.insist(&path, &key(name), &body).await?;
        }
    }
    let seen = ada.watch(&change, "applied").await?.change;
    let (state, code) = (seen.state, seen.code);
    Ok(Ended { number, change, state, code, to_fail, was_unknown: false })
}

/// Looks whether the rows of a change of unknown outcome are there, and says so to the platform.
pub async fn resolve(
    fleet: &Fleet,
    memory: &Arc<Memory>,
    storm: u64,
    ended: &mut Ended,
) -> anyhow::Result<()> {
    let url = &fleet.card.targets.first().context("no target")?.url;
    let client = connect_to(url).await?;
    let there = "SELECT count(*) FROM public.runs WHERE change = $1";
    let rows: i64 = client.query_one(there, &[&i32::try_from(ended.number)?]).await?.get(0);
    let found = if rows > 0 { Found::Applied } else { Found::Failed };
    let body = ResolveChange { found, reason: format!("it left {rows} rows") };
    let (ada, number) = (Person::new(fleet, memory, "ada")?, ended.number);
    let path = format!("/v1/changes/{}/resolve", ended.change);
    ada.insist(&path, &format!("storm/{storm}/{number}/resolve"), &body).await?;
    let deadline = Instant::now() + PATIENCE;
    while ended.state == "unknown" {
        anyhow::ensure!(Instant::now() < deadline, "{} stays unknown", ended.change);
        tokio::time::sleep(STEP).await;
        let seen = ada.watch(&ended.change, "applied").await?.change;
        ended.state = seen.state;
    }
    ended.was_unknown = true;
    Ok(())
}

/// Only rows: the schema stays as it is, so that changes do not drift each other, and what ran twice shows twice.
fn sql(number: u32, to_fail: bool) -> String {
    let pause = f64::from(number % 5) / 20.0;
    let fails = if to_fail { "SELECT 1 / 0;\n" } else { "" };
    format!(
        "INSERT INTO public.runs (change) VALUES ({number});\nSELECT pg_sleep({pause});\n{fails}"
    )
}

fn decision(fleet: &Fleet, name: &str, manifest: &[u8]) -> anyhow::Result<serde_json::Value> {
    let file = fleet.data.join("keys").join(format!("{name}.pem"));
    let pem = std::fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
    let envelope = Envelope::around_payload(Manifest::PAYLOAD_TYPE, manifest.to_vec());
    let envelope = serde_json::to_value(envelope.sign_ed25519(&PrivateKey::from_pem(&pem)?))?;
    let signature = envelope.pointer("/signatures/0").context("no signature")?;
    Ok(json!({"decision": "approve", "signature": signature}))
}

struct Person {
    name: String,
    writes: Client,
    reads: Client,
    memory: Arc<Memory>,
}

impl Person {
    fn new(fleet: &Fleet, memory: &Arc<Memory>, name: &str) -> anyhow::Result<Self> {
        let token = fleet.card.tokens.get(name).with_context(|| format!("no token of {name}"))?;
        let credential = || Credential::Token(token.clone());
        let writes = Client::new(&fleet.card.command_api, credential())?;
        let reads = Client::new(&fleet.card.query_api, credential())?;
        Ok(Self { name: name.to_owned(), writes, reads, memory: Arc::clone(memory) })
    }

    /// Sends until it is answered. A refusal is a failure: nothing here may be refused.
    async fn insist<B: Serialize + Sync>(
        &self,
        path: &str,
        key: &str,
        body: &B,
    ) -> anyhow::Result<ReceiptBody> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let asked = self.writes.command::<B, ReceiptBody>(path, key, body);
            let why = match tokio::time::timeout(ANSWER, asked).await {
                Ok(Ok(told)) => {
                    self.memory.remember(&format!("{} {path} {key}", self.name), &told.answer);
                    return Ok(told.answer);
                }
                Ok(Err(error)) if error.is_answer() => {
                    bail!("{} was refused {path} under {key}: {error}", self.name);
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer".to_owned(),
            };
            self.memory.no_answer();
            anyhow::ensure!(Instant::now() < deadline, "{path} under {key}: {why}");
            tokio::time::sleep(STEP).await;
        }
    }

    /// Waits for a state, or any end.
    async fn watch(&self, change: &str, state: &str) -> anyhow::Result<ChangeAnswer> {
        let path = format!("/v1/changes/{change}");
        let deadline = Instant::now() + PATIENCE;
        let mut last = "absent".to_owned();
        loop {
            let asked = self.reads.get::<ChangeAnswer>(&path);
            if let Ok(Ok(seen)) = tokio::time::timeout(ANSWER, asked).await {
                last.clone_from(&seen.change.state);
                if last == state || ENDED.contains(&last.as_str()) {
                    return Ok(seen);
                }
            }
            anyhow::ensure!(Instant::now() < deadline, "{change} is still {last}, not {state}");
            tokio::time::sleep(STEP).await;
        }
    }

    async fn manifest(&self, change: &str) -> anyhow::Result<Vec<u8>> {
        let path = format!("/v1/changes/{change}/manifest");
        let deadline = Instant::now() + PATIENCE;
        loop {
            match tokio::time::timeout(ANSWER, self.reads.bytes(&path)).await {
                Ok(Ok(bytes)) => return Ok(bytes.to_vec()),
                why if Instant::now() >= deadline => bail!("{path}: {why:?}"),
                _ => tokio::time::sleep(STEP).await,
            }
        }
    }
}
