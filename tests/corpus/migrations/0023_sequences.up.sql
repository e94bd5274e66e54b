CREATE SEQUENCE invoice_number AS bigint INCREMENT BY 10 MINVALUE 100 START WITH 100 CACHE 5 CYCLE MAXVALUE 100000;
CREATE TABLE invoices (number bigint PRIMARY KEY DEFAULT nextval('invoice_number'), order_id bigint);
ALTER SEQUENCE invoice_number OWNED BY invoices.number;
