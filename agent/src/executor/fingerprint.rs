//! Reads the live schema inside the transaction that is open, and leaves none of its settings behind.

use crate::journal::{SEAL_OF_CATALOG, SEAL_OF_ROWS};
use crate::target::{Guard, Session, TargetError, failed};
use futures::future::try_join_all;
use sql::pgfp1::{self, QUERIES, Row, SETTINGS};
use std::fmt;
use tokio_postgres::SimpleQueryMessage;
use trust::names::Fingerprint;

/// Name of the savepoint that takes the settings of the reading back.
const SAVEPOINT: &str = "countersign_reading";
/// Statements before the first query: the savepoint and the settings.
const BEFORE_QUERIES: usize = 2;
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

/// Reads in one round trip; the transaction goes on as before.
pub async fn read(session: &Session, reads: Reads) -> Result<Reading, TargetError> {
    reading(ask(session, &queries(reads)).await?)
}

/// Reads in a transaction of its own on the guard's session: what is committed at this moment.
///
/// There the queries are prepared, which costs far more than what they do.
pub async fn read_committed(guard: &Guard, reads: Reads) -> Result<Reading, TargetError> {
    let session = guard.session();
    let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {SETTINGS}");
    session.batch_execute(&begin).await.map_err(failed("begin to read the schema"))?;
    let queries = queries(reads);
    let answers = try_join_all(queries.iter().map(|query| session.query(query, &[]))).await;
    if !session.is_closed() {
        session.batch_execute("ROLLBACK").await.map_err(failed("end reading the schema"))?;
    }
    let answers = answers.map_err(failed(WHAT))?;
    let answers = answers.iter().map(|rows| rows.iter().map(texts).collect());
    reading(answers.collect::<Result<_, _>>()?)
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
    let mut answers = vec![Vec::new(); queries.len()];
    let mut statement = 0_usize;
    for message in session.simple_query(&script(queries)).await.map_err(failed(WHAT))? {
        match message {
            SimpleQueryMessage::CommandComplete(_) => statement += 1,
            SimpleQueryMessage::Row(row) => {
                let query = statement.checked_sub(BEFORE_QUERIES);
                if let Some(rows) = query.and_then(|query| answers.get_mut(query)) {
                    let text = |index| row.try_get(index).map(|text| text.map(str::to_owned));
                    let texts = (0..row.len()).map(text).collect::<Result<Row, _>>();
                    rows.push(texts.map_err(failed("read a row as text"))?);
                }
            }
            _ => {}
        }
    }
    Ok(answers)
}

fn script(queries: &[&str]) -> String {
    // Each on a line of its own: a query may end in a comment.
    format!(
        "SAVEPOINT {SAVEPOINT}\n;\n{SETTINGS}\n;\n{}\n;\nROLLBACK TO SAVEPOINT {SAVEPOINT}; \
         RELEASE SAVEPOINT {SAVEPOINT}",
        queries.join("\n;\n")
    )
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
