-- Times are microseconds since 1970, lists are JSON, digests are hex: types that
-- SQLite and PostgreSQL both have. Nothing is ever deleted from tenant and
-- api_key, so that no id can be given out again.

-- +goose Up

-- The one row that counts changes of keys and tenants. Each change takes its
-- number first, so changes commit in the order of their numbers.
CREATE TABLE revision (
    one     bigint PRIMARY KEY CHECK (one = 1),
    current bigint NOT NULL
);
INSERT INTO revision (one, current) VALUES (1, 1);

CREATE TABLE tenant (
    id       text   PRIMARY KEY,
    name     text   NOT NULL,
    state    text   NOT NULL CHECK (state IN ('active', 'suspended', 'deleted')),
    created  bigint NOT NULL,
    changed  bigint NOT NULL,
    revision bigint NOT NULL
);
CREATE UNIQUE INDEX tenant_name ON tenant (name) WHERE state <> 'deleted';
CREATE INDEX tenant_revision ON tenant (revision);

CREATE TABLE api_key (
    id          text   PRIMARY KEY,
    family      text   NOT NULL,
    tenant      text   NOT NULL REFERENCES tenant (id),
    name        text   NOT NULL,
    note        text   NOT NULL,
    tools       text   NOT NULL,
    networks    text   NOT NULL,
    digest      text   NOT NULL CHECK (length(digest) = 64),
    pepper      text   NOT NULL,
    created     bigint NOT NULL,
    expires     bigint,
    replaces    text   REFERENCES api_key (id),
    replaced_by text   UNIQUE REFERENCES api_key (id),
    retire_at   bigint,
    revoked_at  bigint,
    revoked_by  text   NOT NULL DEFAULT '',
    reason      text   NOT NULL DEFAULT '',
    revision    bigint NOT NULL,
    CHECK ((replaced_by IS NULL) = (retire_at IS NULL))
);
CREATE INDEX api_key_tenant ON api_key (tenant, created);
CREATE INDEX api_key_revision ON api_key (revision);

-- Apart from api_key, so that noting a use neither waits for a change nor counts as one.
CREATE TABLE key_use (
    key     text   PRIMARY KEY REFERENCES api_key (id),
    at      bigint NOT NULL,
    address text   NOT NULL,
    client  text   NOT NULL,
    tool    text   NOT NULL
);

-- Secrets of the installation, drawn at random once and shared by its replicas.
CREATE TABLE secret (
    name    text   PRIMARY KEY,
    value   text   NOT NULL,
    created bigint NOT NULL
);

-- +goose Down
DROP TABLE secret;
DROP TABLE key_use;
DROP TABLE api_key;
DROP TABLE tenant;
DROP TABLE revision;
