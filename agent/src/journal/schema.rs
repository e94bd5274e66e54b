//! The journal's tables, made once and versioned by themselves.

use crate::target::{TargetError, failed};
use tokio_postgres::Client;
use trust::names::DataSourceId;

/// The newest version known here.
const VERSION: i32 = 1;

const SCHEMA: &str = "CREATE SCHEMA countersign; REVOKE ALL ON SCHEMA countersign FROM PUBLIC";

const VERSION_1: &str = "
CREATE TABLE countersign.version (
    version integer PRIMARY KEY,
    data_source text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
CREATE TABLE countersign.journal (
    job text NOT NULL,
    attempt bigint NOT NULL,
    ordinal integer NOT NULL,
    job_sha256 text NOT NULL,
    change text NOT NULL,
    change_sha256 text NOT NULL,
    revision bigint NOT NULL,
    step_sha256 text NOT NULL,
    fence bigint NOT NULL,
    dispatcher_epoch bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('started', 'succeeded', 'failed')),
    xid text,
    sqlstate text,
    fingerprint_before text,
    fingerprint_after text,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (job, attempt, ordinal)
);
CREATE INDEX journal_change ON countersign.journal (change, change_sha256);
CREATE TABLE countersign.results (
    job text NOT NULL,
    attempt bigint NOT NULL,
    job_sha256 text NOT NULL,
    result bytea NOT NULL,
    document bytea,
    document_sha256 text,
    stored_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (job, attempt)
);";

/// Makes what is missing, and refuses a journal that is not this data source's or not ours.
pub async fn prepare(client: &Client, source: &DataSourceId) -> Result<(), TargetError> {
    let what = "read the journal's version";
    let owner = "SELECT pg_catalog.pg_get_userbyid(nspowner)::text, nspowner = r.oid, \
                        pg_catalog.to_regclass('countersign.version') IS NOT NULL \
                 FROM pg_catalog.pg_namespace, pg_catalog.pg_roles r \
                 WHERE nspname = 'countersign' AND r.rolname = CURRENT_USER";
    let Some(row) = client.query_opt(owner, &[]).await.map_err(failed(what))? else {
        return make(client, source, &format!("{SCHEMA}; {VERSION_1}")).await;
    };
    let (name, ours, versioned): (String, bool, bool) = (
        row.try_get(0).map_err(failed(what))?,
        row.try_get(1).map_err(failed(what))?,
        row.try_get(2).map_err(failed(what))?,
    );
    if !ours {
        return Err(TargetError::JournalOfOther(name));
    }
    if !versioned {
        // A site whose role may not create schemas makes an empty one for it.
        return make(client, source, VERSION_1).await;
    }
    let newest =
        "SELECT version, data_source FROM countersign.version ORDER BY version DESC LIMIT 1";
    let row = client.query_one(newest, &[]).await.map_err(failed(what))?;
    let (found, of): (i32, String) =
        (row.try_get(0).map_err(failed(what))?, row.try_get(1).map_err(failed(what))?);
    if of != source.as_str() {
        return Err(TargetError::OtherDataSource { found: of, configured: source.clone() });
    }
    if found > VERSION {
        return Err(TargetError::JournalNewer { found, known: VERSION });
    }
    Ok(())
}

async fn make(client: &Client, source: &DataSourceId, tables: &str) -> Result<(), TargetError> {
    // A data source id holds only letters, digits and '_'.
    let whole = format!(
        "BEGIN; {tables} INSERT INTO countersign.version (version, data_source) \
         VALUES ({VERSION}, '{source}'); COMMIT"
    );
    let made = client.batch_execute(&whole).await;
    if made.is_err() {
        client.batch_execute("ROLLBACK").await.map_err(failed("make the journal"))?;
    }
    made.map_err(failed("make the journal"))
}
