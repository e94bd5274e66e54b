-- pgfp1 statistics: extended statistics objects.
SELECT q.* FROM (
    SELECT
        (n.nspname)::pg_catalog.text AS schema,
        (s.stxname)::pg_catalog.text AS name,
        (pg_catalog.pg_get_statisticsobjdef(s.oid))::pg_catalog.text AS definition,
        (NULLIF(pg_catalog.to_jsonb(s) ->> 'stxstattarget', '-1'))::pg_catalog.text AS target
    FROM pg_catalog.pg_statistic_ext AS s
    JOIN pg_catalog.pg_namespace AS n ON n.oid = s.stxnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'countersign')
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass AND e.objid = s.oid
              AND e.deptype = 'e')
) AS q
ORDER BY
    q.schema COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.definition COLLATE pg_catalog."C",
    q.target COLLATE pg_catalog."C"
