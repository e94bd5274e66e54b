-- pgfp1 languages: procedural languages that no extension brought.
SELECT q.* FROM (
    SELECT
        (l.lanname)::pg_catalog.text AS name,
        (l.lanpltrusted)::pg_catalog.text AS trusted,
        (l.lanplcallfoid::pg_catalog.regproc)::pg_catalog.text AS handler,
        (l.laninline::pg_catalog.regproc)::pg_catalog.text AS inline_handler,
        (l.lanvalidator::pg_catalog.regproc)::pg_catalog.text AS validator
    FROM pg_catalog.pg_language AS l
    WHERE l.oid >= 16384
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_language'::pg_catalog.regclass AND e.objid = l.oid
              AND e.deptype = 'e')
) AS q
ORDER BY
    q.name COLLATE pg_catalog."C",
    q.trusted COLLATE pg_catalog."C",
    q.handler COLLATE pg_catalog."C",
    q.inline_handler COLLATE pg_catalog."C",
    q.validator COLLATE pg_catalog."C"
