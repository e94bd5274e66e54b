-- pgfp1 grants: how privileges differ from the built-in default of each kind, so that neither owners nor an
-- explicitly written default count. Grantors are left out.
SELECT q.* FROM (
    SELECT
        (o.kind)::pg_catalog.text AS kind,
        (o.nspname)::pg_catalog.text AS schema,
        (o.name)::pg_catalog.text AS name,
        (o.detail)::pg_catalog.text AS detail,
        (x.difference)::pg_catalog.text AS difference,
        (CASE WHEN x.grantee = 0 THEN 'PUBLIC' WHEN x.grantee = o.owner THEN '<owner>' ELSE pg_catalog.pg_get_userbyid(x.grantee)::pg_catalog.text END)::pg_catalog.text AS grantee,
        (x.privilege_type)::pg_catalog.text AS privilege,
        (x.is_grantable)::pg_catalog.text AS grantable
    FROM (
        SELECT 'schema' AS kind, n.nspname, n.nspname AS name, NULL AS detail, n.nspowner AS owner, n.nspacl AS acl,
            pg_catalog.acldefault('n', n.nspowner) AS built_in
        FROM pg_catalog.pg_namespace AS n
        WHERE NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND e.objid = n.oid
              AND e.deptype = 'e')
        UNION ALL
        SELECT CASE WHEN c.relkind = 'S' THEN 'sequence' ELSE 'table' END, n.nspname, c.relname, NULL, c.relowner, c.relacl,
            pg_catalog.acldefault(CASE WHEN c.relkind = 'S' THEN 's' ELSE 'r' END::pg_catalog."char", c.relowner)
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid
              AND e.deptype = 'e')
        UNION ALL
        SELECT 'column', n.nspname, c.relname, a.attname, c.relowner, a.attacl, NULL
        FROM pg_catalog.pg_attribute AS a
        JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE NOT a.attisdropped
          AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid
              AND e.deptype = 'e')
        UNION ALL
        SELECT 'function', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid), p.proowner, p.proacl,
            pg_catalog.acldefault('f', p.proowner)
        FROM pg_catalog.pg_proc AS p
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        WHERE NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND e.objid = p.oid
              AND e.deptype IN ('e', 'i'))
        UNION ALL
        SELECT 'type', n.nspname, t.typname, NULL, t.typowner, t.typacl, pg_catalog.acldefault('T', t.typowner)
        FROM pg_catalog.pg_type AS t
        JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
        WHERE NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND e.objid = t.oid
              AND e.deptype = 'e')
        UNION ALL
        SELECT 'foreign data wrapper', '', w.fdwname, NULL, w.fdwowner, w.fdwacl, pg_catalog.acldefault('F', w.fdwowner)
        FROM pg_catalog.pg_foreign_data_wrapper AS w
        WHERE NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass AND e.objid = w.oid
              AND e.deptype = 'e')
        UNION ALL
        SELECT 'foreign server', '', s.srvname, NULL, s.srvowner, s.srvacl, pg_catalog.acldefault('S', s.srvowner)
        FROM pg_catalog.pg_foreign_server AS s
        WHERE NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_foreign_server'::pg_catalog.regclass AND e.objid = s.oid
              AND e.deptype = 'e')
        UNION ALL
        SELECT 'default privileges', COALESCE(n.nspname, ''), pg_catalog.pg_get_userbyid(d.defaclrole), d.defaclobjtype::pg_catalog.text,
            d.defaclrole, d.defaclacl,
            CASE WHEN d.defaclnamespace = 0
                THEN pg_catalog.acldefault(CASE WHEN d.defaclobjtype = 'S' THEN 's' ELSE d.defaclobjtype END, d.defaclrole)
                ELSE NULL END
        FROM pg_catalog.pg_default_acl AS d
        LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = d.defaclnamespace AND d.defaclnamespace <> 0
    ) AS o
    CROSS JOIN LATERAL (
        (SELECT 'granted' AS difference, g.grantee, g.privilege_type, g.is_grantable FROM pg_catalog.aclexplode(o.acl) AS g
         EXCEPT
         SELECT 'granted', g.grantee, g.privilege_type, g.is_grantable FROM pg_catalog.aclexplode(o.built_in) AS g)
        UNION ALL
        (SELECT 'revoked', g.grantee, g.privilege_type, g.is_grantable FROM pg_catalog.aclexplode(o.built_in) AS g
         EXCEPT
         SELECT 'revoked', g.grantee, g.privilege_type, g.is_grantable FROM pg_catalog.aclexplode(o.acl) AS g)
    ) AS x
    WHERE o.acl IS NOT NULL
      AND o.nspname !~ '^pg_' AND o.nspname NOT IN ('information_schema', 'countersign')
) AS q
ORDER BY
    q.kind COLLATE pg_catalog."C",
    q.schema COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.detail COLLATE pg_catalog."C",
    q.difference COLLATE pg_catalog."C",
    q.grantee COLLATE pg_catalog."C",
    q.privilege COLLATE pg_catalog."C",
    q.grantable COLLATE pg_catalog."C"
