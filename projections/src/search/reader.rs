//! Searching, in any process that sees the index's folder.

use super::document::{cut, sequence};
use super::fields::{FACET, Fields, ORDER, folder, prepare};
use super::index::{IndexError, directory, read_payload};
use super::query::{self, Clauses, QueryError, all, exactly, like};
use crate::page::{Listed, PageRequest};
use client::reads::{AuditFacets, AuditFragment, AuditHit, CountedValue};
use ledger::{Origin, Position, PositionMark};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tantivy::collector::{FacetCollector, TopDocs};
use tantivy::query::{Occur, Query, RangeQuery};
use tantivy::schema::Value as _;
use tantivy::snippet::SnippetGenerator;
use tantivy::{DateTime, Index, IndexReader, Order, ReloadPolicy, Searcher, TantivyDocument, Term};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use trust::encoding::Timestamp;

/// How often the folder is looked at for a new commit of the index.
const LOOK: Duration = Duration::from_millis(20);
/// Values counted of each facet.
const MOST_COUNTED: usize = 20;
/// Searches at a time: the others wait for their turn.
const AT_ONCE: usize = 8;
/// Shown of a text, bytes.
const FRAGMENT: usize = 240;

/// Whose events a search may see. Every search has one, and it is put under the query in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One tenant's.
    Tenant(String),
    /// Every tenant's: for auditors of the whole log.
    Every,
}

/// What to look for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// In the query syntax; everything if empty.
    pub query: String,
    /// Only by them.
    pub actor: Option<String>,
    /// Only of this type, or of those that begin so (`approval.*`).
    pub action: Option<String>,
    /// Only of this type of aggregate.
    pub aggregate_type: Option<String>,
    /// Only of this aggregate.
    pub aggregate_id: Option<String>,
    /// Only from then on.
    pub since: Option<Timestamp>,
    /// Only before then.
    pub until: Option<Timestamp>,
    /// Count actors, actions and types.
    pub facets: bool,
}

/// A page, newest first, and what was counted if it was asked for.
pub type Found = (Listed<AuditHit>, Option<AuditFacets>);

/// A page was found.
pub type Searched = Result<Found, SearchError>;

/// Why nothing can be found.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The query cannot be understood.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// There is no index yet.
    #[error("the search index is not there yet")]
    NotThere,
    /// The index failed.
    #[error("the search index failed")]
    Index(#[from] tantivy::TantivyError),
    /// The search ended before it had an answer.
    #[error("the search was given up")]
    GivenUp,
}

/// How far the index is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the search index is at sequence {served}, not at {wanted} yet")]
pub struct Reached {
    /// Where it is.
    pub served: u64,
    /// Where it should be.
    pub wanted: u64,
}

struct Opened {
    index: Index,
    reader: IndexReader,
    fields: Fields,
}

#[derive(Clone, Default)]
struct State {
    opened: Option<Arc<Opened>>,
    sequence: u64,
}

/// Searches one log's index. Cloning it is cheap.
#[derive(Clone)]
pub struct Search {
    origin: Origin,
    state: watch::Receiver<State>,
    turns: Arc<Semaphore>,
}

impl std::fmt::Debug for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Search({} at {})", self.origin, self.state.borrow().sequence)
    }
}

/// Keeps a [`Search`] up to date.
#[derive(Debug)]
pub struct Watcher {
    folder: PathBuf,
    origin: Origin,
    state: watch::Sender<State>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State(at {})", self.sequence)
    }
}

impl Search {
    /// Searches the index in `search_dir`, which may not be there yet; and the task that must run for it.
    pub fn of(search_dir: &Path, origin: &Origin) -> (Self, Watcher) {
        let (sender, state) = watch::channel(State::default());
        let watcher = Watcher { folder: folder(search_dir), origin: origin.clone(), state: sender };
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        (Self { origin: origin.clone(), state, turns }, watcher)
    }

    /// The least that every search from now on finds.
    pub fn served(&self) -> PositionMark {
        PositionMark { origin: self.origin.clone(), sequence: self.state.borrow().sequence }
    }

