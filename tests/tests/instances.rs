//! Two instances of command-api over one log: an `Idempotency-Key` means the same at both, and after a restart.

use anyhow::{Context as _, Result};
use client::commands::DraftChange;
use client::{Client, ClientError, Credential, ReceiptBody, Replayed, is_ready};
use devkit::{Child, Program, folder};
use domain::vocabulary::Start;
use scenario::Platform;
use scenario::http::log_length;
use scenario::running::platform;
use scenario::scratch::Scratch;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use toml::{Table, Value};
use trust::encoding::to_base64;

const PATIENCE: Duration = Duration::from_mins(1);
const CHANGES: &str = "/v1/changes";

/// Another command-api beside the platform's own: same identity, same log, other ports.
struct Second {
    program: Program,
    operations: String,
    base: String,
    child: Child,
}

impl Second {
    async fn start(platform: &Platform, scratch: &Scratch) -> Result<Self> {
        let original = platform.card.data_dir.join("config").join("command-api.toml");
        let mut config: Table = std::fs::read_to_string(&original)?.parse()?;
        let [people, services, operations] = free_addresses()?;
        put(&mut config, "people_listen", &people);
        put(&mut config, "services_listen", &services);
        let process = config.get_mut("process").and_then(Value::as_table_mut);
        put(process.context("no [process]")?, "ops_listen", &operations);
        let file = scratch.path().join("command-api-2.toml");
        folder::write_private(&file, toml::to_string(&config)?.as_bytes())?;
        let path: PathBuf =
            platform.programs()?.remove("command-api").context("no program command-api")?;
        let program = Program::new("command-api 2", path, scratch.path().join("command-api-2.log"))
            .without_environment()
            .argument("--config")
            .argument(&file);
        let child = program.clone().spawn()?;
        let second = Self {
            program,
            operations: format!("http://{operations}"),
            base: format!("http://{people}"),
            child,
        };
        second.ready().await?;
        Ok(second)
    }

    async fn ready(&self) -> Result<()> {
        let ready = || async { is_ready(&self.operations).await.then_some(()) };
        Ok(self.child.until(PATIENCE, ready).await?)
    }

    async fn crash(&mut self) -> Result<()> {
        self.child.kill().await;
        self.child = self.program.clone().spawn()?;
        self.ready().await
    }

    fn client(&self, platform: &Platform) -> Result<Client> {
        ada(platform, &self.base)
    }
}

/// Held together, so that they differ.
fn free_addresses() -> Result<[String; 3]> {
    let held = [(); 3].map(|()| std::net::TcpListener::bind("127.0.0.1:0"));
    let mut addresses = Vec::new();
    for listener in held {
        addresses.push(listener?.local_addr()?.to_string());
    }
    addresses.try_into().ok().context("three addresses")
}

fn put(table: &mut Table, key: &str, value: &str) {
    table.insert(key.to_owned(), Value::String(value.to_owned()));
}

fn ada(platform: &Platform, base: &str) -> Result<Client> {
    let token = platform.card.tokens.get("ada").context("no token of ada")?;
    Ok(Client::new(base, Credential::Token(token.clone()))?)
}

fn draft(platform: &Platform, title: &str) -> Result<DraftChange> {
    Ok(DraftChange {
        data_source: platform.target()?.name.clone(),
        title: title.to_owned(),
        reason: None,
        sql: to_base64(b"CREATE TABLE public.never_run (id int);"),
        start: Start::OnRelease,
        submit: false,
    })
}

/// Sends until it is an answer: in flight at the other instance is none.
async fn send(client: &Client, key: &str, body: &DraftChange) -> Result<Replayed<ReceiptBody>> {
    loop {
        match client.command(CHANGES, key, body).await {
            Err(error) if matches!(error.code(), Some("http.in_flight" | "log.conflict")) => {}
            answered => return Ok(answered?),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_one_commit_at_two_instances_and_after_a_crash() {
    let platform = platform("instances").await.unwrap();
    let scratch = Scratch::new().unwrap();
    let mut second = Second::start(platform, &scratch).await.unwrap();
    let one = ada(platform, &platform.card.command_api).unwrap();
    let two = second.client(platform).unwrap();
    let before = log_length(platform).await.unwrap();
    let mut sequences = BTreeSet::new();
    for n in 0..10 {
        let (key, body) = (format!("both-{n}"), draft(platform, &format!("both {n}")).unwrap());
        let (left, right) = tokio::join!(send(&one, &key, &body), send(&two, &key, &body));
        let (left, right) = (left.unwrap(), right.unwrap());
        assert_eq!(left.answer, right.answer, "one commit answers both");
        assert!(left.replayed != right.replayed, "one of them is the first: {key}");
        sequences.insert(left.answer.sequence);
    }
    assert_eq!(sequences.len(), 10);

    let other = draft(platform, "another title").unwrap();
    let refused = two.command::<_, ReceiptBody>(CHANGES, "both-0", &other).await.unwrap_err();
    let ClientError::Problem(problem) = refused else { panic!("{refused}") };
    assert_eq!((problem.status, problem.code.as_str()), (422, "http.idempotency_key_reused"));

    second.crash().await.unwrap();
    let body = draft(platform, "both 3").unwrap();
    let again = send(&second.client(platform).unwrap(), "both-3", &body).await.unwrap();
    assert!(again.replayed);
    assert!(sequences.contains(&again.answer.sequence));
    let mut after = before;
    // query-api tells the mirror's length, which may be a moment behind.
    while after < before + 10 {
        after = log_length(platform).await.unwrap();
    }
    assert_eq!(after, before + 10);
}
