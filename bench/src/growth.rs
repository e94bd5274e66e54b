//! What more aggregates cost: the same commands on a log of ten thousand aggregates, of a hundred thousand, of a million.
//!
//! Each command is for an aggregate that this process has not touched at this size before.

use crate::append::Appender;
use crate::callers::{Work, call};
use crate::catch_up::mirrored;
use crate::locks::{self, created, id, name};
use crate::output::progress;
use crate::plan::Plan;
use crate::report::{Figure, counted};
use crate::seed::{self, Message};
use crate::servers::{Servers, TENANT, identity, resident};
use crate::statistics::{float, median};
use anyhow::Context as _;
use devkit::identities::PROJECTIONS;
use devkit::nats_server::SyncInterval;
use domain::catalog::DataSource;
use event_log::{EventLog, Reader, Target};
use nats::Connection;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;
use trust::keys::PrivateKey;

const NAME: &str = "growth";
const SET: &str = "growth";
const CALLERS: usize = 16;
/// Commands, and loads, of one run.
const COMMANDS: usize = 1_920;
/// Threads that make and sign commits.
const MAKERS: usize = 2;
const MIB: f64 = 1_048_576.0;

/// One log grows.
pub async fn measure(plan: &Plan) -> anyhow::Result<Vec<Figure>> {
    let servers = Servers::start(SyncInterval::Default).await?;
    let appender = Appender::open(servers.appender().await?).await?;
    let follower = servers.stack().connect_service(PROJECTIONS).await?;
    let mirror = Reader::new(&follower, identity()?);
    let server = servers.stack().nats().child().pid();
    let (mut figures, mut there): (Vec<Figure>, _) = (Vec::new(), 0);
    for (level, count) in plan.aggregates.iter().copied().enumerate() {
        let started = Instant::now();
        register(appender.connection(), there..count).await?;
        there = count;
        mirrored(&mirror, appender.log().reader().last_sequence().await?).await?;
        let took = started.elapsed().as_secs_f64();
        progress(&format!("growth: {} aggregates after {took:.1} s", counted(count)));
        let (mut appends, mut loads, mut memory) = (Vec::new(), Vec::new(), Vec::new());
        for run in 0..plan.runs {
            let log = appender.log().clone();
            let place = Place { log, count, offset: run, level };
            loads.push(call(&Arc::new(Loads(place.clone())), 1, COMMANDS).await?);
            appends.push(call(&Arc::new(Appends(place)), CALLERS, COMMANDS / CALLERS).await?);
            memory.push(float(resident(server)?) / MIB);
            progress(&format!("growth, {}, run {}: {appends:.0?}", counted(count), run + 1));
        }
        let size = format!("{} aggregates", counted(count));
        let configuration =
            "first command on an aggregate of one commit or few; sync_interval default (2 min)";
        let first = |name: &str| figures.iter().find(|figure| figure.name.starts_with(name));
        let against = |figure: Figure, name: &str| match first(name).map(|first| first.median) {
            Some(median) => figure.since("at the first size", median),
            None => figure,
        };
        let append = format!("append, {size}");
        let callers = format!("{CALLERS} callers; {configuration}");
        let append = Figure::of_runs(NAME, append, callers, (&appends, "commands/s"));
        let load = format!("load, {size}");
        let load = Figure::of_runs(NAME, load, "1 caller", (&loads, "loads/s"));
        let server = format!("nats-server RSS, {size}");
        let what = "after the commands; the log and its mirror";
        let server = Figure::of(NAME, server, what, (&[median(&memory)], "MiB"), 1);
        let all =
            [against(append, "append"), against(load, "load"), against(server, "nats-server")];
        figures.extend(all);
    }
    servers.stop().await;
    Ok(figures)
}

async fn register(connection: &Connection, wanted: Range<usize>) -> anyhow::Result<()> {
    let part = wanted.len().div_ceil(MAKERS);
    let log = identity()?;
    let makers = (0..MAKERS).map(|maker| {
        let from = wanted.start + maker * part;
        let (own, log) = (from..(from + part).min(wanted.end), log.clone());
        move |key: &PrivateKey, send: &dyn Fn(Message) -> anyhow::Result<()>| {
            own.clone().try_for_each(|index| send(created(&log, key, &name(SET, index))?))
        }
    });
    seed::publish_all(connection, makers.collect()).await?;
    Ok(())
}

/// Aggregates that are spread over the whole log.
#[derive(Clone)]
struct Place {
    log: EventLog,
    count: usize,
    offset: usize,
    level: usize,
}

impl Place {
    fn target(&self, index: usize) -> (usize, Target) {
        let place = (index * (self.count / COMMANDS) + self.offset) % self.count;
        (place, Target { tenant: TENANT.to_owned(), id: id(&name(SET, place)) })
    }
}

struct Loads(Place);

impl Work for Loads {
    async fn one(&self, _: usize, index: usize) -> anyhow::Result<()> {
        let (_, target) = self.0.target(index);
        let found = self.0.log.reader().load::<DataSource>(&target.tenant, &target.id).await?;
        found.context("an aggregate is missing")?;
        Ok(())
    }
}

struct Appends(Place);

impl Work for Appends {
    async fn one(&self, caller: usize, index: usize) -> anyhow::Result<()> {
        let (place, target) = self.0.target(caller * (COMMANDS / CALLERS) + index);
        // The lock may be held since a smaller size: then the command waits in line, which is an event as well.
        let request = locks::request(SET, place, self.0.level);
        let command = locks::command(2 * self.0.level);
        self.0.log.execute::<DataSource, _>(&target, command, &request).await?;
        Ok(())
    }
}
