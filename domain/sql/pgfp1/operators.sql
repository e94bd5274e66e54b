-- pgfp1 operators.
SELECT q.* FROM (
    SELECT
        (n.nspname)::pg_catalog.text AS schema,
        (o.oid::pg_catalog.regoperator)::pg_catalog.text AS name,
        (pg_catalog.format_type(o.oprresult, NULL))::pg_catalog.text AS result,
        (o.oprcode::pg_catalog.regprocedure)::pg_catalog.text AS procedure,
        (o.oprcom::pg_catalog.regoperator)::pg_catalog.text AS commutator,
        (o.oprnegate::pg_catalog.regoperator)::pg_catalog.text AS negator,
        (o.oprrest::pg_catalog.regprocedure)::pg_catalog.text AS restriction,
        (o.oprjoin::pg_catalog.regprocedure)::pg_catalog.text AS join_estimator,
        (o.oprcanmerge)::pg_catalog.text AS merges,
        (o.oprcanhash)::pg_catalog.text AS hashes
    FROM pg_catalog.pg_operator AS o
    JOIN pg_catalog.pg_namespace AS n ON n.oid = o.oprnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'countersign')
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND e.objid = o.oid
              AND e.deptype = 'e')
) AS q
ORDER BY
    q.schema COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.result COLLATE pg_catalog."C",
    q.procedure COLLATE pg_catalog."C",
    q.commutator COLLATE pg_catalog."C",
    q.negator COLLATE pg_catalog."C",
    q.restriction COLLATE pg_catalog."C",
    q.join_estimator COLLATE pg_catalog."C",
    q.merges COLLATE pg_catalog."C",
    q.hashes COLLATE pg_catalog."C"
