CREATE FUNCTION touch_updated_at() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- A semicolon; a quote ' and a dollar $ inside a body are the body's.
    NEW.updated_at := now();
    RETURN NEW;
END;
$$;
