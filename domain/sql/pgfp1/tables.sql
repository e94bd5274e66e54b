-- pgfp1 tables: tables, partitioned and foreign tables, views, materialized views (columns and texts elsewhere).
SELECT q.* FROM (
    SELECT
        (n.nspname)::pg_catalog.text AS schema,
        (c.relname)::pg_catalog.text AS name,
        (c.relkind)::pg_catalog.text AS kind,
        (c.relpersistence)::pg_catalog.text AS persistence,
        (pg_catalog.pg_get_partkeydef(c.oid))::pg_catalog.text AS partition_key,
        (pg_catalog.pg_get_expr(c.relpartbound, c.oid))::pg_catalog.text AS partition_bound,
        ((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(pn.nspname, p.relname) ORDER BY i.inhseqno)
            FROM pg_catalog.pg_inherits AS i
            JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent
            JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
            WHERE i.inhrelid = c.oid))::pg_catalog.text AS parents,
        (CASE WHEN c.reloftype <> 0 THEN pg_catalog.format_type(c.reloftype, NULL) END)::pg_catalog.text AS of_type,
        ((SELECT pg_catalog.jsonb_agg(o.v ORDER BY o.v COLLATE pg_catalog."C")::pg_catalog.text FROM pg_catalog.unnest(c.reloptions) AS o(v)))::pg_catalog.text AS options,
        ((SELECT pg_catalog.jsonb_agg(o.v ORDER BY o.v COLLATE pg_catalog."C")::pg_catalog.text FROM pg_catalog.unnest((SELECT toast.reloptions FROM pg_catalog.pg_class AS toast WHERE toast.oid = c.reltoastrelid)) AS o(v)))::pg_catalog.text AS toast_options,
        (c.relrowsecurity)::pg_catalog.text AS row_security,
        (c.relforcerowsecurity)::pg_catalog.text AS row_security_forced,
        (c.relreplident)::pg_catalog.text AS replica_identity,
        ((SELECT am.amname FROM pg_catalog.pg_am AS am WHERE am.oid = c.relam AND c.relkind IN ('r', 'm')))::pg_catalog.text AS access_method,
        ((SELECT s.spcname FROM pg_catalog.pg_tablespace AS s WHERE s.oid = c.reltablespace))::pg_catalog.text AS tablespace
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'countersign')
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid
              AND e.deptype = 'e')
      AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
) AS q
ORDER BY
    q.schema COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.kind COLLATE pg_catalog."C",
    q.persistence COLLATE pg_catalog."C",
    q.partition_key COLLATE pg_catalog."C",
    q.partition_bound COLLATE pg_catalog."C",
    q.parents COLLATE pg_catalog."C",
    q.of_type COLLATE pg_catalog."C",
    q.options COLLATE pg_catalog."C",
    q.toast_options COLLATE pg_catalog."C",
    q.row_security COLLATE pg_catalog."C",
    q.row_security_forced COLLATE pg_catalog."C",
    q.replica_identity COLLATE pg_catalog."C",
    q.access_method COLLATE pg_catalog."C",
    q.tablespace COLLATE pg_catalog."C"
