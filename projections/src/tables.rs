//! Where exactly-once happens: one transaction per batch holds the rows of every slice and the compare-and-set of
//! their positions (origin, sequence, hash) under the worker's epoch.

use crate::column;
use crate::database::{Database, Meaning, described, meaning};
use crate::lease::{Lease, LeaseError, read_positions};
use crate::parked::{self, Aggregate};
use crate::projection::{ProjectError, Projection};
use crate::rows::{Readable, Rows};
use chassis::{Clock, TraceContext};
use event_log::{Followed, Recorded};
use ledger::{Origin, Position};
use sqlx::{Acquire as _, PgConnection};
use std::collections::BTreeMap;
use tracing::{Instrument as _, Span};
use trust::encoding::Timestamp;

/// The channel on which every moved position is announced, as `<origin>:<sequence>`.
pub(crate) const CHANNEL: &str = "positions";

/// What was decided longer ago is not traced.
const TRACED_SECONDS: i64 = 60 * 60;

/// Why a batch was not written. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The positions are not where this worker left them.
    #[error("another worker keeps the tables now, or they were filled from another history")]
    Fenced,
    /// A statement of the batch itself failed.
    #[error("the batch could not be written")]
    Sql(#[from] sqlx::Error),
    /// A slice failed, and not because of the commit's data.
    #[error("projection {slice} failed at sequence {sequence}")]
    Slice {
        /// Which.
        slice: &'static str,
        /// At which commit, or after which one its rows did not fit the tables.
        sequence: u64,
        /// Why.
        source: ProjectError,
    },
    /// A commit could not be set aside.
    #[error("sequence {sequence} could not be set aside")]
    Park {
        /// Which commit.
        sequence: u64,
        /// Why.
        source: ProjectError,
    },
    /// The stored positions cannot be read.
    #[error("the stored positions cannot be read")]
    Positions(#[from] LeaseError),
}

impl WriteError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Fenced => Meaning::Fatal,
            Self::Sql(error) | Self::Positions(LeaseError::Sql(error)) => match meaning(error) {
                Meaning::Transient => Meaning::Transient,
                Meaning::Data | Meaning::Fatal => Meaning::Fatal,
            },
            Self::Positions(LeaseError::OtherLog { .. } | LeaseError::Damaged { .. }) => {
                Meaning::Fatal
            }
            Self::Slice { source, .. } | Self::Park { source, .. } => match source {
                ProjectError::Sql(error) => meaning(error),
                ProjectError::Missing { .. }
                | ProjectError::Repeated { .. }
                | ProjectError::OutOfRange
                | ProjectError::Nul
                | ProjectError::Document(_)
                | ProjectError::Id(_) => Meaning::Data,
            },
        }
    }

    /// Writing the same batch again may go well.
    pub fn is_transient(&self) -> bool {
        self.meaning() == Meaning::Transient
    }
}

/// What a batch held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Commits in the rows.
    pub commits: u64,
    /// Commits set aside.
    pub parked: u64,
    /// Condemned messages noted and skipped.
    pub condemned: u64,
}

/// A slice, with those of its rows that the batch at hand changes.
struct Slice {
    name: &'static str,
    rows: Rows,
}

impl Slice {
    /// Takes in commits in the log's order.
    async fn project(
        &mut self,
        connection: &mut PgConnection,
        commits: &[Readable<'_>],
    ) -> Result<(), WriteError> {
        let slice = self.name;
        let Some(last) = commits.last().map(|commit| commit.recorded.sequence) else {
            return Ok(());
        };
        let failed = |sequence| move |source| WriteError::Slice { slice, sequence, source };
        self.rows.load(connection, commits).await.map_err(failed(last))?;
        for commit in commits {
            self.rows.change(commit).map_err(failed(commit.recorded.sequence))?;
        }
        self.rows.write(connection).await.map_err(failed(last))
    }
}

/// The slices that a worker keeps.
pub struct Tables {
    database: Database,
    slices: Vec<Slice>,
    clock: Clock,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Tables {
    /// Without slices.
    pub fn new(database: &Database) -> Self {
        Self { database: database.clone(), slices: Vec::new(), clock: Clock::system() }
    }

    /// One more slice.
    #[must_use]
    pub fn keep<P: Projection>(mut self, slice: P) -> Self {
        self.slices.push(Slice { name: P::NAME, rows: slice.rows() });
        self
    }

    /// The time by this clock says what is too old to be traced.
    #[must_use]
    pub fn timed_by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Waits for the lease and fences every earlier worker. The schema was migrated before.
    pub async fn writer(self, origin: &Origin) -> Result<Writer, LeaseError> {
        let mut lease = Lease::take(&self.database).await?;
        let positions = lease.claim(origin, &self.names()).await?;
        let mut connection = self.database.pool().acquire().await?;
        let parked = parked::parked_aggregates(&mut connection).await?;
        let origin = origin.clone();
        Ok(Writer { tables: self, origin, lease, positions, parked, in_doubt: false })
    }

    fn names(&self) -> Vec<&'static str> {
        self.slices.iter().map(|slice| slice.name).collect()
    }
}

/// The one worker that may write, until another takes the lease.
#[derive(Debug)]
pub struct Writer {
    tables: Tables,
    origin: Origin,
    lease: Lease,
    positions: BTreeMap<&'static str, Position>,
    /// The first parked commit of each: a slice that starts over still projects those before it.
    parked: BTreeMap<Aggregate, u64>,
    /// A transaction may have been committed without our hearing of it.
    in_doubt: bool,
}

/// What to do when a commit's data does not fit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Misfit {
    /// Give the batch up: the fast way, all commits at once.
    Fail,
    /// Set its aggregate aside: commit by commit, each under a savepoint.
    Park,
}

