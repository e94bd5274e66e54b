//! The journal's tables, made once and versioned by themselves.

use crate::target::{Session, TargetError, failed};
use tokio_postgres::types::ToSql;
use trust::names::DataSourceId;

/// The newest version known here.
const VERSION: i32 = 1;

const SCHEMA: &str = "CREATE SCHEMA countersign; REVOKE ALL ON SCHEMA countersign FROM PUBLIC";

const VERSION_1: &str = "
CREATE TABLE IF NOT EXISTS countersign.version (
    version integer PRIMARY KEY,
    data_source text NOT NULL,
    made_at timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS countersign.journal (
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
CREATE INDEX IF NOT EXISTS journal_change ON countersign.journal (change, change_sha256);
CREATE TABLE IF NOT EXISTS countersign.results (
    job text NOT NULL,
    attempt bigint NOT NULL,
    job_sha256 text NOT NULL,
    result bytea NOT NULL,
    result_sha256 text
        GENERATED ALWAYS AS (pg_catalog.encode(pg_catalog.sha256(result), 'hex')) STORED,
    document bytea,
    document_sha256 text
        GENERATED ALWAYS AS (pg_catalog.encode(pg_catalog.sha256(document), 'hex')) STORED,
    stored_at timestamptz NOT NULL,
    PRIMARY KEY (job, attempt)
);";

/// Makes what is missing, and refuses a journal that is not this data source's or not ours.
pub async fn prepare(session: &Session, source: &DataSourceId) -> Result<(), TargetError> {
    let what = "read the journal's version";
    let owner = "SELECT pg_catalog.pg_get_userbyid(nspowner)::text, nspowner = r.oid, \
                        pg_catalog.to_regclass('countersign.version') IS NOT NULL \
                 FROM pg_catalog.pg_namespace, pg_catalog.pg_roles r \
                 WHERE nspname = 'countersign' AND r.rolname = CURRENT_USER";
    let Some(row) = session.query_opt(owner, &[]).await.map_err(failed(what))? else {
        return make(session, source, &format!("{SCHEMA}; {VERSION_1}")).await;
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
        return make(session, source, VERSION_1).await;
    }
    let newest =
        "SELECT version, data_source FROM ONLY countersign.version ORDER BY version DESC LIMIT 1";
    let row = session.query_one(newest, &[]).await.map_err(failed(what))?;
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

/// What could run foreign code when we write, or hide rows when we read. A change leaves such a thing behind only where
/// it got around the seal by a trigger inside COMMIT; removing it is for the site.
const FOREIGN: &str = "
WITH r AS (SELECT c.* FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = 'countersign')
SELECT f.what FROM (
    SELECT 'a trigger' FROM pg_catalog.pg_trigger JOIN r ON tgrelid = r.oid
    UNION ALL SELECT 'a rule' FROM pg_catalog.pg_rewrite JOIN r ON ev_class = r.oid
    UNION ALL SELECT 'a policy' FROM pg_catalog.pg_policy JOIN r ON polrelid = r.oid
    UNION ALL SELECT 'row security' FROM r WHERE relrowsecurity OR relforcerowsecurity
    UNION ALL SELECT 'an inheriting table' FROM pg_catalog.pg_inherits
        JOIN r ON inhparent = r.oid OR inhrelid = r.oid
    UNION ALL SELECT 'an index by expression' FROM pg_catalog.pg_index JOIN r ON indexrelid = r.oid
        WHERE indexprs IS NOT NULL OR indpred IS NOT NULL
    UNION ALL SELECT 'a constraint' FROM pg_catalog.pg_constraint JOIN r ON conrelid = r.oid OR confrelid = r.oid
        WHERE contype NOT IN ('p', 'n') AND NOT (r.relname = 'journal' AND conname = 'journal_state_check'
            AND pg_catalog.pg_get_constraintdef(pg_constraint.oid) = $1)
    UNION ALL SELECT 'a column' FROM pg_catalog.pg_attribute JOIN r ON attrelid = r.oid
        LEFT JOIN pg_catalog.pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE atttypid >= 16384 OR (CASE WHEN attgenerated = 's' THEN pg_catalog.pg_get_expr(adbin, adrelid)
                                         ELSE attgenerated::pg_catalog.text END)
            IS DISTINCT FROM (CASE WHEN r.relname = 'results' AND attname = 'result_sha256' THEN $2
                                   WHEN r.relname = 'results' AND attname = 'document_sha256' THEN $3
                                   ELSE '' END)
) AS f (what) LIMIT 1";

/// How the server prints the one CHECK of the tables.
const STATE_CHECK: &str =
    "CHECK ((state = ANY (ARRAY['started'::text, 'succeeded'::text, 'failed'::text])))";
/// And how it prints the two columns that it makes itself.
const RESULT_SHA256: &str = "encode(sha256(result), 'hex'::text)";
const DOCUMENT_SHA256: &str = "encode(sha256(document), 'hex'::text)";

/// Refuses a journal that carries such things. Asked before SQL of a change runs; stored answers are given all the same.
pub async fn untouched(session: &Session) -> Result<(), TargetError> {
    let what = "look for foreign objects on the journal";
    let ours: [&(dyn ToSql + Sync); 3] = [&STATE_CHECK, &RESULT_SHA256, &DOCUMENT_SHA256];
    let found = session.query_opt(FOREIGN, &ours).await.map_err(failed(what))?;
    let Some(row) = found else { return Ok(()) };
    Err(TargetError::JournalTouched(row.try_get(0).map_err(failed(what))?))
}

/// Switches off what would keep our entry out. It stays there for the site to see and to remove.
const SWITCH_OFF: &str = "
ALTER TABLE ONLY countersign.journal DISABLE TRIGGER USER, DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY countersign.results DISABLE TRIGGER USER, DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
DO $$ DECLARE off pg_catalog.text; BEGIN
    FOR off IN SELECT pg_catalog.format('ALTER TABLE countersign.%I DISABLE RULE %I', c.relname, w.rulename)
        FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_class c ON c.oid = w.ev_class
        WHERE c.oid IN ('countersign.journal'::pg_catalog.regclass, 'countersign.results'::pg_catalog.regclass)
    LOOP EXECUTE off; END LOOP; END $$";

/// Makes whatever a change took away, as far as it can be made; rows that are there stay.
pub(crate) async fn make_again(
    session: &Session,
    source: &DataSourceId,
) -> Result<(), TargetError> {
    let what = "look for the journal's schema";
    let there = "SELECT pg_catalog.to_regnamespace('countersign') IS NOT NULL";
    let row = session.query_one(there, &[]).await.map_err(failed(what))?;
    let schema = if row.try_get(0).map_err(failed(what))? { "" } else { SCHEMA };
    make(session, source, &format!("{schema}; {VERSION_1}")).await?;
    session.batch_execute(SWITCH_OFF).await.map_err(failed("switch off what hangs on the journal"))
}

async fn make(session: &Session, source: &DataSourceId, tables: &str) -> Result<(), TargetError> {
    // A data source id holds only letters, digits and '_'.
    let whole = format!(
        "BEGIN; {tables} INSERT INTO countersign.version (version, data_source, made_at) \
         VALUES ({VERSION}, '{source}', pg_catalog.now()) ON CONFLICT DO NOTHING; COMMIT"
    );
    let made = session.batch_execute(&whole).await;
    if made.is_err() {
        session.batch_execute("ROLLBACK").await.map_err(failed("make the journal"))?;
    }
    made.map_err(failed("make the journal"))
}
