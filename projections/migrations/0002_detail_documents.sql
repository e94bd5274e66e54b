-- Details of approvals and data sources as documents, as changes have them; view_id = <tenant>/<id of the aggregate>.
CREATE TABLE approval_detail (
    view_id text PRIMARY KEY,
    version bigint NOT NULL,
    payload json NOT NULL
);
CREATE TABLE data_source_detail (
    view_id text PRIMARY KEY,
    version bigint NOT NULL,
    payload json NOT NULL
);

-- Slices whose rows hold more than before start over: the log has all of it. First, as the worker locks them.
DELETE FROM positions WHERE name IN ('change_detail', 'jobs');
TRUNCATE change_detail, jobs;

-- When the agent began and ended, and what it signed.
ALTER TABLE jobs
    ADD COLUMN started_at timestamptz,
    ADD COLUMN ended_at timestamptz,
    ADD COLUMN result_sha256 text;
