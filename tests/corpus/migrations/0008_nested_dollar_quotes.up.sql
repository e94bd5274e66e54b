CREATE OR REPLACE FUNCTION describe(what text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $outer$
DECLARE
    said text;
BEGIN
    EXECUTE $inner$ SELECT 'it''s ' || $1 || ';' $inner$ INTO said USING what;
    RETURN said;
END
$outer$;
