-- pgfp1 schemas: names only; owners are not structure.
SELECT q.* FROM (
    SELECT
        (n.nspname)::pg_catalog.text AS name
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'countersign')
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND e.objid = n.oid
              AND e.deptype = 'e')
) AS q
ORDER BY
    q.name COLLATE pg_catalog."C"
