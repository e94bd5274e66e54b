//! Appends of one event to aggregates that exist: ours, the raw publish under it, and postgres-es. Every commit of ours is
//! signed; a receipt is signed by whoever answers with it, so that its signature is part of the HTTP figures.

use crate::callers::{Run, Work, call, middle};
use crate::locks::{self, DataSources, ROUNDS};
use crate::output::progress;
use crate::plan::Plan;
use crate::postgres_es::{CONNECTIONS, PostgresEs};
use crate::raw_jetstream::RawJetStream;
use crate::report::{Figure, Target};
use crate::servers::{Servers, Unmirrored, identity, writer};
use crate::statistics::median;
use anyhow::Context as _;
use devkit::nats_server::SyncInterval;
use domain::catalog::DataSource;
use event_log::{EventLog, open_log};
use nats::{Connection, StoredMessage};
use std::collections::BTreeMap;
use std::sync::Arc;

const NAME: &str = "append";
const UNIT: &str = "commands/s";

/// Signed commits through `EventLog::execute`.
pub struct Appender {
    connection: Connection,
    log: EventLog,
}

impl Appender {
    /// Opens the log of new servers.
    pub async fn open(connection: Connection) -> anyhow::Result<Self> {
        let opening = locks::request("open", 0, 0);
        open_log(&connection, identity()?, &writer(), "0".repeat(64), &opening).await?;
        Self::of(connection).await
    }

    /// Over a log that is open.
    pub async fn of(connection: Connection) -> anyhow::Result<Self> {
        let log = EventLog::open(&connection, identity()?, writer()).await?;
        Ok(Self { connection, log })
    }

    /// The log.
    pub fn log(&self) -> &EventLog {
        &self.log
    }

    /// The connection under it.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// One run: register, one command on each, then the commands whose time is taken.
    async fn run(&self, set: &str, callers: usize, commands: usize) -> anyhow::Result<Run> {
        let sources = DataSources::of(&format!("log-{set}"), callers, commands);
        sources.register(&self.connection).await?;
        let each = sources.per_caller;
        let (log, first) = (self.log.clone(), 0);
        let warm = Arc::new(Appends { log: log.clone(), sources: sources.clone(), first });
        call(&warm, callers, each).await?;
        call(&Arc::new(Appends { log, sources, first: 1 }), callers, ROUNDS * each).await
    }

    /// The log's last message.
    async fn last(&self) -> anyhow::Result<StoredMessage> {
        let reader = self.log.reader();
        let last = reader.last_sequence().await?;
        let found = reader.stored_after(last - 1, 1).await?;
        found.into_iter().next().context("the log is empty")
    }
}

struct Appends {
    log: EventLog,
    sources: DataSources,
    /// Rounds that were before.
    first: usize,
}

impl Work for Appends {
    async fn one(&self, caller: usize, index: usize) -> anyhow::Result<()> {
        let (place, round) = self.sources.place(caller, index);
        let (target, round) = (self.sources.target(place)?, self.first + round);
        let request = locks::request(&self.sources.set, place, round);
        self.log.execute::<DataSource, _>(&target, locks::command(round), &request).await?;
        Ok(())
    }
}

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Ours,
    Raw,
    RawMirrored,
    PostgresOff,
    PostgresOn,
    OursAlways,
    RawAlways,
}

struct Contenders {
    ours: Appender,
    raw: RawJetStream,
    raw_mirrored: RawJetStream,
    postgres_off: PostgresEs,
    postgres_on: PostgresEs,
    ours_always: Appender,
    raw_always: RawJetStream,
}

impl Contenders {
    async fn run(&self, who: Who, set: &str, callers: usize, n: usize) -> anyhow::Result<Run> {
        match who {
            Who::Ours => self.ours.run(set, callers, n).await,
            Who::Raw => self.raw.run(set, callers, n).await,
            Who::RawMirrored => self.raw_mirrored.run(set, callers, n).await,
            // Who takes longer for each has less of them.
            Who::PostgresOff => self.postgres_off.run(set, callers, n / 2).await,
            Who::PostgresOn => self.postgres_on.run(set, callers, n / 3).await,
            Who::OursAlways => self.ours_always.run(set, callers, n / 4).await,
            Who::RawAlways => self.raw_always.run(set, callers, n / 4).await,
        }
    }
}

const EVERYBODY: [Who; 7] = [
    Who::Ours,
    Who::Raw,
    Who::RawMirrored,
    Who::PostgresOff,
    Who::PostgresOn,
    Who::OursAlways,
    Who::RawAlways,
];

