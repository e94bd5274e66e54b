//! A batch's rows in memory: loaded at once, changed event by event in the log's order, written at once.
//!
//! So a slice costs two statements for each of its tables, however many commits a batch has, and a row that many of them
//! change is written once. What is in the tables afterwards is what commit by commit would have left there: an event sees
//! the row that the event before it left. A value that a later event may overwrite must be refused when it is taken
//! ([`crate::column::text`]): a statement sees only the last one.

use crate::projection::ProjectError;
use async_trait::async_trait;
use domain::registry::Event;
use event_log::{Recorded, RecordedEvent};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, Encode, FromRow, PgConnection, Postgres, Type};
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};

/// An event of the aggregate that a slice tells of, with its commit.
#[derive(Debug)]
pub struct Told<'a, E> {
    /// The commit.
    pub recorded: &'a Recorded,
    /// Its place, id and type.
    pub entry: &'a RecordedEvent,
    /// What happened.
    pub event: &'a E,
}

impl<E> Told<'_, E> {
    /// The key of tables with one row for an aggregate.
    pub(crate) fn aggregate(&self) -> AggregateKey {
        let Recorded { tenant, aggregate_id, .. } = self.recorded;
        AggregateKey { tenant: tenant.clone(), id: aggregate_id.clone() }
    }
}

