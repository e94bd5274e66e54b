CREATE TABLE suppliers (id serial PRIMARY KEY, name varchar(100) NOT NULL);
CREATE TABLE parts (
    id           serial PRIMARY KEY,
    supplier_id  int NOT NULL,
    sku          varchar(32) NOT NULL
);
INSERT INTO suppliers (name) VALUES ('Ada & Co; Ltd'), ('O''Neill');
INSERT INTO parts (supplier_id, sku) SELECT id, 'SKU-' || id FROM suppliers;
ALTER TABLE parts ADD CONSTRAINT parts_supplier FOREIGN KEY (supplier_id) REFERENCES suppliers (id);
CREATE UNIQUE INDEX parts_sku ON parts (lower(sku));
UPDATE parts SET sku = upper(sku);
DELETE FROM parts WHERE false;
