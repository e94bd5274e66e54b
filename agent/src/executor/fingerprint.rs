//! Reads the live schema inside the transaction that is open, and leaves none of its settings behind.

use crate::journal::SEAL;
use crate::target::{Guard, Session, TargetError, failed};
use sql::pgfp1::{self, QUERIES, Row, SETTINGS};
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};
use trust::names::Fingerprint;

/// Name of the savepoint that takes the settings of the reading back.
const SAVEPOINT: &str = "countersign_reading";
/// Statements before the first query: the savepoint and the settings.
const BEFORE_QUERIES: usize = 2;

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
    pub seal: Option<String>,
}

/// Reads in one round trip; the transaction goes on as before.
pub async fn read(session: &Session, reads: Reads) -> Result<Reading, TargetError> {
    let (sections, seal) = sections(session, reads).await?;
    let document = pgfp1::document(&sections)?;
    let fingerprint =
        pgfp1::fingerprint(&document).parse().map_err(|_| TargetError::Form("a fingerprint"))?;
    Ok(Reading { fingerprint, document, seal })
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

/// The journal's digest alone, as this transaction sees it.
pub async fn seal(session: &Session) -> Result<Option<String>, TargetError> {
    let what = "read the journal's digest";
    let script = enclosed(&[SETTINGS, SEAL]);
    let mut statement = 0;
    let mut seal = None;
    for message in session.simple_query(&script).await.map_err(failed(what))? {
        match message {
            SimpleQueryMessage::CommandComplete(_) => statement += 1,
            SimpleQueryMessage::Row(row) if statement == BEFORE_QUERIES => {
                seal = texts(&row)?.into_iter().next().flatten();
            }
            _ => {}
        }
    }
    Ok(seal)
}

type Sections = Vec<(&'static str, Vec<Row>)>;

async fn sections(
    session: &Session,
    reads: Reads,
) -> Result<(Sections, Option<String>), TargetError> {
    let what = "read the schema";
    let mut seal = None;
    let mut sections: Sections = QUERIES.iter().map(|query| (query.section, Vec::new())).collect();
    let mut statement = 0;
    for message in session.simple_query(&script(reads)).await.map_err(failed(what))? {
        match message {
            SimpleQueryMessage::CommandComplete(_) => statement += 1,
            SimpleQueryMessage::Row(row) => {
                let query = usize::checked_sub(statement, BEFORE_QUERIES);
                match query.and_then(|query| sections.get_mut(query)) {
                    Some((_, rows)) => rows.push(texts(&row)?),
                    None if query.is_some() => seal = texts(&row)?.into_iter().next().flatten(),
                    None => {}
                }
            }
            _ => {}
        }
    }
    Ok((sections, seal))
}

fn script(reads: Reads) -> String {
    let journal = match reads {
        Reads::Schema => None,
        Reads::SchemaAndJournal => Some(SEAL),
    };
    let queries = QUERIES.iter().map(|query| query.sql);
    enclosed(&[SETTINGS].into_iter().chain(queries).chain(journal).collect::<Vec<_>>())
}

fn enclosed(queries: &[&str]) -> String {
    // Each on a line of its own: a query may end in a comment.
    format!(
        "SAVEPOINT {SAVEPOINT}\n;\n{}\n;\nROLLBACK TO SAVEPOINT {SAVEPOINT}; RELEASE SAVEPOINT {SAVEPOINT}",
        queries.join("\n;\n")
    )
}

fn texts(row: &SimpleQueryRow) -> Result<Row, TargetError> {
    let text = |index| row.try_get(index).map(|text| text.map(str::to_owned));
    (0..row.len()).map(text).collect::<Result<Row, _>>().map_err(failed("read a row as text"))
}
