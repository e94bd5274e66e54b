-- pgfp1 sequences: definitions; the current value is data.
SELECT q.* FROM (
    SELECT
        (n.nspname)::pg_catalog.text AS schema,
        (c.relname)::pg_catalog.text AS name,
        (c.relpersistence)::pg_catalog.text AS persistence,
        (pg_catalog.format_type(s.seqtypid, NULL))::pg_catalog.text AS data_type,
        (s.seqstart)::pg_catalog.text AS start_value,
        (s.seqincrement)::pg_catalog.text AS increment_by,
        (s.seqmin)::pg_catalog.text AS minimum,
        (s.seqmax)::pg_catalog.text AS maximum,
        (s.seqcache)::pg_catalog.text AS cache_size,
        (s.seqcycle)::pg_catalog.text AS cycles,
        ((SELECT pg_catalog.jsonb_build_array(d.deptype, tn.nspname, t.relname, a.attname)
            FROM pg_catalog.pg_depend AS d
            JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid
            JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
            WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
              AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')))::pg_catalog.text AS owned_by
    FROM pg_catalog.pg_sequence AS s
    JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'countersign')
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid
              AND e.deptype = 'e')
) AS q
ORDER BY
    q.schema COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.persistence COLLATE pg_catalog."C",
    q.data_type COLLATE pg_catalog."C",
    q.start_value COLLATE pg_catalog."C",
    q.increment_by COLLATE pg_catalog."C",
    q.minimum COLLATE pg_catalog."C",
    q.maximum COLLATE pg_catalog."C",
    q.cache_size COLLATE pg_catalog."C",
    q.cycles COLLATE pg_catalog."C",
    q.owned_by COLLATE pg_catalog."C"
