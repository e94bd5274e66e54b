-- pgfp1 rules: without the rule that makes a view a view.
SELECT q.* FROM (
    SELECT
        (n.nspname)::pg_catalog.text AS schema,
        (c.relname)::pg_catalog.text AS relation,
        (r.rulename)::pg_catalog.text AS name,
        (pg_catalog.pg_get_ruledef(r.oid))::pg_catalog.text AS definition,
        (r.ev_enabled)::pg_catalog.text AS enabled
    FROM pg_catalog.pg_rewrite AS r
    JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'countersign')
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid
              AND e.deptype = 'e')
      AND NOT (c.relkind IN ('v', 'm') AND r.rulename = '_RETURN')
) AS q
ORDER BY
    q.schema COLLATE pg_catalog."C",
    q.relation COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.definition COLLATE pg_catalog."C",
    q.enabled COLLATE pg_catalog."C"
