CREATE TABLE vehicles (id int, wheels smallint);
CREATE TABLE trucks (payload_kg numeric) INHERITS (vehicles);
CREATE RULE no_deletes AS ON DELETE TO vehicles DO INSTEAD NOTHING;