impl Writer {
    /// Where to follow from: the position of the slice that is furthest behind.
    pub fn resume_from(&self) -> Option<Position> {
        let behind = self.positions.values().min_by_key(|position| position.sequence);
        behind.filter(|position| position.sequence > 0).cloned()
    }

    /// Commits of this many aggregates are set aside.
    pub fn parked_aggregates(&self) -> usize {
        self.parked.len()
    }

    /// Writes a batch that follows [`Writer::resume_from`] without a gap, all or nothing. After a transient failure the
    /// same batch may be written again: what was committed after all is skipped.
    pub async fn write(&mut self, batch: &[Followed]) -> Result<Written, WriteError> {
        if self.in_doubt {
            self.reload().await?;
        }
        let spans = self.spans(batch);
        let first = self.attempt(batch, &spans, Misfit::Fail).await;
        let outcome = match first {
            Err(error) if error.meaning() == Meaning::Data => {
                self.attempt(batch, &spans, Misfit::Park).await
            }
            other => other,
        };
        self.in_doubt = outcome.is_err();
        outcome
    }

    /// Ends the lease, so that a waiting worker starts at once.
    pub async fn release(self) -> Result<(), LeaseError> {
        Ok(self.lease.release().await?)
    }

    async fn reload(&mut self) -> Result<(), WriteError> {
        let names = self.tables.names();
        let mut connection = self.tables.database.pool().acquire().await?;
        let found = read_positions(&mut connection, self.lease.epoch, &names).await?;
        if found.len() != names.len() {
            return Err(WriteError::Fenced);
        }
        self.positions = found;
        self.parked = parked::parked_aggregates(&mut connection).await?;
        Ok(())
    }

    /// One for each commit, in the trace of what led to it, until its rows can be read. A rebuild is no part of the
    /// traces of what it reads again.
    fn spans(&self, batch: &[Followed]) -> Vec<Span> {
        let oldest = self.tables.clock.now().plus_seconds(-TRACED_SECONDS);
        batch.iter().map(|followed| span(followed, oldest)).collect()
    }

