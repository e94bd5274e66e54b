-- pgfp1 comments: on schemas, relations, columns, types, functions, constraints, triggers and policies.
SELECT q.* FROM (
    SELECT
        (i.type)::pg_catalog.text AS kind,
        (i.identity)::pg_catalog.text AS identity,
        (d.description)::pg_catalog.text AS comment_text
    FROM pg_catalog.pg_description AS d
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classoid, d.objoid, d.objsubid) AS i
    WHERE d.objoid >= 16384
      AND d.classoid IN (
        'pg_catalog.pg_namespace'::pg_catalog.regclass, 'pg_catalog.pg_class'::pg_catalog.regclass,
        'pg_catalog.pg_type'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass,
        'pg_catalog.pg_constraint'::pg_catalog.regclass, 'pg_catalog.pg_trigger'::pg_catalog.regclass,
        'pg_catalog.pg_policy'::pg_catalog.regclass)
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = d.classoid AND e.objid = d.objoid AND e.deptype = 'e')
      -- constraints, triggers and policies have no schema of their own; it is their table's
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_namespace AS n
            WHERE NOT (n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'countersign'))
              AND n.oid = COALESCE(
                (SELECT c.relnamespace FROM pg_catalog.pg_class AS c WHERE d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = d.objoid),
                (SELECT t.typnamespace FROM pg_catalog.pg_type AS t WHERE d.classoid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid = d.objoid),
                (SELECT p.pronamespace FROM pg_catalog.pg_proc AS p WHERE d.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = d.objoid),
                (SELECT k.connamespace FROM pg_catalog.pg_constraint AS k WHERE d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = d.objoid),
                (SELECT c.relnamespace FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid WHERE d.classoid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND t.oid = d.objoid),
                (SELECT c.relnamespace FROM pg_catalog.pg_policy AS p JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid WHERE d.classoid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND p.oid = d.objoid),
                d.objoid))
) AS q
ORDER BY
    q.kind COLLATE pg_catalog."C",
    q.identity COLLATE pg_catalog."C",
    q.comment_text COLLATE pg_catalog."C"
