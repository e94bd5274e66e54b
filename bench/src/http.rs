//! Commands as people send them: over HTTP, with a bearer token, to command-api of the whole running platform.

use crate::callers::{Run, Work, call};
use crate::report::{Figure, counted};
use anyhow::Context as _;
use client::commands::{DraftChange, Nothing};
use client::{Client, Credential, ReceiptBody};
use domain::vocabulary::Start;
use scenario::Platform;
use std::sync::{Arc, Mutex, PoisonError};
use trust::encoding::to_base64;
use uuid::Uuid;

const NAME: &str = "http";
const UNIT: &str = "commands/s";
/// Callers, each over a connection of its own.
pub const CALLERS: usize = 16;

/// Two rates: commands that make an aggregate, and commands on one that exists.
#[derive(Debug, Default)]
pub struct Load {
    drafts: Vec<Run>,
    cancels: Vec<Run>,
}

impl Load {
    /// One run: drafts, then takes each of them back.
    pub async fn run(&mut self, platform: &Platform, requests: usize) -> anyhow::Result<()> {
        let each = (requests / CALLERS).max(1);
        let callers = (0..CALLERS).map(|_| person(platform)).collect::<anyhow::Result<_>>()?;
        let source = platform.target()?.name.clone();
        let drafts = Arc::new(Drafts { callers, source, made: Mutex::default() });
        self.drafts.push(call(&drafts, CALLERS, each).await?);
        let drafts = Arc::into_inner(drafts).context("a caller has not ended")?;
        let made = drafts.made.into_inner().unwrap_or_else(PoisonError::into_inner);
        let cancels = Arc::new(Cancels { callers: drafts.callers, made });
        self.cancels.push(call(&cancels, CALLERS, each).await?);
        Ok(())
    }

    /// What was measured.
    pub fn figures(&self) -> Vec<Figure> {
        let configuration = format!(
            "{CALLERS} callers, keep-alive, bearer tokens, the whole platform on this machine, \
             sync_interval default (2 min)"
        );
        let figure = |name: &str, runs: &[Run]| {
            Figure::of_runs(NAME, name, configuration.clone(), (runs, UNIT))
        };
        vec![
            figure("draft a change: a new aggregate and a blob", &self.drafts),
            figure("cancel a change: an aggregate that exists", &self.cancels),
        ]
    }

    /// For the progress lines.
    pub fn last(&self) -> String {
        let rate = |runs: &[Run]| runs.last().map_or(0.0, |run| run.rate);
        let (drafts, cancels) = (rate(&self.drafts), rate(&self.cancels));
        let n = self.drafts.last().map_or(0, |run| run.count);
        format!("{} drafts {drafts:.0}/s, cancels {cancels:.0}/s", counted(n))
    }
}

fn person(platform: &Platform) -> anyhow::Result<Client> {
    let token = platform.card.tokens.get("ada").context("no token of ada")?;
    Ok(Client::new(&platform.card.command_api, Credential::Token(token.clone()))?)
}

struct Drafts {
    callers: Vec<Client>,
    source: String,
    made: Mutex<Vec<String>>,
}

impl Work for Drafts {
    async fn one(&self, caller: usize, _: usize) -> anyhow::Result<()> {
        let client = self.callers.get(caller).context("there is no such caller")?;
        let key = Uuid::now_v7().to_string();
        let table = key.replace('-', "_");
        let sql = format!("CREATE TABLE public.t_{table} (id bigint PRIMARY KEY, note text);\n");
        let body = DraftChange {
            data_source: self.source.clone(),
            title: "a table for the benchmark".to_owned(),
            reason: Some("to see how long it takes".to_owned()),
            sql: to_base64(sql.as_bytes()),
            start: Start::OnRelease,
            submit: false,
        };
        let drafted = client.command::<_, ReceiptBody>("/v1/changes", &key, &body).await?;
        let id = drafted.answer.aggregate.id;
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        Ok(())
    }
}

struct Cancels {
    callers: Vec<Client>,
    made: Vec<String>,
}

impl Work for Cancels {
    async fn one(&self, caller: usize, index: usize) -> anyhow::Result<()> {
        let client = self.callers.get(caller).context("there is no such caller")?;
        let change = self.made.get(index * CALLERS + caller).context("a draft is missing")?;
        let (path, key) = (format!("/v1/changes/{change}/cancel"), Uuid::now_v7().to_string());
        client.command::<_, ReceiptBody>(&path, &key, &Nothing {}).await?;
        Ok(())
    }
}