    async fn attempt(
        &mut self,
        batch: &[Followed],
        spans: &[Span],
        misfit: Misfit,
    ) -> Result<Written, WriteError> {
        let Some(end) = batch.last().map(|last| last.position(&self.origin)) else {
            return Ok(Written::default());
        };
        self.forget();
        let mut transaction = self.tables.database.pool().begin().await?;
        // First, so that a worker that lost the lease waits here and then finds nothing to move.
        let moved = self.advance(&mut transaction, &end).await?;
        let mut newly = BTreeMap::new();
        let written = self.take_in(&mut transaction, (batch, spans), misfit, &mut newly).await?;
        if let Some(served) = moved.values().min_by_key(|position| position.sequence) {
            sqlx::query("SELECT pg_notify($1, $2)")
                .bind(CHANNEL)
                .bind(served.mark().to_string())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        self.positions = moved;
        for (aggregate, sequence) in newly {
            let first = self.parked.entry(aggregate).or_insert(sequence);
            *first = sequence.min(*first);
        }
        Ok(written)
    }

    async fn take_in(
        &mut self,
        connection: &mut PgConnection,
        (batch, spans): (&[Followed], &[Span]),
        misfit: Misfit,
        newly: &mut BTreeMap<Aggregate, u64>,
    ) -> Result<Written, WriteError> {
        let (mut written, mut readable) = (Written::default(), Vec::new());
        for (followed, span) in batch.iter().zip(spans) {
            let recorded = match followed {
                Followed::Commit(recorded) => recorded,
                Followed::Condemned(condemned) => {
                    let sequence = condemned.sequence;
                    let noted = parked::condemn(connection, self.origin.as_str(), condemned).await;
                    noted.map_err(|source| WriteError::Park { sequence, source })?;
                    written.condemned += 1;
                    continue;
                }
            };
            let unfit = match (self.readable(recorded, newly), misfit) {
                (Err(reason), _) => Some(reason),
                (Ok(commit), Misfit::Fail) => {
                    readable.push(commit);
                    None
                }
                (Ok(commit), Misfit::Park) => self.unfit(connection, commit).await?,
            };
            if let Some(reason) = unfit {
                park(connection, recorded, &reason, newly).instrument(span.clone()).await?;
                written.parked += 1;
            } else {
                written.commits += 1;
            }
        }
        self.project(connection, &readable).await?;
        Ok(written)
    }

    /// Moves every slice that is behind `end` there, from exactly where this worker left it.
    async fn advance(
        &self,
        connection: &mut PgConnection,
        end: &Position,
    ) -> Result<BTreeMap<&'static str, Position>, WriteError> {
        let range = |source| WriteError::Park { sequence: end.sequence, source };
        let behind = self.positions.iter().filter(|(_, from)| from.sequence < end.sequence);
        let (mut names, mut sequences, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
        for (name, from) in behind {
            names.push(*name);
            sequences.push(column::bigint(from.sequence).map_err(range)?);
            hashes.push(from.hash.to_string());
        }
        let result = sqlx::query(
            "UPDATE positions SET sequence = $1, hash = $2 \
             FROM unnest($5::text[], $6::bigint[], $7::text[]) AS left_at (name, sequence, hash) \
             WHERE positions.name = left_at.name AND positions.sequence = left_at.sequence \
             AND positions.hash = left_at.hash AND positions.origin = $3 AND positions.epoch = $4",
        )
        .bind(column::bigint(end.sequence).map_err(range)?)
        .bind(end.hash.to_string())
        .bind(self.origin.as_str())
        .bind(self.lease.epoch)
        .bind(&names)
        .bind(&sequences)
        .bind(&hashes)
        .execute(connection)
        .await?;
        if usize::try_from(result.rows_affected()).ok() != Some(names.len()) {
            return Err(WriteError::Fenced);
        }
        let mut moved = self.positions.clone();
        for name in names {
            moved.insert(name, end.clone());
        }
        Ok(moved)
    }

    /// A commit's events, or why it is set aside without a try.
    fn readable<'a>(
        &self,
        recorded: &'a Recorded,
        newly: &BTreeMap<Aggregate, u64>,
    ) -> Result<Readable<'a>, String> {
        if !self.parked.is_empty() || !newly.is_empty() {
            let aggregate = parked::aggregate(recorded);
            let first = [self.parked.get(&aggregate), newly.get(&aggregate)];
            if first.into_iter().flatten().any(|first| *first <= recorded.sequence) {
                return Err("an earlier commit of the aggregate is parked".to_owned());
            }
        }
        match &recorded.events {
            Ok(events) => Ok(Readable { recorded, events }),
            Err(unreadable) => Err(described(unreadable)),
        }
    }

    /// Projects one commit, or says why it does not fit; nothing of it is left then.
    async fn unfit(
        &mut self,
        connection: &mut PgConnection,
        commit: Readable<'_>,
    ) -> Result<Option<String>, WriteError> {
        let mut savepoint = connection.begin().await?;
        match self.project(&mut savepoint, &[commit]).await {
            Ok(()) => {
                savepoint.commit().await?;
                Ok(None)
            }
            Err(error) if error.meaning() == Meaning::Data => {
                savepoint.rollback().await?;
                self.forget();
                Ok(Some(described(&error)))
            }
            Err(error) => Err(error),
        }
    }

    /// Projects commits into every slice that has not seen them.
    async fn project(
        &mut self,
        connection: &mut PgConnection,
        commits: &[Readable<'_>],
    ) -> Result<(), WriteError> {
        for slice in &mut self.tables.slices {
            let from = self.positions.get(slice.name).map_or(0, |position| position.sequence);
            let seen = commits.partition_point(|commit| commit.recorded.sequence <= from);
            slice.project(connection, commits.get(seen..).unwrap_or_default()).await?;
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.tables.slices.iter_mut().for_each(|slice| slice.rows.forget());
    }
}

fn span(followed: &Followed, oldest: Timestamp) -> Span {
    let Followed::Commit(recorded) = followed else { return Span::none() };
    if recorded.time < oldest {
        return Span::none();
    }
    let span = tracing::debug_span!(
        "project",
        trace_id = tracing::field::Empty,
        log.sequence = recorded.sequence,
        aggregate = recorded.aggregate_type
    );
    if !span.is_disabled() {
        TraceContext::follow(&span, &recorded.traceparent);
    }
    span
}

/// Sets a commit aside, and with it what follows of its aggregate.
async fn park(
    connection: &mut PgConnection,
    recorded: &Recorded,
    reason: &str,
    newly: &mut BTreeMap<Aggregate, u64>,
) -> Result<(), WriteError> {
    let sequence = recorded.sequence;
    parked::park(connection, recorded, reason)
        .await
        .map_err(|source| WriteError::Park { sequence, source })?;
    tracing::error!(
        log.sequence = sequence, tenant = %recorded.tenant, aggregate = %recorded.aggregate_id,
        reason, "a commit cannot be projected: its aggregate is parked"
    );
    newly.entry(parked::aggregate(recorded)).or_insert(sequence);
    Ok(())
}
