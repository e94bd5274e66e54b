//! The life of a process: [`Process::start`], [`Process::run`] per task, [`Process::until_stopped`].

use crate::clock::Clock;
use crate::collector::Collector;
use crate::config::{self, Configured, ProcessConfig, TelemetryEnvironment};
use crate::identity::Identity;
use crate::listen::{DevelopmentTokens, PlainListener};
use crate::ops::{self, Readiness, ReadyFlag};
use crate::serve::serve;
use crate::tasks::Tasks;
use crate::telemetry;
use anyhow::Context as _;
use std::future::Future;
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The exit status after a second signal: 128 + SIGINT, as shells report it.
const INTERRUPTED: i32 = 130;
const IDENTITY: &str = "identity";

/// A running process.
#[derive(Debug)]
pub struct Process<C> {
    /// Its configuration.
    pub config: C,
    /// Who it is.
    pub identity: Identity,
    /// Its clock.
    pub clock: Clock,
    tasks: Tasks,
    readiness: Readiness,
    grace: Duration,
    collector: Option<Collector>,
}

impl<C: Configured> Process<C> {
    /// Reads the configuration, starts telemetry and signal handling, serves the operations port and waits for an
    /// identity. `/readyz` is 200 once [`Process::until_stopped`] is reached and every [`Process::ready`] flag is set.
    pub async fn start(name: &'static str, config_path: &Path) -> anyhow::Result<Self> {
        let config: C = config::load(config_path)?;
        let collector = telemetry::start(name, config.process(), &TelemetryEnvironment::read())?;
        install_crypto();
        let tasks = Tasks::default();
        stop_on_signals(&tasks)?;
        let process = config.process();
        let readiness = Readiness::new(tasks.stopping().clone());
        readiness.check(IDENTITY, || false);
        let metrics = ops::install_metrics()?;
        let listener = PlainListener::bind(process.ops_listen, DevelopmentTokens::Refused).await?;
        let ops_address = listener.address();
        let router = ops::router(name, readiness.clone(), metrics.clone());
        // Outside the task set: probes see "stopping" until the process ends, not a closed port.
        TaskTracker::new().spawn(serve(router, listener, CancellationToken::new()));
        let identity = identify(process, tasks.stopping()).await?;
        let source = identity.source().clone();
        readiness.check(IDENTITY, move || source.is_healthy());
        tracing::info!(process = name, spiffe_id = %identity.spiffe_id(), ops = %ops_address, "started");
        tasks.run("metrics upkeep", |stopping| ops::keep_metrics(metrics, stopping));
        let grace = Duration::from_secs(process.shutdown_grace_seconds);
        let clock = Clock::system();
        Ok(Self { config, identity, clock, tasks, readiness, grace, collector })
    }
}

impl<C> Process<C> {
    /// Starts a task. It must return soon after the token is cancelled. If it fails or panics, the process stops
    /// with a non-zero exit.
    pub fn run<F, W>(&self, name: &str, work: W)
    where
        W: FnOnce(CancellationToken) -> F,
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.tasks.run(name, work);
    }

    /// A flag that must be set before `/readyz` answers 200.
    pub fn ready(&self, name: &str) -> ReadyFlag {
        self.readiness.flag(name)
    }

    /// Cancelled at the first signal or failure; connecting loops in `main` watch it.
    pub fn stopping(&self) -> CancellationToken {
        self.tasks.stopping().clone()
    }

    /// Ends the start: waits for a signal or a failure, then at most `shutdown_grace_seconds` for the tasks.
    pub async fn until_stopped(self) -> anyhow::Result<()> {
        self.readiness.started();
        let outcome = self.tasks.until_stopped(self.grace).await;
        self.identity.source().shutdown().await;
        if outcome.is_ok() {
            tracing::info!("stopped");
        }
        if let Some(collector) = self.collector {
            collector.flush().await;
        }
        outcome
    }
}

