//! Reads the live schema inside the transaction that is open, and leaves none of its settings behind.

use crate::journal::{SEAL_OF_CATALOG, SEAL_OF_ROWS};
use crate::target::{Guard, Session, TargetError, failed};
use futures::future::try_join_all;
use sql::pgfp1::{self, QUERIES, Row, SETTINGS};
use std::fmt;
use trust::names::Fingerprint;

/// Name of the savepoint that takes the settings of the reading back.
const SAVEPOINT: &str = "countersign_reading";
const WHAT: &str = "read the schema";

/// What to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// The schema.
    Schema,
    /// The schema, and the digest of our own journal.
    SchemaAndJournal,
}

/// The schema at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// `pgfp1:...`.
    pub fingerprint: Fingerprint,
    /// The document that it is the hash of.
    pub document: Vec<u8>,
    /// The journal's digest, if it was asked for and the schema is there.
    pub seal: Option<Seal>,
}

/// A digest of the whole journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Of what the catalog says about it.
    pub catalog: String,
    /// Of its rows.
    pub rows: String,
}

impl fmt::Display for Seal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.catalog, self.rows)
    }
}

/// Reads; the transaction goes on as before. The queries are prepared, which costs far more than what they do, so that a
/// session that reads again does it only once.
pub async fn read(session: &Session, reads: Reads) -> Result<Reading, TargetError> {
    reading(ask(session, &queries(reads)).await?)
}

/// Reads in a transaction of its own on the guard's session: what is committed at this moment.
pub async fn read_committed(guard: &Guard, reads: Reads) -> Result<Reading, TargetError> {
    let session = guard.session();
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    session.batch_execute(begin).await.map_err(failed("begin to read the schema"))?;
    let reading = read(session, reads).await;
    if !session.is_closed() {
        session.batch_execute("ROLLBACK").await.map_err(failed("end reading the schema"))?;
    }
    reading
}

/// The digest of the journal's rows alone, as this transaction sees them.
pub async fn seal_of_rows(session: &Session) -> Result<Option<String>, TargetError> {
    Ok(cell(ask(session, &[SEAL_OF_ROWS]).await?.first()))
}

fn queries(reads: Reads) -> Vec<&'static str> {
    let journal: &[&str] = match reads {
        Reads::Schema => &[],
        Reads::SchemaAndJournal => &[SEAL_OF_CATALOG, SEAL_OF_ROWS],
    };
    QUERIES.iter().map(|query| query.sql).chain(journal.iter().copied()).collect()
}

/// The rows of every query.
async fn ask(session: &Session, queries: &[&str]) -> Result<Vec<Vec<Row>>, TargetError> {
    let begin = format!("SAVEPOINT {SAVEPOINT}; {SETTINGS}");
    session.batch_execute(&begin).await.map_err(failed(WHAT))?;
    let answers = try_join_all(queries.iter().map(|query| session.query(query, &[]))).await;
    let answers = answers.map_err(failed(WHAT))?;
    let end = format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}; RELEASE SAVEPOINT {SAVEPOINT}");
    session.batch_execute(&end).await.map_err(failed(WHAT))?;
    answers.iter().map(|rows| rows.iter().map(texts).collect()).collect()
}

fn reading(mut answers: Vec<Vec<Row>>) -> Result<Reading, TargetError> {
    let seals = answers.split_off(QUERIES.len().min(answers.len()));
    let sections: Vec<_> = QUERIES.iter().map(|query| query.section).zip(answers).collect();
    let document = pgfp1::document(&sections)?;
    let fingerprint =
        pgfp1::fingerprint(&document).parse().map_err(|_| TargetError::Form("a fingerprint"))?;
    let seal = cell(seals.first()).zip(cell(seals.get(1)));
    let seal = seal.map(|(catalog, rows)| Seal { catalog, rows });
    Ok(Reading { fingerprint, document, seal })
}

/// The one value of an answer.
fn cell(rows: Option<&Vec<Row>>) -> Option<String> {
    rows?.first()?.first()?.clone()
}

fn texts(row: &tokio_postgres::Row) -> Result<Row, TargetError> {
    let text = |index| row.try_get::<_, Option<String>>(index);
    (0..row.len()).map(text).collect::<Result<Row, _>>().map_err(failed("read a row as text"))
}
