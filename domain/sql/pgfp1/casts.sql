-- pgfp1 casts.
SELECT q.* FROM (
    SELECT
        (pg_catalog.format_type(c.castsource, NULL))::pg_catalog.text AS source,
        (pg_catalog.format_type(c.casttarget, NULL))::pg_catalog.text AS target,
        (c.castfunc::pg_catalog.regprocedure)::pg_catalog.text AS function,
        (c.castcontext)::pg_catalog.text AS context,
        (c.castmethod)::pg_catalog.text AS method
    FROM pg_catalog.pg_cast AS c
    WHERE c.oid >= 16384
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_cast'::pg_catalog.regclass AND e.objid = c.oid
              AND e.deptype IN ('e', 'i'))
) AS q
ORDER BY
    q.source COLLATE pg_catalog."C",
    q.target COLLATE pg_catalog."C",
    q.function COLLATE pg_catalog."C",
    q.context COLLATE pg_catalog."C",
    q.method COLLATE pg_catalog."C"
