ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY orders_of_own_country ON orders AS PERMISSIVE FOR SELECT TO PUBLIC
    USING (ship_to = current_setting('app.country', true));
CREATE POLICY orders_not_returned ON orders AS RESTRICTIVE FOR UPDATE
    USING (state <> 'returned') WITH CHECK (total >= 0);
