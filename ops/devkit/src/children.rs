//! Child processes that cannot outlive us.
//!
//! `setpriv --pdeathsig KILL` has the kernel kill a child when the thread that spawned it ends, so
//! one thread that never ends spawns them all. Each child leads its own process group: a Ctrl-C in
//! the terminal reaches us alone, and we stop them in order.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::sync::watch;

/// How much of a child's log an error shows.
const TAIL_BYTES: u64 = 2_000;
/// How long a dropped child may take to be gone; its files are removed after that.
const KILLED_WITHIN: Duration = Duration::from_secs(2);

/// Why a child did not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The process could not be started.
    #[error("cannot start {name}")]
    Start {
        /// The child.
        name: String,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// The process ended although it was to go on, or failed.
    #[error("{name} ended with {status}; the end of {}:\n{tail}", log.display())]
    Ended {
        /// The child.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// Its log file.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// The process did not get ready in time.
    #[error("{name} was not ready after {waited:?}; the end of {}:\n{tail}", log.display())]
    NotReady {
        /// The child.
        name: String,
        /// How long we waited.
        waited: Duration,
        /// Its log file.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
}

/// The user that a child runs as; only root can choose one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunAs {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct Program {
    name: String,
    path: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    without_environment: bool,
    folder: Option<PathBuf>,
    run_as: Option<RunAs>,
    log: PathBuf,
}

impl Program {
    /// Runs `path`, called `name` in messages; both outputs are appended to the file `log`.
    pub fn new(name: &str, path: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self {
            name: name.to_owned(),
            path: path.into(),
            arguments: Vec::new(),
            variables: Vec::new(),
            without_environment: false,
            folder: None,
            run_as: None,
            log: log.into(),
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets one environment variable.
    #[must_use]
    pub fn variable(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Gives the child only the variables that are set here, and `PATH`.
    #[must_use]
    pub fn without_environment(mut self) -> Self {
        self.without_environment = true;
        self
    }

    /// Starts the child in `folder`.
    #[must_use]
    pub fn in_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Runs the child as another user.
    #[must_use]
    pub fn run_as(mut self, user: Option<RunAs>) -> Self {
        self.run_as = user;
        self
    }

    /// Starts the child.
    pub fn spawn(self) -> Result<Child, ChildError> {
        Child::spawn(self)
    }

    /// Runs the child to its end, which must be a success.
    pub async fn run(self) -> Result<(), ChildError> {
        let child = self.spawn()?;
        let status = child.wait().await;
        if status.success() { Ok(()) } else { Err(child.ended(status)) }
    }

    fn command(&self) -> std::io::Result<Command> {
        // Programs print tokens and URLs when they are asked to: their output is for its owner only.
        let log = File::options().create(true).append(true).mode(0o600).open(&self.log)?;
        if log.metadata()?.is_file() {
            log.set_permissions(Permissions::from_mode(0o600))?;
        }
        let mut command = Command::new("setpriv");
        if self.without_environment {
            let path = crate::environment::variable("PATH").unwrap_or_default();
            command.env_clear().env("PATH", path);
        }
        command.args(["--pdeathsig", "KILL"]);
        if let Some(RunAs { uid, gid }) = self.run_as {
            command.arg("--reuid").arg(uid.to_string()).arg("--regid").arg(gid.to_string());
            command.arg("--clear-groups");
        }
        command.arg("--").arg(&self.path).args(&self.arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        Ok(command)
    }
}

/// A running or ended child process. Dropping it kills the process.
#[derive(Debug)]
pub struct Child {
    name: String,
    log: PathBuf,
    log_start: u64,
    process: Arc<Process>,
    status: watch::Receiver<Option<ExitStatus>>,
}

#[derive(Debug)]
struct Process {
    pid: Pid,
    /// True once the pid may belong to another process.
    reaped: Mutex<bool>,
}

impl Process {
    fn signal(&self, signal: Signal) {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*reaped && let Err(error) = signal::kill(self.pid, signal) {
            tracing::debug!(pid = %self.pid, %signal, %error, "cannot signal a child");
        }
    }
}

impl Child {
    fn spawn(program: Program) -> Result<Self, ChildError> {
        let start = |source| ChildError::Start { name: program.name.clone(), source };
        let log_start = std::fs::metadata(&program.log).map_or(0, |meta| meta.len());
        let command = program.command().map_err(start)?;
        let mut child = spawn_on_the_lasting_thread(command).map_err(start)?;
        let pid = i32::try_from(child.id()).map_err(|error| start(std::io::Error::other(error)))?;
        let process = Arc::new(Process { pid: Pid::from_raw(pid), reaped: Mutex::new(false) });
        let (sender, status) = watch::channel(None);
        let waited = Arc::clone(&process);
        let wait = move || {
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
            while waitid(Id::Pid(waited.pid), flags) == Err(nix::errno::Errno::EINTR) {}
            let mut reaped = waited.reaped.lock().unwrap_or_else(PoisonError::into_inner);
            let ended = child.wait();
            *reaped = true;
            drop(reaped);
            sender.send_replace(ended.ok());
        };
        std::thread::Builder::new()
            .name(format!("wait-{}", program.name))
            .spawn(wait)
            .map_err(start)?;
        tracing::debug!(child = program.name, pid, "started");
        Ok(Self { name: program.name, log: program.log, log_start, process, status })
    }

    /// Its name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.process.pid.as_raw()
    }

    /// Its log file.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended, or `None` while it runs.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        *self.status.borrow()
    }

    /// Waits for its end.
    pub async fn wait(&self) -> ExitStatus {
        let mut status = self.status.clone();
        match status.wait_for(Option::is_some).await {
            Ok(status) => status.unwrap_or_default(),
            // The waiting thread sends before it ends; without a status nothing better is known.
            Err(_) => ExitStatus::default(),
        }
    }

    /// Sends a signal, if the process still runs.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// `kill -9`: the process has no chance to do anything.
    pub async fn kill(&self) -> ExitStatus {
        self.signal(Signal::SIGKILL);
        self.wait().await
    }

    /// Asks it to end with SIGTERM, and kills it after `grace`.
    pub async fn stop(&self, grace: Duration) -> ExitStatus {
        self.stop_with(Signal::SIGTERM, grace).await
    }

    /// Stops its clock (`SIGSTOP`): connected, silent.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on (`SIGCONT`).
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// As Ctrl-C (`SIGINT`), without waiting.
    pub fn send_interrupt(&self) {
        self.signal(Signal::SIGINT);
    }

    /// As Ctrl-C (`SIGINT`), then `SIGKILL` after `grace`.
    pub async fn interrupt(&self, grace: Duration) -> ExitStatus {
        self.stop_with(Signal::SIGINT, grace).await
    }

    /// Asks it to end with `signal`, and kills it after `grace`.
    pub async fn stop_with(&self, signal: Signal, grace: Duration) -> ExitStatus {
        self.signal(signal);
        if let Ok(status) = tokio::time::timeout(grace, self.wait()).await {
            return status;
        }
        tracing::warn!(child = self.name, ?grace, "did not stop in time: killed");
        self.kill().await
    }

    /// Polls `ready` until it gives a value; an end of the process or `patience` run out are
    /// errors that show the log.
    pub async fn until<T, F: Future<Output = Option<T>>>(
        &self,
        patience: Duration,
        mut ready: impl FnMut() -> F,
    ) -> Result<T, ChildError> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            if let Some(value) = ready().await {
                return Ok(value);
            }
            if let Some(status) = self.exit_status() {
                return Err(self.ended(status));
            }
            if tokio::time::Instant::now() >= deadline {
                let (name, log) = (self.name.clone(), self.log.clone());
                let tail = self.log_tail();
                return Err(ChildError::NotReady { name, waited: patience, log, tail });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The error that says how it ended.
    pub fn ended(&self, status: ExitStatus) -> ChildError {
        let (name, log) = (self.name.clone(), self.log.clone());
        ChildError::Ended { name, status, log, tail: self.log_tail() }
    }

    /// What this process has written so far, at most the last 2,000 bytes.
    pub fn log_tail(&self) -> String {
        self.read_log(Some(TAIL_BYTES))
    }

    /// All that this process has written so far.
    pub fn log_text(&self) -> String {
        self.read_log(None)
    }

    fn read_log(&self, at_most: Option<u64>) -> String {
        let read = || {
            let mut file = File::open(&self.log)?;
            let length = file.metadata()?.len();
            let from = at_most.map_or(0, |most| length.saturating_sub(most)).max(self.log_start);
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).trim().to_owned())
        };
        read().unwrap_or_else(|error| format!("(cannot read the log: {error})"))
    }
}

impl Child {
    /// As [`Child::stop_with`], for a `drop`: blocks the thread until the process is gone.
    pub(crate) fn end(&self, signal: Signal, grace: Duration) {
        let deadline = std::time::Instant::now() + grace;
        self.signal(signal);
        while self.exit_status().is_none() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end(Signal::SIGKILL, KILLED_WITHIN);
    }
}

type Spawned = std::io::Result<std::process::Child>;
type Request = (Command, mpsc::Sender<Spawned>);

/// The kernel ties `PR_SET_PDEATHSIG` to the spawning thread, not to the process.
fn spawn_on_the_lasting_thread(command: Command) -> Spawned {
    static THREAD: OnceLock<mpsc::Sender<Request>> = OnceLock::new();
    let gone = || std::io::Error::other("the spawning thread has ended");
    let thread = THREAD.get_or_init(|| {
        let (sender, requests) = mpsc::channel::<Request>();
        let serve = move || {
            for (mut command, answer) in requests {
                // A requester that is gone cannot happen: it waits for this answer.
                answer.send(command.spawn()).ok();
            }
        };
        let started = std::thread::Builder::new().name("devkit-spawner".to_owned()).spawn(serve);
        if let Err(error) = started {
            tracing::error!(%error, "cannot start the spawning thread");
        }
        sender
    });
    let (answer, spawned) = mpsc::channel();
    thread.send((command, answer)).map_err(|_| gone())?;
    spawned.recv().map_err(|_| gone())?
}
