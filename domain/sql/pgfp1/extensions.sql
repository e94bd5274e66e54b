-- pgfp1 extensions: what they contain follows from name and version.
SELECT q.* FROM (
    SELECT
        (x.extname)::pg_catalog.text AS name,
        (x.extversion)::pg_catalog.text AS version,
        (n.nspname)::pg_catalog.text AS schema
    FROM pg_catalog.pg_extension AS x
    JOIN pg_catalog.pg_namespace AS n ON n.oid = x.extnamespace
) AS q
ORDER BY
    q.name COLLATE pg_catalog."C",
    q.version COLLATE pg_catalog."C",
    q.schema COLLATE pg_catalog."C"
