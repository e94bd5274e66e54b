//! Where exactly-once happens: one transaction per batch holds the rows of every slice and the compare-and-set of
//! their positions (origin, sequence, hash) under the worker's epoch.

use crate::column;
use crate::database::{Database, Meaning, described, meaning};
use crate::lease::{Lease, LeaseError, read_positions};
use crate::parked::{self, Aggregate};
use crate::projection::{ProjectError, Projection};
use async_trait::async_trait;
use chassis::TraceContext;
use event_log::{Followed, Recorded, RecordedEvent};
use ledger::{Origin, Position};
use sqlx::{Acquire as _, PgConnection};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use tracing::{Instrument as _, Span};

/// The channel on which every moved position is announced, as `<origin>:<sequence>`.
pub(crate) const CHANNEL: &str = "positions";

/// What was decided longer ago is not traced.
const TRACED: Duration = Duration::from_hours(1);

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
        /// At which commit.
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
                | ProjectError::OutOfRange
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

#[async_trait]
trait Slice: Send + Sync {
    fn name(&self) -> &'static str;
    async fn project(
        &self,
        rows: &mut PgConnection,
        recorded: &Recorded,
        events: &[RecordedEvent],
    ) -> Result<(), ProjectError>;
}

#[async_trait]
impl<P: Projection> Slice for P {
    fn name(&self) -> &'static str {
        P::NAME
    }

    async fn project(
        &self,
        rows: &mut PgConnection,
        recorded: &Recorded,
        events: &[RecordedEvent],
    ) -> Result<(), ProjectError> {
        Projection::project(self, rows, recorded, events).await
    }
}

/// The slices that a worker keeps.
pub struct Tables {
    database: Database,
    slices: Vec<Box<dyn Slice>>,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Tables {
    /// Without slices.
    pub fn new(database: &Database) -> Self {
        Self { database: database.clone(), slices: Vec::new() }
    }

    /// One more slice.
    #[must_use]
    pub fn keep(mut self, slice: impl Projection) -> Self {
        self.slices.push(Box::new(slice));
        self
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
        self.slices.iter().map(|slice| slice.name()).collect()
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
    /// Give the batch up: the fast way, without savepoints.
    Fail,
    /// Set its aggregate aside.
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
        let first = self.attempt(batch, Misfit::Fail).await;
        let outcome = match first {
            Err(error) if error.meaning() == Meaning::Data => {
                self.attempt(batch, Misfit::Park).await
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

    async fn attempt(&mut self, batch: &[Followed], misfit: Misfit) -> Result<Written, WriteError> {
        let Some(end) = batch.last().map(|last| self.position_of(last)) else {
            return Ok(Written::default());
        };
        let mut transaction = self.tables.database.pool().begin().await?;
        // First, so that a worker that lost the lease waits here and then finds nothing to move.
        let moved = self.advance(&mut transaction, &end).await?;
        let mut written = Written::default();
        let mut newly = BTreeMap::new();
        for followed in batch {
            match followed {
                Followed::Commit(recorded) => {
                    let span = tracing::debug_span!(
                        "project",
                        trace_id = tracing::field::Empty,
                        log.sequence = recorded.sequence,
                        aggregate = recorded.aggregate_type
                    );
                    // A rebuild is no part of the traces of what it reads again.
                    let span =
                        if span.is_disabled() || is_old(recorded) { Span::none() } else { span };
                    if !span.is_disabled() {
                        TraceContext::follow(&span, &recorded.traceparent);
                    }
                    let parked = self.commit(&mut transaction, recorded, misfit, &mut newly);
                    let parked = parked.instrument(span).await?;
                    written.commits += u64::from(!parked);
                    written.parked += u64::from(parked);
                }
                Followed::Condemned(condemned) => {
                    let noted =
                        parked::condemn(&mut transaction, self.origin.as_str(), condemned).await;
                    let sequence = condemned.sequence;
                    noted.map_err(|source| WriteError::Park { sequence, source })?;
                    written.condemned += 1;
                }
            }
        }
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

    fn position_of(&self, followed: &Followed) -> Position {
        match followed {
            Followed::Commit(recorded) => recorded.position(),
            Followed::Condemned(condemned) => Position {
                origin: self.origin.clone(),
                sequence: condemned.sequence,
                hash: condemned.hash,
            },
        }
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

    /// Projects one commit into every slice that has not seen it; true if it was set aside instead.
    async fn commit(
        &self,
        connection: &mut PgConnection,
        recorded: &Recorded,
        misfit: Misfit,
        newly: &mut BTreeMap<Aggregate, u64>,
    ) -> Result<bool, WriteError> {
        let aggregate = parked::aggregate(recorded);
        let first =
            [self.parked.get(&aggregate), newly.get(&aggregate)].into_iter().flatten().min();
        let reason = if first.is_some_and(|first| *first <= recorded.sequence) {
            "an earlier commit of the aggregate is parked".to_owned()
        } else {
            match (&recorded.events, misfit) {
                (Err(unreadable), _) => described(unreadable),
                (Ok(events), Misfit::Fail) => {
                    self.project(connection, recorded, events).await?;
                    return Ok(false);
                }
                (Ok(events), Misfit::Park) => {
                    let mut savepoint = connection.begin().await?;
                    match self.project(&mut savepoint, recorded, events).await {
                        Ok(()) => {
                            savepoint.commit().await?;
                            return Ok(false);
                        }
                        Err(error) if error.meaning() == Meaning::Data => {
                            savepoint.rollback().await?;
                            described(&error)
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        };
        let sequence = recorded.sequence;
        parked::park(connection, recorded, &reason)
            .await
            .map_err(|source| WriteError::Park { sequence, source })?;
        tracing::error!(
            log.sequence = sequence, tenant = %recorded.tenant, aggregate = %recorded.aggregate_id,
            reason, "a commit cannot be projected: its aggregate is parked"
        );
        newly.entry(aggregate).or_insert(sequence);
        Ok(true)
    }

    async fn project(
        &self,
        connection: &mut PgConnection,
        recorded: &Recorded,
        events: &[RecordedEvent],
    ) -> Result<(), WriteError> {
        for slice in &self.tables.slices {
            let from = self.positions.get(slice.name()).map_or(0, |position| position.sequence);
            if recorded.sequence > from {
                slice.project(connection, recorded, events).await.map_err(|source| {
                    WriteError::Slice { slice: slice.name(), sequence: recorded.sequence, source }
                })?;
            }
        }
        Ok(())
    }
}

fn is_old(recorded: &Recorded) -> bool {
    let age = SystemTime::now().duration_since(recorded.time.datetime().into());
    age.is_ok_and(|age| age > TRACED)
}
