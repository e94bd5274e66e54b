-- pgfp1 operator_families: with their members; an empty family has one row.
SELECT q.* FROM (
    SELECT
        (n.nspname)::pg_catalog.text AS schema,
        (f.opfname)::pg_catalog.text AS name,
        (am.amname)::pg_catalog.text AS method,
        (m.member)::pg_catalog.text AS member
    FROM pg_catalog.pg_opfamily AS f
    JOIN pg_catalog.pg_namespace AS n ON n.oid = f.opfnamespace
    JOIN pg_catalog.pg_am AS am ON am.oid = f.opfmethod
    LEFT JOIN LATERAL (
        SELECT pg_catalog.jsonb_build_array('operator', o.amopstrategy, o.amoppurpose, o.amopopr::pg_catalog.regoperator::pg_catalog.text) AS member
        FROM pg_catalog.pg_amop AS o WHERE o.amopfamily = f.oid
        UNION ALL
        SELECT pg_catalog.jsonb_build_array('function', o.amprocnum, pg_catalog.format_type(o.amproclefttype, NULL),
            pg_catalog.format_type(o.amprocrighttype, NULL), o.amproc::pg_catalog.regprocedure::pg_catalog.text)
        FROM pg_catalog.pg_amproc AS o WHERE o.amprocfamily = f.oid
    ) AS m ON true
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'countersign')
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_opfamily'::pg_catalog.regclass AND e.objid = f.oid
              AND e.deptype = 'e')
) AS q
ORDER BY
    q.schema COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.method COLLATE pg_catalog."C",
    q.member COLLATE pg_catalog."C"
