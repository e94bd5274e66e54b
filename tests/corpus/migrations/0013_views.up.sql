CREATE VIEW open_orders WITH (security_barrier = true) AS
    SELECT o.id, o.total, c.email
    FROM orders o JOIN customers c ON c.id = o.customer_id
    WHERE o.state IN ('new', 'paid');

CREATE VIEW new_orders AS SELECT id, state FROM orders WHERE state = 'new' WITH CASCADED CHECK OPTION;
