-- pgfp1 views: views and materialized views.
SELECT q.* FROM (
    SELECT
        (n.nspname)::pg_catalog.text AS schema,
        (c.relname)::pg_catalog.text AS name,
        (c.relkind)::pg_catalog.text AS kind,
        (pg_catalog.pg_get_viewdef(c.oid))::pg_catalog.text AS definition
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'countersign')
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid
              AND e.deptype = 'e')
      AND c.relkind IN ('v', 'm')
) AS q
ORDER BY
    q.schema COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.kind COLLATE pg_catalog."C",
    q.definition COLLATE pg_catalog."C"
