-- pgfp1 publications: one row each, and one per published table.
SELECT q.* FROM (
    SELECT
        (p.pubname)::pg_catalog.text AS name,
        (p.puballtables)::pg_catalog.text AS all_tables,
        (pg_catalog.jsonb_build_array(p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot))::pg_catalog.text AS operations,
        (t.schemaname)::pg_catalog.text AS schema,
        (t.tablename)::pg_catalog.text AS relation,
        (pg_catalog.to_jsonb(t) -> 'attnames')::pg_catalog.text AS columns,
        (pg_catalog.to_jsonb(t) ->> 'rowfilter')::pg_catalog.text AS row_filter
    FROM pg_catalog.pg_publication AS p
    LEFT JOIN pg_catalog.pg_publication_tables AS t
        ON t.pubname = p.pubname AND t.schemaname <> 'countersign' AND NOT p.puballtables
    WHERE NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_publication'::pg_catalog.regclass AND e.objid = p.oid
              AND e.deptype = 'e')
) AS q
ORDER BY
    q.name COLLATE pg_catalog."C",
    q.all_tables COLLATE pg_catalog."C",
    q.operations COLLATE pg_catalog."C",
    q.schema COLLATE pg_catalog."C",
    q.relation COLLATE pg_catalog."C",
    q.columns COLLATE pg_catalog."C",
    q.row_filter COLLATE pg_catalog."C"
