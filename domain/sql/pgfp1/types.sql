-- pgfp1 types: enum, composite, domain, range and base types; composite attributes are in columns.
SELECT q.* FROM (
    SELECT
        (n.nspname)::pg_catalog.text AS schema,
        (t.typname)::pg_catalog.text AS name,
        (t.typtype)::pg_catalog.text AS kind,
        ((SELECT pg_catalog.jsonb_agg(l.enumlabel ORDER BY l.enumsortorder) FROM pg_catalog.pg_enum AS l WHERE l.enumtypid = t.oid))::pg_catalog.text AS labels,
        (CASE WHEN t.typtype = 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END)::pg_catalog.text AS base_type,
        (CASE WHEN t.typtype = 'd' THEN t.typnotnull END)::pg_catalog.text AS not_null,
        (CASE WHEN t.typtype = 'd' THEN pg_catalog.pg_get_expr(t.typdefaultbin, 0) ELSE t.typdefault END)::pg_catalog.text AS default_value,
        ((SELECT c.oid::pg_catalog.regcollation FROM pg_catalog.pg_collation AS c WHERE c.oid = t.typcollation AND t.typtype = 'd'))::pg_catalog.text AS collation,
        ((SELECT pg_catalog.jsonb_build_array(
                pg_catalog.format_type(r.rngsubtype, NULL), o.opcname, ns.nspname,
                CASE WHEN r.rngcollation <> 0 THEN r.rngcollation::pg_catalog.regcollation::pg_catalog.text END,
                r.rngcanonical::pg_catalog.regproc::pg_catalog.text, r.rngsubdiff::pg_catalog.regproc::pg_catalog.text)
            FROM pg_catalog.pg_range AS r
            JOIN pg_catalog.pg_opclass AS o ON o.oid = r.rngsubopc
            JOIN pg_catalog.pg_namespace AS ns ON ns.oid = o.opcnamespace
            WHERE r.rngtypid = t.oid))::pg_catalog.text AS range_of,
        (CASE WHEN t.typtype = 'b' THEN pg_catalog.jsonb_build_array(
                t.typinput::pg_catalog.regproc::pg_catalog.text, t.typoutput::pg_catalog.regproc::pg_catalog.text,
                t.typreceive::pg_catalog.regproc::pg_catalog.text, t.typsend::pg_catalog.regproc::pg_catalog.text,
                t.typmodin::pg_catalog.regproc::pg_catalog.text, t.typmodout::pg_catalog.regproc::pg_catalog.text,
                t.typlen, t.typbyval, t.typalign, t.typstorage, t.typcategory, t.typispreferred, t.typdelim) END)::pg_catalog.text AS base_functions
    FROM pg_catalog.pg_type AS t
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'countersign')
      AND t.typtype IN ('b', 'c', 'd', 'e', 'r', 'p')
      AND (t.typtype <> 'c' OR c.relkind = 'c')
      AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type AS element WHERE element.typarray = t.oid)
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND e.objid = t.oid
              AND e.deptype = 'e')
) AS q
ORDER BY
    q.schema COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.kind COLLATE pg_catalog."C",
    q.labels COLLATE pg_catalog."C",
    q.base_type COLLATE pg_catalog."C",
    q.not_null COLLATE pg_catalog."C",
    q.default_value COLLATE pg_catalog."C",
    q.collation COLLATE pg_catalog."C",
    q.range_of COLLATE pg_catalog."C",
    q.base_functions COLLATE pg_catalog."C"
