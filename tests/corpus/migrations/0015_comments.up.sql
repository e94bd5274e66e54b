COMMENT ON TABLE customers IS 'People who buy; "quoted", it''s commented';
COMMENT ON COLUMN customers.email IS E'one per person\nlower case';
COMMENT ON FUNCTION order_count(bigint) IS 'how many';
COMMENT ON TYPE order_state IS 'life of an order';
