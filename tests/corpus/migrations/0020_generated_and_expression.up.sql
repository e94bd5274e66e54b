ALTER TABLE customers
    ADD COLUMN email_domain text GENERATED ALWAYS AS (split_part(email, '@', 2)) STORED,
    ALTER COLUMN full_name SET DEFAULT 'unknown';
CREATE INDEX customers_name_trgm ON customers USING gist (full_name gist_trgm_ops);
CREATE STATISTICS customers_stats (dependencies, ndistinct) ON email, full_name FROM customers;
