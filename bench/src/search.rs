//! Documents into the search index, and searches in it, without a log to follow.

use crate::callers::{Run, Work, call};
use crate::history::{History, Made, TENANTS, tenant};
use crate::output::progress;
use crate::plan::Plan;
use crate::projection::events;
use crate::report::{Figure, Target, counted};
use crate::servers::{actor, identity};
use crate::statistics::rate;
use anyhow::Context as _;
use event_log::Followed;
use projections::PageRequest;
use projections::search::{Filter, Scope, Search, SearchIndex};
use scenario::scratch::Scratch;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const NAME: &str = "search";
/// Commits of the log in one commit of the index, as the worker has it when it is busy.
const SMALL: usize = 1_000;
/// The same as the worker has it while it catches up, which commits once a second.
const LARGE: usize = 20_000;
/// Documents of a run in small ones, as a part of those that are searched.
const PART: usize = 10;
/// What the target is about.
const WHOLE: usize = 500_000;
const PATIENCE: Duration = Duration::from_mins(1);
const PAGE: PageRequest = PageRequest { before: None, size: 20 };

/// What people look for.
const QUERIES: [&str; 8] = [
    "",
    "partition",
    "rename checksum",
    "\"backfill region\"",
    "action:schema.applied",
    "curr* -drop action:schema.drafted",
    "invoices type:change",
    "approval.granted",
];

/// Indexes in small commits and in large ones, then searches.
pub async fn measure(plan: &Plan) -> anyhow::Result<Vec<Figure>> {
    let scratch = Scratch::new()?;
    let (runs, documents) = (plan.runs, plan.documents);
    let indexing = |name: &str, batch, documents| {
        let folder = scratch.path().join(name);
        tokio::task::spawn_blocking(move || index(&folder, batch, runs, documents))
    };
    let small = indexing("small", SMALL, documents / PART).await??;
    let large = indexing("large", LARGE, documents).await??;
    let mut figures = vec![written(SMALL, &small, runs)?, written(LARGE, &large, runs)?];
    let indexed = large;
    let folder = scratch.path().join("large");
    let stopping = CancellationToken::new();
    let (search, watcher) = Search::of(&folder, &identity()?.origin);
    let mut tasks = JoinSet::new();
    tasks.spawn(watcher.watch(stopping.clone()));
    search.reached(indexed.last, PATIENCE).await?;
    let at_once = [(Kind::Tenant, 1), (Kind::Tenant, 8), (Kind::Facets, 1), (Kind::Every, 1)];
    for (kind, callers) in at_once {
        let work = Arc::new(Searches { search: search.clone(), kind });
        let mut measured = Vec::new();
        for _ in 0..plan.runs {
            measured.push(call(&work, callers, plan.searches / callers).await?);
        }
        progress(&format!("search, {} at {callers} callers: {:.0?}", kind.name(), measured.last()));
        let is_whole = plan.documents >= WHOLE;
        figures.push(figure(kind, callers, &measured, indexed.documents, is_whole));
    }
    stopping.cancel();
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(figures)
}

fn written(batch: usize, indexed: &Indexed, runs: usize) -> anyhow::Result<Figure> {
    let (batch, documents) = (counted(batch), counted(indexed.documents));
    let configuration = format!(
        "{batch} commits of the log in a commit of the index, two threads, up to {documents} documents, from memory"
    );
    let unit = (indexed.rates.as_slice(), "documents/s");
    let part = indexed.documents / u64::try_from(runs)?;
    let figure = Figure::of(NAME, "the index's own writer", configuration, unit, part);
    Ok(figure.should(Target::AtLeast(50_000.0)))
}

fn figure(kind: Kind, callers: usize, runs: &[Run], documents: u64, is_whole: bool) -> Figure {
    let configuration = format!(
        "{} documents of {TENANTS} tenants, {} kinds of queries in turn, a page of {}, {callers} at a time, index in \
         memory",
        counted(documents),
        QUERIES.len(),
        PAGE.size
    );
    let figure = Figure::of_runs(NAME, kind.name(), configuration, (runs, "searches/s"));
    match (kind, callers) {
        (Kind::Tenant, 1) => figure.should_if(is_whole, Target::P99Below(10.0)),
        (Kind::Tenant | Kind::Facets | Kind::Every, _) => figure,
    }
}

/// What indexing gave.
struct Indexed {
    rates: Vec<f64>,
    documents: u64,
    last: u64,
}

fn index(folder: &Path, batch: usize, runs: usize, documents: usize) -> anyhow::Result<Indexed> {
    let log = identity()?;
    let mut index = SearchIndex::open(folder, &log.origin)?;
    let mut history = History::of(log)?;
    let mut indexed = Indexed { rates: Vec::new(), documents: 0, last: 0 };
    let part = u64::try_from(documents / runs)?;
    for run in 1..=runs {
        let (mut took, mut written) = (Duration::ZERO, 0);
        while written < part {
            let made = history.take(batch)?;
            let commits: Vec<_> = made.into_iter().map(Made::followed).collect();
            indexed.last = last(&commits)?;
            written += commits.iter().map(events).sum::<u64>();
            let started = Instant::now();
            index.write_commits(commits)?;
            took += started.elapsed();
        }
        indexed.documents += written;
        let rate = rate(written, took);
        progress(&format!("search, {batch} commits at a time, run {run}: {rate:.0} documents/s"));
        indexed.rates.push(rate);
    }
    Ok(indexed)
}

fn last(batch: &[Followed]) -> anyhow::Result<u64> {
    match batch.last().context("an empty batch")? {
        Followed::Commit(recorded) => Ok(recorded.sequence),
        Followed::Condemned(condemned) => anyhow::bail!("condemned: {condemned:?}"),
    }
}

/// Who looks, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tenant,
    Facets,
    Every,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Tenant => "tenant-filtered",
            Self::Facets => "tenant-filtered, with counted facets",
            Self::Every => "over every tenant, as an auditor of the log",
        }
    }
}

struct Searches {
    search: Search,
    kind: Kind,
}

impl Work for Searches {
    async fn one(&self, caller: usize, index: usize) -> anyhow::Result<()> {
        let scope = match self.kind {
            Kind::Tenant | Kind::Facets => Scope::Tenant(tenant(caller + index / QUERIES.len())),
            Kind::Every => Scope::Every,
        };
        let query = QUERIES.get(index % QUERIES.len()).copied().unwrap_or_default();
        let filter = Filter {
            query: query.to_owned(),
            actor: index.is_multiple_of(3).then(|| actor().id.to_string()),
            facets: self.kind == Kind::Facets,
            ..Filter::default()
        };
        let (listed, _) = self.search.search(scope, filter, PAGE).await?;
        anyhow::ensure!(!listed.items.is_empty(), "{query:?} finds nothing");
        Ok(())
    }
}
