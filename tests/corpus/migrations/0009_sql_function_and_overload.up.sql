CREATE FUNCTION order_count(customer bigint) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT count(*) FROM orders WHERE customer_id = customer);

CREATE FUNCTION order_count(customer bigint, wanted order_state) RETURNS bigint
    LANGUAGE sql STABLE
    AS 'SELECT count(*) FROM orders WHERE customer_id = customer AND state = wanted';
