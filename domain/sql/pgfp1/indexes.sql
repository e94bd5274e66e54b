-- pgfp1 indexes: with the flags that a failed CREATE INDEX CONCURRENTLY leaves behind.
SELECT q.* FROM (
    SELECT
        (n.nspname)::pg_catalog.text AS schema,
        (c.relname)::pg_catalog.text AS relation,
        (x.relname)::pg_catalog.text AS name,
        (pg_catalog.pg_get_indexdef(i.indexrelid))::pg_catalog.text AS definition,
        (i.indisvalid)::pg_catalog.text AS is_valid,
        (i.indisready)::pg_catalog.text AS is_ready,
        (i.indislive)::pg_catalog.text AS is_live,
        (i.indisclustered)::pg_catalog.text AS is_clustered,
        (i.indisreplident)::pg_catalog.text AS is_replica_identity,
        ((SELECT pg_catalog.jsonb_build_array(pn.nspname, p.relname)
            FROM pg_catalog.pg_inherits AS h
            JOIN pg_catalog.pg_class AS p ON p.oid = h.inhparent
            JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
            WHERE h.inhrelid = x.oid))::pg_catalog.text AS parent,
        ((SELECT s.spcname FROM pg_catalog.pg_tablespace AS s WHERE s.oid = x.reltablespace))::pg_catalog.text AS tablespace,
        ((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(a.attnum, pg_catalog.to_jsonb(a) ->> 'attstattarget') ORDER BY a.attnum)
            FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = x.oid AND COALESCE(pg_catalog.to_jsonb(a) ->> 'attstattarget', '-1') <> '-1'))::pg_catalog.text AS statistics_targets
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'countersign')
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid
              AND e.deptype = 'e')
) AS q
ORDER BY
    q.schema COLLATE pg_catalog."C",
    q.relation COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.definition COLLATE pg_catalog."C",
    q.is_valid COLLATE pg_catalog."C",
    q.is_ready COLLATE pg_catalog."C",
    q.is_live COLLATE pg_catalog."C",
    q.is_clustered COLLATE pg_catalog."C",
    q.is_replica_identity COLLATE pg_catalog."C",
    q.parent COLLATE pg_catalog."C",
    q.tablespace COLLATE pg_catalog."C",
    q.statistics_targets COLLATE pg_catalog."C"
