CREATE TABLE audit (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    happened    tstzrange,
    free        tstzmultirange,
    position    point,
    network     inet,
    weight      interval DAY TO SECOND(3),
    search      tsvector GENERATED ALWAYS AS (to_tsvector('english', coalesce(note, ''))) STORED,
    note        text COLLATE "C"
);
CREATE INDEX audit_search ON audit USING gin (search);
CREATE INDEX audit_network ON audit USING spgist (network inet_ops);
CREATE INDEX audit_brin ON audit USING brin (happened) WITH (pages_per_range = 32);
