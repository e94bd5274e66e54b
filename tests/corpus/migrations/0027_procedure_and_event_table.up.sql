CREATE PROCEDURE archive_orders(before date)
LANGUAGE plpgsql AS $procedure$
BEGIN
    DELETE FROM orders WHERE placed_at < before;
END
$procedure$;
CREATE UNLOGGED TABLE events (at timestamptz DEFAULT clock_timestamp(), kind "char", payload bytea);
