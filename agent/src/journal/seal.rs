//! A digest of the whole journal: SQL that is built as text at run time can name the journal where no parser sees it.
//!
//! It is taken before and after job SQL in its own transaction, as the transaction is to leave it, and once more when it
//! is committed: a deferred trigger can make another one inside COMMIT, where nothing of ours can look.

/// Of the rows: 64 hex digits. To be run under the settings of `pgfp1`, on which the texts of times depend.
///
/// Every column of every row; of results and documents the digests beside them, which the server makes whenever it
/// writes a row: to hash all bytes each time would cost more with every change. Rows are turned into text by
/// `to_jsonb`: a cast of a row type could be anybody's.
pub(crate) const SEAL_OF_ROWS: &str = "
WITH parts (part, said) AS (
    SELECT 'journal', pg_catalog.to_jsonb(t) FROM ONLY countersign.journal AS t
    UNION ALL SELECT 'results', pg_catalog.jsonb_build_array(job, attempt, job_sha256, result_sha256, document_sha256,
        stored_at) FROM ONLY countersign.results
    UNION ALL SELECT 'version', pg_catalog.to_jsonb(t) FROM ONLY countersign.version AS t),
texts AS (SELECT part, said::pg_catalog.text COLLATE pg_catalog.\"C\" AS said FROM parts)
SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
    pg_catalog.string_agg(pg_catalog.concat(part, ' ', said), E'\\n' ORDER BY part, said), 'UTF8')), 'hex')
FROM texts";

/// Of what the catalog holds about the schema: 64 hex digits, or no row if it is gone. To be run under the settings of
/// `pgfp1` too.
///
/// Its relations, types and functions: columns, defaults, constraints, indexes, inheritance, triggers, rules, policies,
/// owners, privileges, and everything that depends on any of them. Only the figures that vacuum and analyze keep in
/// `pg_class` are left out. Writing rows does not change it.
pub(crate) const SEAL_OF_CATALOG: &str = "
WITH n AS (SELECT n.* FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'countersign'),
r AS (SELECT c.* FROM pg_catalog.pg_class AS c JOIN n ON c.relnamespace = n.oid),
y AS (SELECT t.* FROM pg_catalog.pg_type AS t JOIN n ON t.typnamespace = n.oid),
f AS (SELECT p.* FROM pg_catalog.pg_proc AS p JOIN n ON p.pronamespace = n.oid),
ours AS (
    SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid AS classid, n.oid FROM n
    UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, r.oid FROM r
    UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid, y.oid FROM y
    UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, f.oid FROM f),
parts (part, said) AS (
    SELECT 'pg_namespace', pg_catalog.to_jsonb(n) FROM n
    UNION ALL SELECT 'pg_class', pg_catalog.to_jsonb(r) - 'relpages' - 'reltuples' - 'relallvisible' - 'relallfrozen'
        - 'relfrozenxid' - 'relminmxid' FROM r
    UNION ALL SELECT 'pg_type', pg_catalog.to_jsonb(y) FROM y
    UNION ALL SELECT 'pg_proc', pg_catalog.to_jsonb(f) FROM f
    UNION ALL SELECT 'pg_attribute', pg_catalog.to_jsonb(a) FROM pg_catalog.pg_attribute AS a JOIN r ON a.attrelid = r.oid
    UNION ALL SELECT 'pg_attrdef', pg_catalog.to_jsonb(d) FROM pg_catalog.pg_attrdef AS d JOIN r ON d.adrelid = r.oid
    UNION ALL SELECT 'pg_constraint', pg_catalog.to_jsonb(k) FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid IN (SELECT oid FROM r) OR k.confrelid IN (SELECT oid FROM r)
           OR k.contypid IN (SELECT oid FROM y) OR k.connamespace IN (SELECT oid FROM n)
    UNION ALL SELECT 'pg_index', pg_catalog.to_jsonb(i) FROM pg_catalog.pg_index AS i JOIN r ON i.indrelid = r.oid
    UNION ALL SELECT 'pg_inherits', pg_catalog.to_jsonb(h) FROM pg_catalog.pg_inherits AS h
        WHERE h.inhparent IN (SELECT oid FROM r) OR h.inhrelid IN (SELECT oid FROM r)
    UNION ALL SELECT 'pg_trigger', pg_catalog.to_jsonb(g) FROM pg_catalog.pg_trigger AS g
        WHERE g.tgrelid IN (SELECT oid FROM r) OR g.tgconstrrelid IN (SELECT oid FROM r)
    UNION ALL SELECT 'pg_rewrite', pg_catalog.to_jsonb(w) FROM pg_catalog.pg_rewrite AS w JOIN r ON w.ev_class = r.oid
    UNION ALL SELECT 'pg_policy', pg_catalog.to_jsonb(p) FROM pg_catalog.pg_policy AS p JOIN r ON p.polrelid = r.oid
    UNION ALL SELECT 'pg_default_acl', pg_catalog.to_jsonb(l) FROM pg_catalog.pg_default_acl AS l
        JOIN n ON l.defaclnamespace = n.oid
    UNION ALL SELECT 'pg_depend', pg_catalog.to_jsonb(d) FROM pg_catalog.pg_depend AS d
        WHERE (d.refclassid, d.refobjid) IN (SELECT classid, oid FROM ours)
           OR (d.classid, d.objid) IN (SELECT classid, oid FROM ours)),
texts AS (SELECT part, said::pg_catalog.text COLLATE pg_catalog.\"C\" AS said FROM parts)
SELECT (SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
            pg_catalog.string_agg(pg_catalog.concat(part, ' ', said), E'\\n' ORDER BY part, said), 'UTF8')), 'hex')
        FROM texts)
FROM n";
