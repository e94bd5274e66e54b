-- Read models. Every table has the tenant in its primary key; only the projections worker writes.

-- How far each slice is, in which history, and which worker owns it.
CREATE TABLE lease (
    name text PRIMARY KEY,
    epoch bigint NOT NULL
);
CREATE TABLE positions (
    name text PRIMARY KEY,
    origin text NOT NULL,
    sequence bigint NOT NULL,
    hash text NOT NULL,
    epoch bigint NOT NULL
);

-- Commits set aside, with every later commit of the same aggregate.
CREATE TABLE parked (
    tenant text NOT NULL,
    aggregate_type text NOT NULL,
    aggregate_id text NOT NULL,
    sequence bigint NOT NULL,
    reason text NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, aggregate_type, aggregate_id, sequence)
);
-- Messages that are no commits of this log.
CREATE TABLE condemned (
    origin text NOT NULL,
    sequence bigint NOT NULL,
    subject text NOT NULL,
    hash text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (origin, sequence)
);

CREATE TABLE change_list (
    tenant text NOT NULL,
    id text NOT NULL,
    title text NOT NULL,
    data_source text NOT NULL,
    environment text NOT NULL,
    author text NOT NULL,
    state text NOT NULL,
    created_sequence bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX change_list_newest ON change_list (tenant, created_sequence DESC);
CREATE INDEX change_list_state ON change_list (tenant, state, created_sequence DESC);
CREATE INDEX change_list_data_source ON change_list (tenant, data_source, created_sequence DESC);

-- The shape that postgres-es reads; view_id = <tenant>/<change id>.
CREATE TABLE change_detail (
    view_id text PRIMARY KEY,
    version bigint NOT NULL,
    payload json NOT NULL
);

CREATE TABLE approvals (
    tenant text NOT NULL,
    id text NOT NULL,
    change text NOT NULL,
    revision bigint NOT NULL,
    environment text NOT NULL,
    state text NOT NULL,
    change_sha256 text NOT NULL,
    root_version bigint NOT NULL,
    policy text NOT NULL,
    stages jsonb NOT NULL,
    signed jsonb NOT NULL,
    rejected_by text,
    deadline timestamptz NOT NULL,
    created_sequence bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX approvals_newest ON approvals (tenant, created_sequence DESC);
CREATE INDEX approvals_state ON approvals (tenant, state, created_sequence DESC);
CREATE INDEX approvals_change ON approvals (tenant, change, created_sequence DESC);

CREATE TABLE data_sources (
    tenant text NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    engine text NOT NULL,
    environment text NOT NULL,
    agent text NOT NULL,
    agent_name text NOT NULL,
    labels jsonb NOT NULL,
    locked_by text,
    fence bigint NOT NULL,
    created_sequence bigint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX data_sources_newest ON data_sources (tenant, created_sequence DESC);
CREATE INDEX data_sources_name ON data_sources (tenant, name);

CREATE TABLE jobs (
    tenant text NOT NULL,
    id text NOT NULL,
    change text NOT NULL,
    data_source text NOT NULL,
    agent text NOT NULL,
    agent_name text NOT NULL,
    mode text NOT NULL,
    state text NOT NULL,
    fence bigint NOT NULL,
    attempt bigint NOT NULL,
    refusal text,
    sqlstate text,
    counted text[] NOT NULL,
    created_sequence bigint NOT NULL,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX jobs_newest ON jobs (tenant, created_sequence DESC);
CREATE INDEX jobs_state ON jobs (tenant, state, created_sequence DESC);
CREATE INDEX jobs_change ON jobs (tenant, change, created_sequence DESC);

CREATE TABLE agents (
    tenant text NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    spiffe_id text NOT NULL,
    created_sequence bigint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX agents_newest ON agents (tenant, created_sequence DESC);
CREATE INDEX agents_name ON agents (tenant, name);

CREATE TABLE principals (
    tenant text NOT NULL,
    id text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    roles text[] NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, id)
);
-- Only digests of tokens are known.
CREATE TABLE principal_tokens (
    tenant text NOT NULL,
    principal text NOT NULL,
    token_sha256 text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, principal, token_sha256)
);

CREATE TABLE trust_roots (
    tenant text NOT NULL,
    version bigint NOT NULL,
    sha256 text NOT NULL,
    envelope_sha256 text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, version)
);
