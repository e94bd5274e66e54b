-- pgfp1 constraints: of tables and domains. NOT NULL is in columns (PostgreSQL 18 lists it here too), constraint
-- triggers are in triggers, and the copies of a foreign key on partitions follow from the first.
SELECT q.* FROM (
    SELECT
        (n.nspname)::pg_catalog.text AS schema,
        (CASE WHEN k.conrelid <> 0 THEN 'table' ELSE 'domain' END)::pg_catalog.text AS owner_kind,
        (COALESCE(c.relname, t.typname))::pg_catalog.text AS owner_name,
        (k.conname)::pg_catalog.text AS name,
        (k.contype)::pg_catalog.text AS kind,
        (pg_catalog.pg_get_constraintdef(k.oid))::pg_catalog.text AS definition,
        (k.convalidated)::pg_catalog.text AS validated,
        (k.conislocal)::pg_catalog.text AS is_local,
        (k.connoinherit AND k.contype = 'c')::pg_catalog.text AS no_inherit
    FROM pg_catalog.pg_constraint AS k
    LEFT JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid AND k.conrelid <> 0
    LEFT JOIN pg_catalog.pg_type AS t ON t.oid = k.contypid AND k.contypid <> 0
    JOIN pg_catalog.pg_namespace AS n ON n.oid = COALESCE(c.relnamespace, t.typnamespace)
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'countersign')
      AND k.contype IN ('c', 'f', 'p', 'u', 'x')
      AND NOT (k.contype = 'f' AND k.conparentid <> 0)
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = k.conrelid
              AND e.deptype = 'e')
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND e.objid = k.contypid
              AND e.deptype = 'e')
) AS q
ORDER BY
    q.schema COLLATE pg_catalog."C",
    q.owner_kind COLLATE pg_catalog."C",
    q.owner_name COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.kind COLLATE pg_catalog."C",
    q.definition COLLATE pg_catalog."C",
    q.validated COLLATE pg_catalog."C",
    q.is_local COLLATE pg_catalog."C",
    q.no_inherit COLLATE pg_catalog."C"
