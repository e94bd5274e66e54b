//! What a compromised control plane could send: jobs with the dispatcher's real key, straight into the job stream.

use crate::change::reader;
use crate::platform::Platform;
use anyhow::{Context as _, bail};
use bytes::Bytes;
use client::stories::ChangeAnswer;
use domain::ids::JobId;
use nats::{Connection, JobQueue, ResultKind, batch, subjects};
use std::time::{Duration, Instant};
use trust::dsse::{Envelope, Parsed};
use trust::encoding::Timestamp;
use trust::message::{JobMessage, ResultMessage};
use trust::result::verify;
use trust::statement::{
    Change as Manifest, Job, JobResult, LogPosition, Mode, Root, Statement as _,
};

const SERVICE: &str = "scenario";
const PATIENCE: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(20);
const HOUR_SECONDS: i64 = 3_600;

/// The scenario's own connection to the control plane's account.
pub async fn connect(platform: &Platform) -> anyhow::Result<Connection> {
    let socket = &platform.card.scenario_socket;
    let identity = chassis::Identity::connect(socket, devkit::identities::TRUST_DOMAIN).await?;
    let server = spiffe::SpiffeId::new(&platform.card.nats_id)?;
    let inbox = subjects::service_inbox(SERVICE)?;
    let url = &platform.card.nats_url;
    Ok(Connection::connect(url, identity.source(), &server, &inbox, SERVICE).await?)
}

/// Sends a migration of a change with the signatures of these people, and gives the agent's verified result.
pub async fn dispatch(
    platform: &Platform,
    connection: &Connection,
    change: &str,
    signers: &[&str],
    fence: u64,
) -> anyhow::Result<JobResult> {
    let client = reader(platform)?;
    let manifest = client.bytes(&format!("/v1/changes/{change}/manifest")).await?;
    let sql = client.bytes(&format!("/v1/changes/{change}/sql")).await?;
    let mut signed = Envelope::around_payload(Manifest::PAYLOAD_TYPE, manifest.to_vec());
    for name in signers {
        signed = signed.sign_ed25519(&platform.key(name)?);
    }
    let answer: ChangeAnswer = client.get(&format!("/v1/changes/{change}")).await?;
    let job = job(platform, &Manifest::parse(&manifest)?, &answer, &signed, fence)?;
    let id = job.job.as_str().to_owned();
    let envelope = Envelope::around(&job)?.sign_ed25519(&platform.key("dispatcher")?);
    let mut message = JobMessage::of(envelope)?;
    message.change = Some(signed);
    message.sql = Some(sql.to_vec());
    let agent = platform.card.agents.first().context("no agent")?;
    let tenant = job.tenant.as_str();
    let queue = JobQueue::new(connection);
    let bytes = Bytes::from(message.to_json()?).into();
    queue.dispatch((tenant, &agent.name, &id), 1, bytes).await?;
    let subject = subjects::result(tenant, &agent.name, &id, ResultKind::Result)?;
    let result = result(connection, &subject).await?;
    let at = Timestamp::new(chassis::Clock::system().now().datetime());
    verify(&result, &root(platform)?.agent_authorities, at)?;
    Ok(result.statement().clone())
}

fn job(
    platform: &Platform,
    manifest: &Manifest,
    answer: &ChangeAnswer,
    signed: &Envelope,
    fence: u64,
) -> anyhow::Result<Job> {
    let agent = platform.card.agents.first().context("no agent")?;
    let latest = answer.change.history.last().context("a change without a history")?;
    let now = chassis::Clock::system().now();
    let job = JobId::from_uuid(uuid::Uuid::now_v7());
    Ok(Job {
        tenant: manifest.tenant.clone(),
        job: job.to_string().parse()?,
        attempt: 1,
        fence,
        dispatcher_epoch: root(platform)?.roles.dispatcher.epoch,
        audience: agent.spiffe_id.parse()?,
        data_source: platform.target()?.id.parse()?,
        mode: Mode::Migrate,
        steps: manifest.steps.iter().map(|step| step.ordinal).collect(),
        issued_at: now,
        not_after: now.plus_seconds(HOUR_SECONDS).min(manifest.not_after),
        change_sha256: Some(signed.payload_sha256()),
        log: Some(LogPosition {
            origin: "dev.countersign.test-main".parse()?,
            sequence: latest.sequence,
            hash: latest.hash.parse()?,
        }),
    })
}

fn root(platform: &Platform) -> anyhow::Result<Root> {
    let bytes = std::fs::read(platform.card.data_dir.join("root-1.json"))?;
    let parsed = Parsed::<Root>::from_envelope(Envelope::parse(&bytes)?)?;
    Ok(parsed.statement().clone())
}

async fn result(connection: &Connection, subject: &str) -> anyhow::Result<Parsed<JobResult>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let stored = batch::last_on_leader(connection, subjects::STREAM_RESULTS, subject).await?;
        if let Some(message) = stored {
            return Ok(ResultMessage::parse(&message.payload)?.result);
        }
        if Instant::now() > deadline {
            bail!("the agent did not answer on {subject}");
        }
        tokio::time::sleep(STEP).await;
    }
}
