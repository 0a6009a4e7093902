-- OAuth clients, as far as anything has to be kept of them: those that an
-- administrator made; and of others what was decided, when they were last used,
-- and what replaces what their id or their document says. A client that only
-- registered itself has no row. The metadata is JSON; of secrets it has hashes.

-- +goose Up

-- There is no foreign key to the tenants: most clients are everybody's.
CREATE TABLE oauth_client (
    id         text   PRIMARY KEY,
    kind       text   NOT NULL,
    state      text   NOT NULL,
    tenant     text   NOT NULL,
    name       text   NOT NULL,
    metadata   text,
    seen       bigint,
    created    bigint NOT NULL,
    last_used  bigint,
    deleted    bigint,
    decided_by text   NOT NULL DEFAULT '',
    reason     text   NOT NULL DEFAULT '',
    decided    bigint,
    CHECK ((metadata IS NULL) = (seen IS NULL))
);

-- What strangers cause is counted at each of it, and swept.
CREATE INDEX oauth_client_unused ON oauth_client (state, created) WHERE last_used IS NULL AND decided IS NULL;

-- +goose Down
DROP TABLE oauth_client;
