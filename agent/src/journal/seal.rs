//! A digest of the whole journal, taken before and after job SQL in its own transaction: SQL that is built as text at
//! run time can name the journal where no parser sees it.

/// Gives 64 hex digits, or no row if the schema is gone. Rows, and the tables' own identity: owner, privileges,
/// storage, triggers, rules and row security. No times: how they print is a setting of the session.
pub(crate) const SEAL: &str = "
SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.concat_ws(E'\\n',
    (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', job, attempt, ordinal, job_sha256, change, change_sha256,
            revision, step_sha256, fence, dispatcher_epoch, state, xid), E'\\n' ORDER BY job, attempt, ordinal)
       FROM countersign.journal),
    (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', job, attempt, job_sha256,
            pg_catalog.encode(pg_catalog.sha256(result), 'hex'), document_sha256), E'\\n' ORDER BY job, attempt)
       FROM countersign.results),
    (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', version, data_source), E'\\n' ORDER BY version)
       FROM countersign.version),
    (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', c.oid, c.relname, c.relkind, c.relowner, c.relacl,
            c.relfilenode, c.relhastriggers, c.relhasrules, c.relrowsecurity, c.relnatts), E'\\n' ORDER BY c.oid)
       FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid),
    n.oid, n.nspowner, n.nspacl), 'UTF8')), 'hex')
FROM pg_catalog.pg_namespace n WHERE n.nspname = 'countersign'";
