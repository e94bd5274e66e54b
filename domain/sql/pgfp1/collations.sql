-- pgfp1 collations: the locale moved between columns in 15 and 17.
SELECT q.* FROM (
    SELECT
        (n.nspname)::pg_catalog.text AS schema,
        (c.collname)::pg_catalog.text AS name,
        (c.collprovider)::pg_catalog.text AS provider,
        (c.collisdeterministic)::pg_catalog.text AS deterministic,
        (COALESCE(pg_catalog.to_jsonb(c) ->> 'colllocale', pg_catalog.to_jsonb(c) ->> 'colliculocale', pg_catalog.to_jsonb(c) ->> 'collcollate'))::pg_catalog.text AS locale,
        (CASE WHEN c.collprovider = 'c' THEN pg_catalog.to_jsonb(c) ->> 'collctype' END)::pg_catalog.text AS character_type,
        (pg_catalog.to_jsonb(c) ->> 'collicurules')::pg_catalog.text AS icu_rules
    FROM pg_catalog.pg_collation AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.collnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'countersign')
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_collation'::pg_catalog.regclass AND e.objid = c.oid
              AND e.deptype = 'e')
) AS q
ORDER BY
    q.schema COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.provider COLLATE pg_catalog."C",
    q.deterministic COLLATE pg_catalog."C",
    q.locale COLLATE pg_catalog."C",
    q.character_type COLLATE pg_catalog."C",
    q.icu_rules COLLATE pg_catalog."C"
