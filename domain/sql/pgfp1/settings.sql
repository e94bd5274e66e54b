-- pgfp1 settings: what the texts of the catalog functions depend on, until the transaction or savepoint ends.
SELECT
    pg_catalog.set_config('search_path', '', true),
    pg_catalog.set_config('TimeZone', 'UTC', true),
    pg_catalog.set_config('DateStyle', 'ISO, MDY', true),
    pg_catalog.set_config('IntervalStyle', 'postgres', true),
    pg_catalog.set_config('extra_float_digits', '1', true),
    pg_catalog.set_config('bytea_output', 'hex', true),
    pg_catalog.set_config('xmlbinary', 'base64', true),
    pg_catalog.set_config('quote_all_identifiers', 'off', true),
    pg_catalog.set_config('lc_monetary', 'C', true),
    pg_catalog.set_config('standard_conforming_strings', 'on', true)
