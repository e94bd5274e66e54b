-- pgfp1 event_triggers.
SELECT q.* FROM (
    SELECT
        (t.evtname)::pg_catalog.text AS name,
        (t.evtevent)::pg_catalog.text AS event,
        (t.evtenabled)::pg_catalog.text AS enabled,
        (t.evtfoid::pg_catalog.regprocedure)::pg_catalog.text AS function,
        ((SELECT pg_catalog.jsonb_agg(o.v ORDER BY o.v COLLATE pg_catalog."C")::pg_catalog.text FROM pg_catalog.unnest(t.evttags) AS o(v)))::pg_catalog.text AS tags
    FROM pg_catalog.pg_event_trigger AS t
    WHERE NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass AND e.objid = t.oid
              AND e.deptype = 'e')
) AS q
ORDER BY
    q.name COLLATE pg_catalog."C",
    q.event COLLATE pg_catalog."C",
    q.enabled COLLATE pg_catalog."C",
    q.function COLLATE pg_catalog."C",
    q.tags COLLATE pg_catalog."C"
