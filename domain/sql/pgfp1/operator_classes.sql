-- pgfp1 operator_classes.
SELECT q.* FROM (
    SELECT
        (n.nspname)::pg_catalog.text AS schema,
        (o.opcname)::pg_catalog.text AS name,
        (am.amname)::pg_catalog.text AS method,
        (pg_catalog.format_type(o.opcintype, NULL))::pg_catalog.text AS input_type,
        (CASE WHEN o.opckeytype <> 0 THEN pg_catalog.format_type(o.opckeytype, NULL) END)::pg_catalog.text AS key_type,
        (o.opcdefault)::pg_catalog.text AS is_default,
        (fn.nspname)::pg_catalog.text AS family_schema,
        (f.opfname)::pg_catalog.text AS family
    FROM pg_catalog.pg_opclass AS o
    JOIN pg_catalog.pg_namespace AS n ON n.oid = o.opcnamespace
    JOIN pg_catalog.pg_am AS am ON am.oid = o.opcmethod
    JOIN pg_catalog.pg_opfamily AS f ON f.oid = o.opcfamily
    JOIN pg_catalog.pg_namespace AS fn ON fn.oid = f.opfnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'countersign')
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_opclass'::pg_catalog.regclass AND e.objid = o.oid
              AND e.deptype = 'e')
) AS q
ORDER BY
    q.schema COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.method COLLATE pg_catalog."C",
    q.input_type COLLATE pg_catalog."C",
    q.key_type COLLATE pg_catalog."C",
    q.is_default COLLATE pg_catalog."C",
    q.family_schema COLLATE pg_catalog."C",
    q.family COLLATE pg_catalog."C"
