CREATE MATERIALIZED VIEW sales_by_country AS
    SELECT ship_to, date_trunc('month', placed_at) AS month, sum(total)::numeric(16, 2) AS sold
    FROM orders GROUP BY 1, 2
WITH NO DATA;
CREATE UNIQUE INDEX sales_by_country_key ON sales_by_country (ship_to, month);
