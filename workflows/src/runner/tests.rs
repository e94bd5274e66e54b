//! Runners over a real log.

use super::*;
use anyhow::bail;
use devkit::stack::SHARD;
use devkit::{Options, Stack, identities};
use domain::agents::{Agent, AgentCommand, Enrolled};
use domain::ids::{AgentId, CommandId, PrincipalId};
use domain::issued::{Actor, ActorKind, Auth};
use event_log::{EventLog, Request, Target, open_log};
use ledger::{LogIdentity, RequestDigest, Writer};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use trust::keys::PrivateKey;

const PATIENCE: Duration = Duration::from_secs(20);

/// Says which commits it has seen, and sets aside what is asked of it.
struct Watching {
    seen: mpsc::UnboundedSender<u64>,
    aside: Option<u64>,
}

impl Workflow for Watching {
    const NAME: &'static str = "watching";

    async fn react(&self, because: &Because<'_>) -> Result<(), Setback> {
        let sequence = because.recorded.sequence;
        self.seen.send(sequence).ok();
        if self.aside == Some(sequence) {
            return Err(Setback::SetAside(anyhow::anyhow!("on purpose")));
        }
        Ok(())
    }
}

struct World {
    stack: Stack,
    log: EventLog,
}

fn request(key: &str) -> anyhow::Result<Request> {
    let id = PrincipalId::derived("principal", &["ada"]);
    Ok(Request {
        command: CommandId::derived("command", &[key]),
        kind: "test".to_owned(),
        digest: RequestDigest::of(key.as_bytes()),
        actor: Actor { kind: ActorKind::Person, id, auth: Auth::Token },
        at: "2026-11-20T07:00:00.000000Z".parse()?,
        correlation_id: "test".to_owned(),
        causation_id: None,
        traceparent: "00-00000000000000000000000000000001-0000000000000001-01".to_owned(),
        expected_version: None,
    })
}

impl World {
    async fn start() -> anyhow::Result<Self> {
        chassis::process::install_crypto();
        let stack = Stack::start(Options::default()).await?;
        let writer = PrivateKey::from_seed(&[5; 32]);
        let key = Writer { key: writer.public(), from_sequence: 1, to_sequence: None };
        let identity = LogIdentity {
            origin: "test.log".parse()?,
            shard: SHARD.parse()?,
            writers: vec![key],
            gaps: Vec::new(),
        };
        let connection = stack.connect_service(identities::COMMAND_API).await?;
        let opening = request("open")?;
        open_log(&connection, identity.clone(), &writer, "0".repeat(64), &opening).await?;
        let log = EventLog::open(&connection, identity, writer).await?;
        Ok(Self { stack, log })
    }

    async fn runner(&self) -> anyhow::Result<Runner> {
        let connection = self.stack.connect_service(identities::WORKFLOWS).await?;
        let records = Records::new(&connection, self.log.reader().identity().clone());
        Runner::new(&connection, &records)
    }

    async fn append(&self, name: &str) -> anyhow::Result<u64> {
        let id = AgentId::derived("agent", &["acme", name]).to_string();
        let target = Target { tenant: "acme".to_owned(), id };
        let spiffe_id = "spiffe://a/b".to_owned();
        let command = AgentCommand::Enroll(Enrolled { name: name.to_owned(), spiffe_id });
        let answered = self.log.execute::<Agent, _>(&target, command, &request(name)?).await?;
        Ok(answered.receipt().sequence)
    }
}

async fn until(seen: &mut mpsc::UnboundedReceiver<u64>, sequence: u64) -> anyhow::Result<()> {
    loop {
        match tokio::time::timeout(PATIENCE, seen.recv()).await? {
            Some(found) if found == sequence => return Ok(()),
            Some(_) => {}
            None => bail!("the runner ended before it saw {sequence}"),
        }
    }
}

/// Waits until the position is this runner's.
async fn claimed(runner: &Runner) -> anyhow::Result<()> {
    let wait = async {
        loop {
            let saved: Saved<Reached> = runner.positions.load(Watching::NAME).await?;
            if saved.position.is_some_and(|reached| reached.instance == runner.instance) {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await?
}

#[tokio::test]
async fn of_two_runners_the_older_stops() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (stopping, mut tasks) = (CancellationToken::new(), JoinSet::new());
    let mut start = async || -> anyhow::Result<mpsc::UnboundedReceiver<u64>> {
        let (seen, watched) = mpsc::unbounded_channel();
        let runner = world.runner().await?;
        tasks.spawn(runner.clone().keep(Watching { seen, aside: None }, stopping.clone()));
        claimed(&runner).await?;
        Ok(watched)
    };
    let mut older = start().await?;
    until(&mut older, world.append("a").await?).await?;
    // The older one may save its position while the newer one claims it.
    let mut newer = start().await?;
    let next = world.append("b").await?;
    until(&mut newer, next).await?;
    let ended = tokio::time::timeout(PATIENCE, tasks.join_next()).await?;
    let error = ended.context("no runner")??.unwrap_err();
    let overtaken = matches!(error.downcast_ref(), Some(PositionError::Overtaken { .. }));
    assert!(overtaken, "{error:#}");
    until(&mut newer, world.append("c").await?).await?;
    assert_eq!(tasks.len(), 1, "the newer one goes on");
    stopping.cancel();
    tasks.join_next().await.context("no runner")???;
    world.stack.stop().await;
    Ok(())
}

#[tokio::test]
async fn what_is_set_aside_is_kept_before_the_position_moves_on() -> anyhow::Result<()> {
    let world = World::start().await?;
    let sequence = world.append("a").await?;
    let (seen, mut watched) = mpsc::unbounded_channel();
    let (stopping, mut tasks) = (CancellationToken::new(), JoinSet::new());
    let runner = world.runner().await?;
    let workflow = Watching { seen, aside: Some(sequence) };
    tasks.spawn(runner.clone().keep(workflow, stopping.clone()));
    let next = world.append("b").await?;
    until(&mut watched, next).await?;
    let kept: Saved<serde_json::Value> = runner.positions.load("watching_set_aside").await?;
    let kept = kept.position.context("nothing is kept")?;
    assert_eq!((&kept["count"], &kept["newest"][0]["sequence"]), (&1.into(), &sequence.into()));
    stopping.cancel();
    tasks.join_next().await.context("no runner")???;
    world.stack.stop().await;
    Ok(())
}