/// One kind of rows: what a row holds, and how an event changes it.
///
/// A row belongs to one aggregate, whose commits alone change it, so that a commit that does not fit sets aside that
/// aggregate and nothing else.
pub trait Kept: for<'r> FromRow<'r, PgRow> + Send + Sync + Unpin + 'static {
    /// Its table.
    const TABLE: &'static str;
    /// Selects the rows of the keys whose columns are its parameters, with the columns of the key.
    const LOAD: &'static str;
    /// Writes rows, new ones and changed ones. Its parameters are the columns of the key, then those of [`Kept::columns`].
    const WRITE: &'static str;
    /// Removes the rows of the keys whose columns are its parameters; none if no event takes a row away.
    const REMOVE: Option<&'static str> = None;

    /// What tells rows apart.
    type Key: Key;
    /// The events that change it.
    type Event: 'static;

    /// The row that an event changes; none if it changes none.
    fn key(told: &Told<'_, Self::Event>) -> Result<Option<Self::Key>, ProjectError>;

    /// Changes it: nothing in it is no row. Times come from the commit, never from a clock.
    fn change(row: &mut Option<Self>, told: &Told<'_, Self::Event>) -> Result<(), ProjectError>;

    /// Its columns after those of the key.
    fn columns(rows: Columns<'_, Self>) -> Columns<'_, Self>;
}

/// What tells the rows of a table apart.
pub trait Key: Ord + Clone + for<'r> FromRow<'r, PgRow> + Send + Sync + Unpin + 'static {
    /// Its columns.
    fn columns(keys: Columns<'_, Self>) -> Columns<'_, Self>;
}

/// The key of tables with one row for an aggregate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
pub struct AggregateKey {
    tenant: String,
    id: String,
}

impl Key for AggregateKey {
    fn columns(keys: Columns<'_, Self>) -> Columns<'_, Self> {
        keys.column(|key| key.tenant.as_str()).column(|key| key.id.as_str())
    }
}

/// The row that an event changes must be there.
pub(crate) fn found<R: Kept>(row: &mut Option<R>) -> Result<&mut R, ProjectError> {
    row.as_mut().ok_or(ProjectError::Missing { table: R::TABLE })
}

/// The row that an event makes must not be there.
pub(crate) fn made<R: Kept>(row: &mut Option<R>, new: R) -> Result<(), ProjectError> {
    if row.is_some() {
        return Err(ProjectError::Repeated { table: R::TABLE });
    }
    *row = Some(new);
    Ok(())
}

/// Rows as parameters of a statement: an array for each column.
pub struct Columns<'q, T> {
    rows: &'q [&'q T],
    arguments: Result<PgArguments, sqlx::error::BoxDynError>,
}

impl<'q, T> Columns<'q, T> {
    fn of(rows: &'q [&'q T]) -> Self {
        Self { rows, arguments: Ok(PgArguments::default()) }
    }

    /// The same parameters, then columns of other rows.
    fn then<U>(self, rows: &'q [&'q U]) -> Columns<'q, U> {
        Columns { rows, arguments: self.arguments }
    }

    /// One more column.
    #[must_use]
    pub fn column<V>(mut self, value: impl Fn(&'q T) -> V) -> Self
    where
        V: 'q,
        Vec<V>: Encode<'q, Postgres> + Type<Postgres>,
    {
        if let Ok(arguments) = &mut self.arguments {
            let values: Vec<V> = self.rows.iter().map(|row| value(row)).collect();
            if let Err(error) = arguments.add(values) {
                self.arguments = Err(error);
            }
        }
        self
    }

    fn arguments(self) -> Result<PgArguments, ProjectError> {
        self.arguments.map_err(|error| sqlx::Error::Encode(error).into())
    }
}

/// The kinds of rows of one slice.
pub struct Rows(Vec<Box<dyn Held>>);

impl Rows {
    /// Rows of one kind.
    pub(crate) fn of<R: Kept>() -> Self {
        Self(vec![Box::new(Batch::<R>(BTreeMap::new()))])
    }

    /// And of another.
    #[must_use]
    pub(crate) fn and<R: Kept>(mut self) -> Self {
        self.0.extend(Self::of::<R>().0);
        self
    }

    /// Loads every row that commits will change.
    pub(crate) async fn load(
        &mut self,
        connection: &mut PgConnection,
        commits: &[Readable<'_>],
    ) -> Result<(), ProjectError> {
        for kind in &mut self.0 {
            kind.load(connection, commits).await?;
        }
        Ok(())
    }

    /// Changes the rows of one commit, in memory.
    pub(crate) fn change(&mut self, commit: &Readable<'_>) -> Result<(), ProjectError> {
        self.0.iter_mut().try_for_each(|kind| kind.change(commit))
    }

    /// Writes every row that was changed.
    pub(crate) async fn write(
        &mut self,
        connection: &mut PgConnection,
    ) -> Result<(), ProjectError> {
        for kind in &mut self.0 {
            kind.write(connection).await?;
        }
        Ok(())
    }

    /// Forgets every row: the tables hold something else.
    pub(crate) fn forget(&mut self) {
        self.0.iter_mut().for_each(|kind| kind.forget());
    }
}

/// A commit whose events can be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Readable<'a> {
    pub(crate) recorded: &'a Recorded,
    pub(crate) events: &'a [RecordedEvent],
}

impl<'a> Readable<'a> {
    /// The events of one aggregate type: all of them, or none.
    fn told<E: 'static>(self) -> impl Iterator<Item = Told<'a, E>> {
        let Self { recorded, events } = self;
        events.iter().filter_map(move |entry| {
            let event = of_aggregate(&entry.event).downcast_ref()?;
            Some(Told { recorded, entry, event })
        })
    }
}

/// The event itself. A new aggregate: which slices tell of it?
fn of_aggregate(event: &Event) -> &dyn Any {
    match event {
        Event::Tenant(event) => event,
        Event::Principal(event) => event,
        Event::TrustRoot(event) => event,
        Event::DataSource(event) => event,
        Event::Change(event) => event,
        Event::Approval(event) => event,
        Event::Job(event) => event,
        Event::Agent(event) => event,
        Event::Log(event) => event,
    }
}

#[async_trait]
trait Held: Send + Sync {
    async fn load(
        &mut self,
        connection: &mut PgConnection,
        commits: &[Readable<'_>],
    ) -> Result<(), ProjectError>;
    fn change(&mut self, commit: &Readable<'_>) -> Result<(), ProjectError>;
    async fn write(&mut self, connection: &mut PgConnection) -> Result<(), ProjectError>;
    fn forget(&mut self);
}

struct Batch<R: Kept>(BTreeMap<R::Key, Place<R>>);

/// A row's place, empty or not.
struct Place<R> {
    row: Option<R>,
    is_stored: bool,
    is_changed: bool,
}

struct Loaded<R: Kept> {
    key: R::Key,
    row: R,
}

impl<'r, R: Kept> FromRow<'r, PgRow> for Loaded<R> {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { key: R::Key::from_row(row)?, row: R::from_row(row)? })
    }
}

#[async_trait]
impl<R: Kept> Held for Batch<R> {
    async fn load(
        &mut self,
        connection: &mut PgConnection,
        commits: &[Readable<'_>],
    ) -> Result<(), ProjectError> {
        let mut wanted = BTreeSet::new();
        for told in commits.iter().flat_map(|commit| commit.told()) {
            wanted.extend(R::key(&told)?.filter(|key| !self.0.contains_key(key)));
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let keys: Vec<&R::Key> = wanted.iter().collect();
        let arguments = R::Key::columns(Columns::of(&keys)).arguments()?;
        let loaded: Vec<Loaded<R>> =
            sqlx::query_as_with(R::LOAD, arguments).fetch_all(connection).await?;
        let stored = |row: Option<R>| Place { is_stored: row.is_some(), row, is_changed: false };
        self.0.extend(loaded.into_iter().map(|it| (it.key, stored(Some(it.row)))));
        for key in wanted {
            self.0.entry(key).or_insert_with(|| stored(None));
        }
        Ok(())
    }

    fn change(&mut self, commit: &Readable<'_>) -> Result<(), ProjectError> {
        for told in commit.told() {
            let Some(key) = R::key(&told)? else { continue };
            let place = self.0.get_mut(&key).ok_or(ProjectError::Missing { table: R::TABLE })?;
            R::change(&mut place.row, &told)?;
            place.is_changed = true;
        }
        Ok(())
    }

    async fn write(&mut self, connection: &mut PgConnection) -> Result<(), ProjectError> {
        let (mut gone, mut keys, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for (key, place) in self.0.iter().filter(|(_, place)| place.is_changed) {
            match &place.row {
                Some(row) => {
                    keys.push(key);
                    rows.push(row);
                }
                None if place.is_stored => gone.push(key),
                None => {}
            }
        }
        if let (Some(remove), false) = (R::REMOVE, gone.is_empty()) {
            let arguments = R::Key::columns(Columns::of(&gone)).arguments()?;
            run::<R>(connection, remove, arguments, gone.len()).await?;
        }
        if !keys.is_empty() {
            let keyed = R::Key::columns(Columns::of(&keys));
            let arguments = R::columns(keyed.then(&rows)).arguments()?;
            run::<R>(connection, R::WRITE, arguments, rows.len()).await?;
        }
        for place in self.0.values_mut() {
            place.is_stored = place.row.is_some();
            place.is_changed = false;
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.0.clear();
    }
}

/// Runs a statement that must touch every one of its rows.
async fn run<R: Kept>(
    connection: &mut PgConnection,
    statement: &str,
    arguments: PgArguments,
    rows: usize,
) -> Result<(), ProjectError> {
    let result = sqlx::query_with(statement, arguments).execute(connection).await?;
    let touched = usize::try_from(result.rows_affected()).ok();
    if touched == Some(rows) { Ok(()) } else { Err(ProjectError::Repeated { table: R::TABLE }) }
}
