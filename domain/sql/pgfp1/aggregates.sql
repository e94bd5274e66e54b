-- pgfp1 aggregates.
SELECT q.* FROM (
    SELECT
        (n.nspname)::pg_catalog.text AS schema,
        (p.proname)::pg_catalog.text AS name,
        (pg_catalog.pg_get_function_arguments(p.oid))::pg_catalog.text AS arguments,
        (pg_catalog.pg_get_function_result(p.oid))::pg_catalog.text AS result,
        (a.aggkind)::pg_catalog.text AS kind,
        (a.aggnumdirectargs)::pg_catalog.text AS direct_arguments,
        (p.proparallel)::pg_catalog.text AS parallel,
        (a.aggtransfn::pg_catalog.regprocedure)::pg_catalog.text AS transition,
        (pg_catalog.format_type(a.aggtranstype, NULL))::pg_catalog.text AS transition_type,
        (a.aggtransspace)::pg_catalog.text AS transition_space,
        (a.agginitval)::pg_catalog.text AS initial_value,
        (a.aggfinalfn::pg_catalog.regprocedure)::pg_catalog.text AS final,
        (a.aggfinalextra)::pg_catalog.text AS final_extra,
        (a.aggfinalmodify)::pg_catalog.text AS final_modify,
        (a.aggcombinefn::pg_catalog.regprocedure)::pg_catalog.text AS combine,
        (a.aggserialfn::pg_catalog.regprocedure)::pg_catalog.text AS serial,
        (a.aggdeserialfn::pg_catalog.regprocedure)::pg_catalog.text AS deserial,
        (a.aggmtransfn::pg_catalog.regprocedure)::pg_catalog.text AS moving_transition,
        (a.aggminvtransfn::pg_catalog.regprocedure)::pg_catalog.text AS moving_inverse,
        (CASE WHEN a.aggmtranstype <> 0 THEN pg_catalog.format_type(a.aggmtranstype, NULL) END)::pg_catalog.text AS moving_type,
        (a.aggmtransspace)::pg_catalog.text AS moving_space,
        (a.aggminitval)::pg_catalog.text AS moving_initial_value,
        (a.aggmfinalfn::pg_catalog.regprocedure)::pg_catalog.text AS moving_final,
        (a.aggmfinalextra)::pg_catalog.text AS moving_final_extra,
        (a.aggmfinalmodify)::pg_catalog.text AS moving_final_modify,
        (a.aggsortop::pg_catalog.regoperator)::pg_catalog.text AS sort_operator
    FROM pg_catalog.pg_aggregate AS a
    JOIN pg_catalog.pg_proc AS p ON p.oid = a.aggfnoid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'countersign')
      AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND e.objid = p.oid
              AND e.deptype IN ('e', 'i'))
) AS q
ORDER BY
    q.schema COLLATE pg_catalog."C",
    q.name COLLATE pg_catalog."C",
    q.arguments COLLATE pg_catalog."C",
    q.result COLLATE pg_catalog."C",
    q.kind COLLATE pg_catalog."C",
    q.direct_arguments COLLATE pg_catalog."C",
    q.parallel COLLATE pg_catalog."C",
    q.transition COLLATE pg_catalog."C",
    q.transition_type COLLATE pg_catalog."C",
    q.transition_space COLLATE pg_catalog."C",
    q.initial_value COLLATE pg_catalog."C",
    q.final COLLATE pg_catalog."C",
    q.final_extra COLLATE pg_catalog."C",
    q.final_modify COLLATE pg_catalog."C",
    q.combine COLLATE pg_catalog."C",
    q.serial COLLATE pg_catalog."C",
    q.deserial COLLATE pg_catalog."C",
    q.moving_transition COLLATE pg_catalog."C",
    q.moving_inverse COLLATE pg_catalog."C",
    q.moving_type COLLATE pg_catalog."C",
    q.moving_space COLLATE pg_catalog."C",
    q.moving_initial_value COLLATE pg_catalog."C",
    q.moving_final COLLATE pg_catalog."C",
    q.moving_final_extra COLLATE pg_catalog."C",
    q.moving_final_modify COLLATE pg_catalog."C",
    q.sort_operator COLLATE pg_catalog."C"