    /// Waits until the index has reached `wanted`.
    pub async fn reached(&self, wanted: u64, patience: Duration) -> Result<(), Reached> {
        let mut state = self.state.clone();
        let reached = state.wait_for(|state| state.sequence >= wanted);
        match tokio::time::timeout(patience, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Reached { served: self.state.borrow().sequence, wanted }),
        }
    }

    /// A page of the events that the scope may see and the filter takes.
    pub async fn search(&self, scope: Scope, filter: Filter, page: PageRequest) -> Searched {
        let opened = self.state.borrow().opened.clone().ok_or(SearchError::NotThere)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| SearchError::GivenUp)?;
        let searching = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            opened.search(&scope, &filter, page)
        });
        searching.await.map_err(|_| SearchError::GivenUp)?
    }
}

impl Watcher {
    /// Looks at the folder until told to stop.
    pub async fn watch(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let mut seen = None;
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                _ = tick.tick() => {}
            }
            let now = stamp(&self.folder);
            if now.is_none() || now == seen {
                continue;
            }
            let (folder, known) = (self.folder.clone(), self.state.borrow().opened.clone());
            let looking = tokio::task::spawn_blocking(move || look(&folder, known));
            match looking.await? {
                Ok((opened, position)) => {
                    // Empty so far, or of another log: nobody is told that nothing was found.
                    let position = position.filter(|position| position.origin == self.origin);
                    let sequence = position.as_ref().map_or(0, |position| position.sequence);
                    let opened = position.map(|_| opened);
                    self.state.send_replace(State { opened, sequence });
                    seen = now;
                }
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::new(error));
                    tracing::warn!(error, "the search index cannot be read yet");
                }
            }
        }
    }
}

/// Opens the index, or its newest commit; says how far that is.
fn look(
    folder: &Path,
    known: Option<Arc<Opened>>,
) -> Result<(Arc<Opened>, Option<Position>), IndexError> {
    let opened = match known {
        Some(opened) => opened,
        None => Arc::new(Opened::open(folder)?),
    };
    // First how far it is, then the documents: these may be newer, never older.
    let payload = read_payload(&opened.index)?;
    opened.reader.reload()?;
    Ok((opened, payload.map(|payload| payload.position)))
}