/// Every contender in turn, again and again.
pub async fn measure(plan: &Plan) -> anyhow::Result<Vec<Figure>> {
    let servers = Servers::start(SyncInterval::Default).await?;
    let durable = Servers::start(SyncInterval::Always).await?;
    let bare = Unmirrored::start(SyncInterval::Default).await?;
    let bare_durable = Unmirrored::start(SyncInterval::Always).await?;
    let ours = Appender::open(servers.appender().await?).await?;
    ours.run("sample", 1, ROUNDS).await?;
    let sample = ours.last().await?;
    let database = servers.database("postgres_es").await?;
    let contenders = Contenders {
        raw: RawJetStream::like(bare.appender().await?, &sample)?,
        raw_mirrored: RawJetStream::like(ours.connection().clone(), &sample)?,
        postgres_off: PostgresEs::connect(&database, "off").await?,
        postgres_on: PostgresEs::connect(&database, "on").await?,
        ours_always: Appender::open(durable.appender().await?).await?,
        raw_always: RawJetStream::like(bare_durable.appender().await?, &sample)?,
        ours,
    };
    let mut seen: BTreeMap<(usize, Who), Vec<Run>> = BTreeMap::new();
    for run in 1..=plan.runs {
        for (callers, commands) in plan.commands {
            let mut line = vec![format!("append, run {run}, {callers} callers:")];
            for who in EVERYBODY {
                let set = format!("{who:?}-{callers}-{run}").to_lowercase();
                let measured = contenders.run(who, &set, callers, commands).await?;
                line.push(format!("{who:?} {:.0}/s", measured.rate));
                seen.entry((callers, who)).or_default().push(measured);
            }
            progress(&line.join(" "));
        }
    }
    let fsync = contenders.postgres_on.setting("fsync").await?;
    let event_bytes = contenders.postgres_on.event_bytes().await?;
    let sizes = format!("message {} bytes, row {event_bytes} bytes", sample.payload.len());
    let setup = Setup { sizes, fsync };
    let mut figures = Vec::new();
    for (callers, _) in plan.commands {
        figures.extend(setup.figures(callers, &seen)?);
    }
    for server in [servers, durable] {
        server.stop().await;
    }
    for server in [bare, bare_durable] {
        server.stop().await;
    }
    Ok(figures)
}

/// Less depends on what else runs on the machine.
fn processor(callers: usize, n: u64, ours: &[f64], (peer, name): (&[f64], &str)) -> Figure {
    let what = format!("{callers} callers, processor time");
    let configuration = "of the process that calls, without the servers'; less is better";
    let figure = Figure::of(NAME, what, configuration, (ours, "µs/command"), n);
    figure.beside(name, median(peer))
}

struct Setup {
    sizes: String,
    fsync: String,
}

impl Setup {
    fn figures(
        &self,
        callers: usize,
        seen: &BTreeMap<(usize, Who), Vec<Run>>,
    ) -> anyhow::Result<Vec<Figure>> {
        let runs = |who| seen.get(&(callers, who)).context("a contender was not measured");
        let ours = |who, pairing: &str| {
            let sync = if who == Who::OursAlways { "always" } else { "default (2 min)" };
            let configuration =
                format!("{pairing}; sync_interval {sync}, R1, mirrored; {}", self.sizes);
            let name = format!("{callers} callers");
            anyhow::Ok(Figure::of_runs(NAME, name, configuration, (runs(who)?, UNIT)))
        };
        let peer = |who| middle(runs(who)?).map(|run| run.rate).context("no run");
        let used = |who| {
            let used: Vec<_> = runs(who)?.iter().map(|run| run.processor).collect();
            anyhow::Ok(used)
        };
        let n = middle(runs(Who::Ours)?).map_or(0, |run| run.count);
        let is_judged = callers == 64;
        let part = |figure: Figure| {
            if is_judged { figure.should(Target::OfPeer(0.45)) } else { figure }
        };
        let postgres = |synchronous_commit: &str| {
            let (fsync, pool) = (&self.fsync, CONNECTIONS.to_string());
            format!(
                "postgres-es, synchronous_commit {synchronous_commit}, fsync {fsync}, pool {pool}"
            )
        };
        Ok(vec![
            part(
                ours(Who::Ours, "against raw JetStream")?
                    .against("raw publish, nothing mirrors its stream", peer(Who::Raw)?),
            ),
            part(
                ours(Who::Ours, "against raw JetStream")?
                    .against("raw publish into the same mirrored stream", peer(Who::RawMirrored)?),
            ),
            ours(Who::Ours, "ours by default against postgres-es by default")?
                .against(postgres("on"), peer(Who::PostgresOn)?)
                .should(Target::TimesPeer(5.0)),
            ours(Who::Ours, "fair pairing: neither waits for the disk")?
                .against(postgres("off"), peer(Who::PostgresOff)?),
            ours(Who::OursAlways, "fair pairing: both wait for the disk")?
                .against(postgres("on"), peer(Who::PostgresOn)?),
            ours(Who::OursAlways, "against raw JetStream, both wait for the disk")?
                .against("raw publish, nothing mirrors its stream", peer(Who::RawAlways)?),
            processor(callers, n, &used(Who::Ours)?, (&used(Who::Raw)?, "raw publish")),
            processor(callers, n, &used(Who::Ours)?, (&used(Who::PostgresOn)?, "postgres-es")),
        ])
    }
}
