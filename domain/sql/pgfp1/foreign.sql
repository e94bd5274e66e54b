-- pgfp1 foreign: wrappers, servers, foreign tables and user mappings; the options of a mapping are credentials and
-- stay where they are.
SELECT q.* FROM (
    SELECT
        (f.kind)::pg_catalog.text AS kind,
        (f.nspname)::pg_catalog.text AS schema,
        (f.name)::pg_catalog.text AS name,
        (f.detail)::pg_catalog.text AS detail
    FROM (
        SELECT 'wrapper' AS kind, '' AS nspname, w.fdwname AS name, pg_catalog.jsonb_build_array(w.fdwhandler::pg_catalog.regproc::pg_catalog.text,
            w.fdwvalidator::pg_catalog.regproc::pg_catalog.text, (SELECT pg_catalog.jsonb_agg(o.v ORDER BY o.v COLLATE pg_catalog."C")::pg_catalog.text FROM pg_catalog.unnest(w.fdwoptions) AS o(v))) AS detail
        FROM pg_catalog.pg_foreign_data_wrapper AS w
        WHERE NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass AND e.objid = w.oid
              AND e.deptype = 'e')
        UNION ALL
        SELECT 'server', '', s.srvname, pg_catalog.jsonb_build_array(w.fdwname, s.srvtype, s.srvversion, (SELECT pg_catalog.jsonb_agg(o.v ORDER BY o.v COLLATE pg_catalog."C")::pg_catalog.text FROM pg_catalog.unnest(s.srvoptions) AS o(v)))
        FROM pg_catalog.pg_foreign_server AS s
        JOIN pg_catalog.pg_foreign_data_wrapper AS w ON w.oid = s.srvfdw
        WHERE NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_foreign_server'::pg_catalog.regclass AND e.objid = s.oid
              AND e.deptype = 'e')
        UNION ALL
        SELECT 'table', n.nspname, c.relname, pg_catalog.jsonb_build_array(s.srvname, (SELECT pg_catalog.jsonb_agg(o.v ORDER BY o.v COLLATE pg_catalog."C")::pg_catalog.text FROM pg_catalog.unnest(t.ftoptions) AS o(v)))
        FROM pg_catalog.pg_foreign_table AS t
        JOIN pg_catalog.pg_class AS c ON c.oid = t.ftrelid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_foreign_server AS s ON s.oid = t.ftserver
        WHERE NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid
              AND e.deptype = 'e')
        UNION ALL
        SELECT 'user mapping', '', m.srvname, pg_catalog.jsonb_build_array(m.usename)
        FROM pg_catalog.pg_user_mappings AS m
    ) AS f
    WHERE f.nspname !~ '^pg_' AND f.nspname NOT IN ('information_schema', 'countersign')
) AS q
ORDER BY
    q.kind COLLATE pg_catalog."C",
    q.schema COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.detail COLLATE pg_catalog."C"
