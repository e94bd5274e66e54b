//! A real `countersign witness`, and a client that speaks to it as any log could.

use crate::world::{log_key, origin};
use anyhow::Context as _;
use devkit::workspace::Binaries;
use devkit::{Child, Program};
use ledger::witness::{Cosigner, Request, origin_hash, read_size};
use ledger::{CheckpointNote, LogPolicy, NoteSignature, cosigned_at};
use std::path::{Path, PathBuf};
use std::time::Duration;
use trust::keys::PrivateKey;

const PATIENCE: Duration = Duration::from_secs(30);

/// A witness that comes and goes; its state and its address stay.
pub struct Witness {
    pub name: String,
    pub key: PrivateKey,
    folder: PathBuf,
    program: PathBuf,
    port: u16,
    /// Where logs are told that it is, if that is not where it listens.
    reached: Option<String>,
    http: reqwest::Client,
}

/// What a witness answered.
#[derive(Debug)]
pub enum Said {
    Cosigned,
    OtherSize(u64),
    Refused(u16),
}

impl Witness {
    /// Prepares one in a new folder below `parent`.
    pub async fn new(parent: &Path, name: &str, seed: u8) -> anyhow::Result<Self> {
        let binaries = Binaries::build(&["countersign-cli"], &[]).await?;
        let folder = parent.join(name);
        std::fs::create_dir(&folder)?;
        let key = PrivateKey::from_seed(&[seed; 32]);
        devkit::folder::write_private(&folder.join("key.pem"), key.to_pem()?.as_bytes())?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy();
        let (http, program) = (http.build()?, binaries.path("countersign")?);
        Ok(Self { name: name.to_owned(), key, folder, program, port, reached: None, http })
    }

    /// From now on logs are told another address.
    pub fn reached_at(&mut self, url: String) {
        self.reached = Some(url);
    }

    pub fn reached(&self) -> String {
        self.reached.clone().unwrap_or_else(|| self.url())
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Starts it, and does not wait.
    pub fn spawn(&self) -> anyhow::Result<Child> {
        let program = Program::new(&self.name, &self.program, self.folder.join("log"));
        let program = program.without_environment().arguments(["-o", "json", "witness"]);
        let program = program.argument("--key").argument(self.folder.join("key.pem"));
        let program = program.arguments(["--name", &self.name]);
        let log = format!("{}={}", origin()?, log_key().public());
        let program = program.arguments(["--log", &log]);
        let program = program.argument("--state").argument(self.state());
        let listen = format!("127.0.0.1:{}", self.port);
        Ok(program.arguments(["--listen", &listen]).spawn()?)
    }

    /// Starts it, and waits until it answers.
    pub async fn start(&self) -> anyhow::Result<Child> {
        let child = self.spawn()?;
        child.until(PATIENCE, || async { self.card().await.ok() }).await?;
        Ok(child)
    }

    /// What `GET /` shows.
    pub async fn card(&self) -> anyhow::Result<String> {
        Ok(self.http.get(self.url()).send().await?.error_for_status()?.text().await?)
    }

    /// The newest note that it shows to monitors.
    pub async fn checkpoint(&self) -> anyhow::Result<Option<CheckpointNote>> {
        let url = format!("{}/{}/checkpoint", self.url(), origin_hash(&origin()?));
        let answer = self.http.get(url).send().await?;
        if answer.status().as_u16() == 404 {
            return Ok(None);
        }
        Ok(Some(CheckpointNote::parse(&answer.error_for_status()?.bytes().await?)?))
    }

    /// Sends a body, whatever it is: status, content type, answer.
    pub async fn send(
        &self,
        body: impl Into<reqwest::Body>,
    ) -> anyhow::Result<(u16, String, String)> {
        let url = format!("{}/add-checkpoint", self.url());
        let answer = self.http.post(url).body(body).send().await?;
        let status = answer.status().as_u16();
        let content_type = answer.headers().get("content-type").context("no content type")?;
        let content_type = content_type.to_str()?.to_owned();
        Ok((status, content_type, answer.text().await?))
    }

    /// Asks as a log does; an answer that breaks the specification is an error.
    pub async fn ask(&self, request: &Request) -> anyhow::Result<Said> {
        let (status, content_type, text) = self.send(request.to_string()).await?;
        if status == 200 {
            let line: NoteSignature = text.strip_suffix('\n').context("a line")?.parse()?;
            let note = request.note().note().text();
            let time = cosigned_at(&line, note, &self.name, &self.key.public());
            anyhow::ensure!(time.is_some(), "not its cosignature: {line}");
            return Ok(Said::Cosigned);
        }
        if content_type == "text/x.tlog.size" {
            anyhow::ensure!(status == 409, "{status} with a size");
            return Ok(Said::OtherSize(read_size(&text).context("no size")?));
        }
        Ok(Said::Refused(status))
    }

    /// As it stands in a verifier's policy file.
    pub fn trusted(&self) -> ledger::Witness {
        ledger::Witness::always(self.name.clone(), self.key.public())
    }

    pub fn cosigner(&self) -> anyhow::Result<Cosigner> {
        Ok(Cosigner::new(self.name.parse()?, self.key.clone()))
    }
}

/// What a verifier trusts who wants so many of these witnesses.
pub fn policy_with(witnesses: &[&Witness], quorum: u32) -> anyhow::Result<LogPolicy> {
    let mut policy = crate::world::policy()?;
    policy.witnesses = witnesses.iter().map(|witness| witness.trusted()).collect();
    policy.witness_quorum = quorum;
    Ok(policy)
}
