-- pgfp1 functions: functions, procedures and window functions, whole; not the constructors of a range type.
SELECT q.* FROM (
    SELECT
        (n.nspname)::pg_catalog.text AS schema,
        (p.proname)::pg_catalog.text AS name,
        (pg_catalog.pg_get_function_identity_arguments(p.oid))::pg_catalog.text AS arguments,
        (p.prokind)::pg_catalog.text AS kind,
        (pg_catalog.pg_get_functiondef(p.oid))::pg_catalog.text AS definition
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'countersign')
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND e.objid = p.oid
              AND e.deptype IN ('e', 'i'))
      AND p.prokind IN ('f', 'p', 'w')
) AS q
ORDER BY
    q.schema COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.arguments COLLATE pg_catalog."C",
    q.kind COLLATE pg_catalog."C",
    q.definition COLLATE pg_catalog."C"
