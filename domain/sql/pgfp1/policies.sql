-- pgfp1 policies: row level security.
SELECT q.* FROM (
    SELECT
        (n.nspname)::pg_catalog.text AS schema,
        (c.relname)::pg_catalog.text AS relation,
        (p.polname)::pg_catalog.text AS name,
        (p.polcmd)::pg_catalog.text AS command,
        (p.polpermissive)::pg_catalog.text AS permissive,
        ((SELECT pg_catalog.jsonb_agg(CASE WHEN r.role = 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(r.role)::pg_catalog.text END
                ORDER BY CASE WHEN r.role = 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(r.role)::pg_catalog.text END COLLATE pg_catalog."C")
            FROM pg_catalog.unnest(p.polroles) AS r(role)))::pg_catalog.text AS roles,
        (pg_catalog.pg_get_expr(p.polqual, p.polrelid))::pg_catalog.text AS using_expression,
        (pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))::pg_catalog.text AS check_expression
    FROM pg_catalog.pg_policy AS p
    JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
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
    q.command COLLATE pg_catalog."C",
    q.permissive COLLATE pg_catalog."C",
    q.roles COLLATE pg_catalog."C",
    q.using_expression COLLATE pg_catalog."C",
    q.check_expression COLLATE pg_catalog."C"