/// Changes with every commit: the file is replaced.
fn stamp(folder: &Path) -> Option<(SystemTime, u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(folder.join("meta.json")).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

impl Opened {
    fn open(folder: &Path) -> Result<Self, IndexError> {
        let index = prepare(Index::open(directory(folder)?)?);
        let (_, fields) = Fields::schema();
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { index, reader, fields })
    }

    fn search(&self, scope: &Scope, filter: &Filter, page: PageRequest) -> Searched {
        let size = usize::try_from(page.size).unwrap_or(usize::MAX - 1);
        let searcher = self.reader.searcher();
        let words = query::parse(&filter.query, &self.index, &searcher, &self.fields)?;
        let shown = all(words.iter().map(|(occur, query)| (*occur, query.box_clone())).collect());
        let mut clauses = words;
        clauses.extend(self.clauses(filter));
        let counted = self.isolated(scope, clauses.iter().map(|(o, q)| (*o, q.box_clone())));
        clauses.extend(page.before.map(|before| (Occur::Must, self.older(before))));
        let wanted = self.isolated(scope, clauses);
        // One more says whether there is a next page.
        let newest = TopDocs::with_limit(size + 1).order_by_u64_field(ORDER, Order::Desc);
        let mut found = searcher.search(&wanted, &newest)?;
        let more = found.len() > size;
        found.truncate(size);
        let snippets = SnippetGenerator::create(&searcher, &*shown, self.fields.text)?;
        let mut items = Vec::with_capacity(found.len());
        for (_, address) in &found {
            items.push(self.hit(&searcher.doc(*address)?, &snippets));
        }
        let next_before = found.last().and_then(|(order, _)| *order).filter(|_| more);
        let facets = filter.facets.then(|| facets(&searcher, &counted)).transpose()?;
        Ok((Listed { items, next_before }, facets))
    }

    /// The one place where a query gets its tenant.
    fn isolated(
        &self,
        scope: &Scope,
        clauses: impl IntoIterator<Item = (Occur, Box<dyn Query>)>,
    ) -> Box<dyn Query> {
        let tenant = match scope {
            Scope::Tenant(tenant) => Some((Occur::Must, exactly(self.fields.tenant, tenant))),
            Scope::Every => None,
        };
        all(tenant.into_iter().chain(clauses).collect())
    }

    fn clauses(&self, filter: &Filter) -> Clauses {
        let fields = &self.fields;
        let exact = [(fields.actor, &filter.actor), (fields.entity, &filter.aggregate_id)];
        let exact = exact
            .into_iter()
            .filter_map(|(field, value)| Some((Occur::Must, exactly(field, value.as_deref()?))));
        let few = [(fields.action, &filter.action), (fields.kind, &filter.aggregate_type)];
        let few = few
            .into_iter()
            .filter_map(|(field, value)| Some((Occur::Must, like(field, value.as_deref()?))));
        let named = exact.chain(few);
        // The index knows nanoseconds in 64 bits: the years 1677 to 2262. Nothing of ours is outside.
        let time = |at: Timestamp| {
            let nanos = at.datetime().timestamp_micros().saturating_mul(1_000);
            Term::from_field_date(fields.time, DateTime::from_timestamp_nanos(nanos))
        };
        let from = filter.since.map_or(Bound::Unbounded, |since| Bound::Included(time(since)));
        let to = filter.until.map_or(Bound::Unbounded, |until| Bound::Excluded(time(until)));
        let bounded = filter.since.is_some() || filter.until.is_some();
        let range: Option<Box<dyn Query>> =
            bounded.then(|| Box::new(RangeQuery::new(from, to)) as Box<dyn Query>);
        named.chain(range.map(|range| (Occur::Must, range))).collect()
    }

    fn older(&self, before: u64) -> Box<dyn Query> {
        let before = Term::from_field_u64(self.fields.order, before);
        Box::new(RangeQuery::new(Bound::Unbounded, Bound::Excluded(before)))
    }

    fn hit(&self, document: &TantivyDocument, snippets: &SnippetGenerator) -> AuditHit {
        let fields = &self.fields;
        let value = |field| document.get_first(field);
        let text = |field| value(field).and_then(|value| value.as_str()).unwrap_or_default();
        let order = value(fields.order).and_then(|value| value.as_u64()).unwrap_or_default();
        let time = value(fields.time).and_then(|value| value.as_datetime());
        let micros = time.map_or(0, DateTime::into_timestamp_micros);
        let at = chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default();
        AuditHit {
            event: text(fields.id).to_owned(),
            tenant: text(fields.tenant).to_owned(),
            sequence: sequence(order),
            hash: text(fields.hash).to_owned(),
            at: Timestamp::from(at).to_string(),
            actor: text(fields.actor).to_owned(),
            action: text(fields.action).to_owned(),
            kind: text(fields.kind).to_owned(),
            entity: text(fields.entity).to_owned(),
            fragments: fragments(snippets, text(fields.shown)),
        }
    }
}

/// The words with the text around them, or how the text begins.
fn fragments(snippets: &SnippetGenerator, shown: &str) -> Vec<AuditFragment> {
    let snippet = snippets.snippet(shown);
    let piece = |text: &str, matches| AuditFragment { text: text.to_owned(), matches };
    if snippet.highlighted().is_empty() {
        // The first line says action and entity, which a hit has already.
        let rest = shown.split_once('\n').map_or("", |(_, rest)| rest);
        return vec![piece(cut(rest, FRAGMENT), false)];
    }
    let text = snippet.fragment();
    let (mut pieces, mut end) = (Vec::new(), 0);
    for range in snippet.highlighted() {
        pieces.push(piece(text.get(end..range.start).unwrap_or_default(), false));
        pieces.push(piece(text.get(range.clone()).unwrap_or_default(), true));
        end = range.end;
    }
    pieces.push(piece(text.get(end..).unwrap_or_default(), false));
    pieces.retain(|piece| !piece.text.is_empty());
    pieces
}

fn facets(searcher: &Searcher, query: &dyn Query) -> tantivy::Result<AuditFacets> {
    let mut collector = FacetCollector::for_field(FACET);
    for root in ["/actor", "/action", "/type"] {
        collector.add_facet(root);
    }
    let counts = searcher.search(query, &collector)?;
    let counted = |root: &str| {
        let top = counts.top_k(root, MOST_COUNTED).into_iter();
        let value = |facet: &tantivy::schema::Facet| {
            facet.to_path().last().map(|last| (*last).to_owned()).unwrap_or_default()
        };
        top.map(|(facet, count)| CountedValue { value: value(facet), count }).collect()
    };
    Ok(AuditFacets {
        actors: counted("/actor"),
        actions: counted("/action"),
        types: counted("/type"),
    })
}
