CREATE SCHEMA reporting;
SET LOCAL search_path = reporting, public;
CREATE TABLE snapshots (taken_on date PRIMARY KEY, body jsonb);
CREATE VIEW latest AS SELECT * FROM snapshots ORDER BY taken_on DESC LIMIT 1;
