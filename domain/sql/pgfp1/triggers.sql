-- pgfp1 triggers: triggers; of the copies on partitions only those switched otherwise than the first; of the internal
-- ones of foreign keys only those not simply enabled. Their names hold numbers of this database.
SELECT q.* FROM (
    SELECT
        (n.nspname)::pg_catalog.text AS schema,
        (c.relname)::pg_catalog.text AS relation,
        (CASE WHEN t.tgisinternal AND t.tgparentid = 0 THEN k.conname ELSE t.tgname END)::pg_catalog.text AS name,
        (CASE WHEN t.tgisinternal OR t.tgparentid <> 0 THEN t.tgfoid::pg_catalog.regproc::pg_catalog.text ELSE pg_catalog.pg_get_triggerdef(t.oid) END)::pg_catalog.text AS definition,
        (t.tgenabled)::pg_catalog.text AS enabled
    FROM pg_catalog.pg_trigger AS t
    JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
    LEFT JOIN pg_catalog.pg_trigger AS first ON first.oid = t.tgparentid AND t.tgparentid <> 0
    LEFT JOIN pg_catalog.pg_constraint AS k ON k.oid = t.tgconstraint AND t.tgconstraint <> 0
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'countersign')
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid
              AND e.deptype = 'e')
      AND CASE
            WHEN t.tgparentid <> 0 THEN t.tgenabled <> first.tgenabled
            WHEN t.tgisinternal THEN t.tgenabled <> 'O'
            ELSE true
          END
) AS q
ORDER BY
    q.schema COLLATE pg_catalog."C",
    q.relation COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.definition COLLATE pg_catalog."C",
    q.enabled COLLATE pg_catalog."C"
