ALTER TABLE invoices RENAME COLUMN order_id TO for_order;
ALTER TABLE region_west RENAME TO region_far_west;
DROP TABLE region_east;
ALTER TABLE region_north DROP COLUMN note;
