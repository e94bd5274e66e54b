//! The whole way through a real NATS: jobs from the dispatcher's account, signed results back.

use crate::site::{DOMAIN, Hand, SQL, Site, dispatched, now};
use anyhow::Context as _;
use chassis::Identity;
use countersign_agent::intake::{Intake, Pending};
use countersign_agent::worker::Worker;
use devkit::nats_server::Agent;
use devkit::{Options, Stack, identities};
use nats::subjects::{ResultKind, parse_result};
use nats::{AgentQueue, JobQueue, ResultQueue};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use trust::message::{JobMessage, ResultMessage};
use trust::result::verify;
use trust::statement::{AgentAuthority, JobResult, Mode, Outcome};

/// The dispatcher's and the result intake's side.
struct Control {
    stack: Stack,
    jobs: JobQueue,
    results: ResultQueue,
}

impl Control {
    async fn start() -> anyhow::Result<Self> {
        let agent = Agent { tenant: "acme".to_owned(), name: "edge-1".to_owned() };
        let options = Options { agents: vec![agent], ..Options::default() };
        let stack = Box::pin(Stack::start(options)).await?;
        let workflows = stack.connect_service(identities::WORKFLOWS).await?;
        let results = ResultQueue::open(&workflows).await?;
        Ok(Self { stack, jobs: JobQueue::new(&workflows), results })
    }

    async fn dispatch(&self, job: &str, attempt: u32, bytes: Vec<u8>) -> anyhow::Result<()> {
        self.jobs
            .dispatch(
                ("acme", "edge-1", job),
                attempt,
                nats::Traced { payload: bytes.into(), traceparent: None },
            )
            .await?;
        Ok(())
    }

    /// The next signed result, verified; hints go by.
    async fn result(&mut self) -> anyhow::Result<JobResult> {
        let authority = AgentAuthority {
            trust_domain: DOMAIN.to_owned(),
            spki_sha256: self.stack.workload_api().authority().spki_sha256().parse()?,
            from: now().plus_seconds(-60),
            until: now().plus_seconds(60),
        };
        loop {
            let next = tokio::time::timeout(Duration::from_secs(20), self.results.next());
            let delivery = next.await.context("no result came")??;
            delivery.acknowledge().await?;
            if parse_result(delivery.subject())?.kind == ResultKind::Result {
                let message = ResultMessage::parse(delivery.payload())?;
                return Ok(verify(&message.result, &[authority], now())?.result().clone());
            }
        }
    }
}

async fn intake(control: &Control, worker: Worker) -> anyhow::Result<Intake> {
    let connection = control.stack.connect_agent("acme", "edge-1").await?;
    let endpoint = control.stack.agent_endpoint("acme", "edge-1")?;
    let identity = Identity::connect(&endpoint, DOMAIN).await?;
    let queue = AgentQueue::open(&connection, "acme", "edge-1").await?;
    let pending = Pending::open(&connection, "acme", "edge-1").await?;
    Ok(Intake::new(queue, pending, Arc::new(worker), identity))
}

fn bytes(message: &JobMessage) -> (String, Vec<u8>) {
    (message.job.statement().job.to_string(), message.to_json().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_pulled_and_answered_by_signed_results() {
    chassis::process::install_crypto();
    let mut control = Control::start().await.unwrap();
    let site = Site::start("by_queue", "").await.unwrap();
    let mut job = site.job("introspection by queue", 1).unwrap();
    job.mode = Mode::Introspect;
    (job.fence, job.steps, job.log) = (0, Vec::new(), None);
    let introspection = bytes(&JobMessage::of(dispatched(&job).unwrap()).unwrap());
    let migration = bytes(&site.message("by queue", SQL, 1).await.unwrap());
    let look = site.hand().await.unwrap();
    for (name, message) in [&introspection, &migration] {
        control.dispatch(name, 1, message.clone()).await.unwrap();
    }
    let garbage = site.job("garbage", 2).unwrap().job;
    control.dispatch(garbage.as_str(), 1, b"garbage".to_vec()).await.unwrap();
    // No answer may repeat this number; the messages behind it are answered all the same.
    let poison = trust::encoding::to_base64(br#"{"attempt":9007199254740992}"#);
    let poison = format!(r#"{{"job":{{"payloadType":"x","payload":"{poison}","signatures":[]}}}}"#);
    let poisoned = site.job("poison", 2).unwrap().job;
    control.dispatch(poisoned.as_str(), 1, poison.into_bytes()).await.unwrap();
    let garbage = site.job("more garbage", 2).unwrap().job;
    control.dispatch(garbage.as_str(), 1, b"garbage".to_vec()).await.unwrap();
    let Site { worker, folder: _folder, .. } = site;
    let stopping = CancellationToken::new();
    let working = intake(&control, worker).await.unwrap().run(stopping.clone());
    let watching = async {
        let watched = watch(&mut control, &look).await;
        stopping.cancel();
        watched
    };
    let (worked, watched) = tokio::join!(working, watching);
    watched.unwrap();
    worked.unwrap();
    control.stack.stop().await;
}

async fn watch(control: &mut Control, look: &Hand) -> anyhow::Result<()> {
    let introspected = control.result().await?;
    anyhow::ensure!(introspected.mode == Mode::Introspect, "{introspected:?}");
    anyhow::ensure!(introspected.outcome == Outcome::Succeeded, "{introspected:?}");
    let migrated = control.result().await?;
    anyhow::ensure!(migrated.outcome == Outcome::Succeeded, "{migrated:?}");
    look.client.query_one("select count(*) from orders", &[]).await?;
    for _ in ["garbage", "poison", "more garbage"] {
        let malformed = control.result().await?;
        let refusal = malformed.refusal.map(trust::accept::Reason::name);
        anyhow::ensure!(refusal == Some("malformed"), "{malformed:?}");
    }
    Ok(())
}
