-- pgfp1 text_search: configurations with their mappings, and dictionaries.
SELECT q.* FROM (
    SELECT
        (s.kind)::pg_catalog.text AS kind,
        (s.nspname)::pg_catalog.text AS schema,
        (s.name)::pg_catalog.text AS name,
        (s.detail)::pg_catalog.text AS detail
    FROM (
        SELECT 'configuration' AS kind, n.nspname, c.cfgname AS name, pg_catalog.jsonb_build_array(pn.nspname, p.prsname,
            (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(m.maptokentype, m.mapseqno, m.mapdict::pg_catalog.regdictionary::pg_catalog.text)
                ORDER BY m.maptokentype, m.mapseqno) FROM pg_catalog.pg_ts_config_map AS m WHERE m.mapcfg = c.oid)) AS detail
        FROM pg_catalog.pg_ts_config AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.cfgnamespace
        JOIN pg_catalog.pg_ts_parser AS p ON p.oid = c.cfgparser
        JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.prsnamespace
        WHERE NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_ts_config'::pg_catalog.regclass AND e.objid = c.oid
              AND e.deptype = 'e')
        UNION ALL
        SELECT 'dictionary', n.nspname, d.dictname, pg_catalog.jsonb_build_array(tn.nspname, t.tmplname, d.dictinitoption)
        FROM pg_catalog.pg_ts_dict AS d
        JOIN pg_catalog.pg_namespace AS n ON n.oid = d.dictnamespace
        JOIN pg_catalog.pg_ts_template AS t ON t.oid = d.dicttemplate
        JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.tmplnamespace
        WHERE NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_ts_dict'::pg_catalog.regclass AND e.objid = d.oid
              AND e.deptype = 'e')
    ) AS s
    WHERE s.nspname !~ '^pg_' AND s.nspname NOT IN ('information_schema', 'countersign')
) AS q
ORDER BY
    q.kind COLLATE pg_catalog."C",
    q.schema COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.detail COLLATE pg_catalog."C"
