CREATE TYPE postal_address AS (
    street   text,
    city     text,
    country  country_code
);
ALTER TABLE customers ADD COLUMN address postal_address;
