CREATE RECURSIVE VIEW node_paths (id, path) AS
    SELECT id, ARRAY[id] FROM nodes WHERE parent IS NULL
    UNION ALL
    SELECT n.id, p.path || n.id FROM nodes n JOIN node_paths p ON n.parent = p.id;

WITH moved AS (DELETE FROM parts WHERE id < 0 RETURNING *)
INSERT INTO suppliers (name) SELECT sku FROM moved;
