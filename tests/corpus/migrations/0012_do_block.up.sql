DO $do$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['north', 'south', 'east', 'west'] LOOP
        EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, note text)', 'region_' || name);
    END LOOP;
END
$do$;
