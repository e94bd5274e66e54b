-- pgfp1 columns: in their order; the place of dropped columns does not count.
SELECT q.* FROM (
    SELECT
        (n.nspname)::pg_catalog.text AS schema,
        (c.relname)::pg_catalog.text AS relation,
        (pg_catalog.lpad((pg_catalog.row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum))::pg_catalog.text, 5, '0'))::pg_catalog.text AS position,
        (a.attname)::pg_catalog.text AS name,
        (pg_catalog.format_type(a.atttypid, a.atttypmod))::pg_catalog.text AS data_type,
        ((SELECT a.attcollation::pg_catalog.regcollation WHERE a.attcollation <> 0 AND a.attcollation <> t.typcollation))::pg_catalog.text AS collation,
        (a.attnotnull)::pg_catalog.text AS not_null,
        (pg_catalog.pg_get_expr(d.adbin, d.adrelid))::pg_catalog.text AS default_value,
        (a.attidentity)::pg_catalog.text AS identity_kind,
        (a.attgenerated)::pg_catalog.text AS generated_kind,
        (a.attislocal)::pg_catalog.text AS is_local,
        (a.attstorage)::pg_catalog.text AS storage,
        (NULLIF(pg_catalog.to_jsonb(a) ->> 'attcompression', ''))::pg_catalog.text AS compression,
        (NULLIF(pg_catalog.to_jsonb(a) ->> 'attstattarget', '-1'))::pg_catalog.text AS statistics_target,
        ((SELECT pg_catalog.jsonb_agg(o.v ORDER BY o.v COLLATE pg_catalog."C")::pg_catalog.text FROM pg_catalog.unnest(a.attoptions) AS o(v)))::pg_catalog.text AS options,
        ((SELECT pg_catalog.jsonb_agg(o.v ORDER BY o.v COLLATE pg_catalog."C")::pg_catalog.text FROM pg_catalog.unnest(a.attfdwoptions) AS o(v)))::pg_catalog.text AS foreign_options
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
    JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
    LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'countersign')
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid
              AND e.deptype = 'e')
      AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'c')
      AND a.attnum > 0
      AND NOT a.attisdropped
) AS q
ORDER BY
    q.schema COLLATE pg_catalog."C",
    q.relation COLLATE pg_catalog."C",
    q.position COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.data_type COLLATE pg_catalog."C",
    q.collation COLLATE pg_catalog."C",
    q.not_null COLLATE pg_catalog."C",
    q.default_value COLLATE pg_catalog."C",
    q.identity_kind COLLATE pg_catalog."C",
    q.generated_kind COLLATE pg_catalog."C",
    q.is_local COLLATE pg_catalog."C",
    q.storage COLLATE pg_catalog."C",
    q.compression COLLATE pg_catalog."C",
    q.statistics_target COLLATE pg_catalog."C",
    q.options COLLATE pg_catalog."C",
    q.foreign_options COLLATE pg_catalog."C"