/// Makes aws-lc-rs the process's TLS provider; a second call changes nothing.
pub fn install_crypto() {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed already");
    }
}

async fn identify(
    process: &ProcessConfig,
    stopping: &CancellationToken,
) -> anyhow::Result<Identity> {
    let socket = socket_of(process)?;
    let connecting = Identity::connect(&socket, &process.trust_domain);
    let identity = stopping.run_until_cancelled(connecting).await;
    Ok(identity.context("stopped before it had an identity")??)
}

fn socket_of(process: &ProcessConfig) -> anyhow::Result<String> {
    process.spiffe_socket.clone().or_else(config::spiffe_endpoint_socket).context(
        "no SPIFFE Workload API: set process.spiffe_socket or SPIFFE_ENDPOINT_SOCKET to its socket",
    )
}

/// The first signal stops the tasks; the second ends the process at once, also while it is still starting.
fn stop_on_signals(tasks: &Tasks) -> anyhow::Result<()> {
    let mut signals = Signals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    };
    let stopping = tasks.stopping().clone();
    TaskTracker::new().spawn(async move {
        let first = signals.next().await;
        tracing::info!(signal = first, "stopping; a second signal ends the process at once");
        stopping.cancel();
        let second = signals.next().await;
        tracing::error!(signal = second, "second signal: ended at once, tasks may be unfinished");
        std::process::exit(INTERRUPTED);
    });
    Ok(())
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::{Signal as Number, kill};
    use nix::unistd::Pid;
    use std::io::Write as _;
    use std::process::Stdio;
    use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
    use tokio::process::{Child, ChildStdout, Command};

    /// Set in a child: whether its task ends when it is asked to.
    const ROLE: &str = "CHASSIS_TEST_ROLE";
    const READY: &str = "watching signals";

    /// Signals reach a whole process, so the tests below run this one again in a child.
    #[tokio::test]
    async fn in_a_child_a_task_runs_until_it_is_stopped() {
        let Some(role) = std::env::var_os(ROLE) else { return };
        let tasks = Tasks::default();
        stop_on_signals(&tasks).unwrap();
        tasks.run("worker", move |stopping| async move {
            stopping.cancelled().await;
            if role == "deaf" { std::future::pending().await } else { Ok(()) }
        });
        std::io::stdout().write_all(format!("\n{READY}\n").as_bytes()).unwrap();
        tasks.until_stopped(Duration::from_mins(1)).await.unwrap();
    }

    /// The test harness of the child still writes to its output: it must stay open.
    struct Running {
        child: Child,
        pid: Pid,
        _output: Lines<BufReader<ChildStdout>>,
    }

    async fn start_child(role: &str) -> anyhow::Result<Running> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--exact", "process::tests::in_a_child_a_task_runs_until_it_is_stopped"])
            .arg("--nocapture")
            .env(ROLE, role)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pid = Pid::from_raw(i32::try_from(child.id().context("no process id")?)?);
        let mut lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
        while let Some(line) = lines.next_line().await? {
            if line == READY {
                return Ok(Running { child, pid, _output: lines });
            }
        }
        anyhow::bail!("the child ended early")
    }

    #[tokio::test]
    async fn the_first_signal_stops_the_tasks() {
        for number in [Number::SIGINT, Number::SIGTERM] {
            let mut running = start_child("polite").await.unwrap();
            kill(running.pid, number).unwrap();
            assert_eq!(running.child.wait().await.unwrap().code(), Some(0), "{number}");
        }
    }

    #[tokio::test]
    async fn the_second_signal_ends_the_process_at_once() {
        let mut running = start_child("deaf").await.unwrap();
        // Two different ones: the system merges equal signals that are still pending.
        kill(running.pid, Number::SIGINT).unwrap();
        kill(running.pid, Number::SIGTERM).unwrap();
        assert_eq!(running.child.wait().await.unwrap().code(), Some(INTERRUPTED));
    }
}
