-- What our own authorization server keeps of what people allow. Codes are
-- digests, refresh tokens are derived from an id and a generation and are not
-- here at all, user codes of devices are MACs. A program that does not know these
-- tables works on: it gives out no tokens.

-- +goose Up

-- A grant is there from the moment that it is allowed: with a code that waits to
-- be redeemed, in generation 0. The generation counts its refresh tokens, so that
-- to spend one is to move it on from one number to the next.
CREATE TABLE oauth_grant (
    id           text   PRIMARY KEY,
    tenant       text   NOT NULL REFERENCES tenant (id),
    client       text   NOT NULL,
    subject      text   NOT NULL,
    resource     text   NOT NULL,
    scopes       text   NOT NULL,
    offline      bigint NOT NULL CHECK (offline IN (0, 1)),
    redirect     text   NOT NULL,
    jkt          text   NOT NULL,
    flow         text   NOT NULL,
    auth_time    bigint,
    idp_issuer   text   NOT NULL,
    idp_subject  text   NOT NULL,
    challenge    text   NOT NULL,
    bound        text   NOT NULL,
    code         text   NOT NULL,
    code_expires bigint NOT NULL,
    generation   bigint NOT NULL,
    rotated      bigint,
    created      bigint NOT NULL,
    last_used    bigint,
    expires      bigint NOT NULL,
    idle         bigint,
    revoked      bigint,
    reason       text   NOT NULL DEFAULT '',
    revoked_by   text   NOT NULL DEFAULT ''
);
CREATE INDEX oauth_grant_subject ON oauth_grant (subject, created);
CREATE INDEX oauth_grant_client ON oauth_grant (client, created);
CREATE INDEX oauth_grant_created ON oauth_grant (created);

-- Each scope by itself: what is allowed later is added without reading first.
CREATE TABLE oauth_consent (
    tenant   text   NOT NULL REFERENCES tenant (id),
    person   text   NOT NULL,
    client   text   NOT NULL,
    version  text   NOT NULL,
    resource text   NOT NULL,
    host     text   NOT NULL,
    scope    text   NOT NULL,
    created  bigint NOT NULL,
    expires  bigint NOT NULL,
    PRIMARY KEY (tenant, person, client, version, resource, host, scope)
);
CREATE INDEX oauth_consent_expires ON oauth_consent (expires);

CREATE TABLE oauth_device (
    id        text   PRIMARY KEY,
    client    text   NOT NULL,
    scopes    text   NOT NULL,
    resource  text   NOT NULL,
    offline   bigint NOT NULL CHECK (offline IN (0, 1)),
    flow      text   NOT NULL,
    code      text   NOT NULL,
    user_code text   NOT NULL UNIQUE,
    created   bigint NOT NULL,
    expires   bigint NOT NULL,
    asked     bigint NOT NULL DEFAULT 0,
    pace      bigint NOT NULL,
    decided   bigint,
    of_grant  text   REFERENCES oauth_grant (id) ON DELETE SET NULL
);
CREATE INDEX oauth_device_expires ON oauth_device (expires);

CREATE TABLE oauth_request (
    hash    text   PRIMARY KEY,
    client  text   NOT NULL,
    params  text   NOT NULL,
    expires bigint NOT NULL
);
CREATE INDEX oauth_request_expires ON oauth_request (expires);

-- What may be seen once: ids of assertions and proofs, decisions.
CREATE TABLE once_mark (
    mark    text   PRIMARY KEY,
    expires bigint NOT NULL
);
CREATE INDEX once_mark_expires ON once_mark (expires);

-- Secrets of all replicas that are sealed: the database alone does not tell them.
CREATE TABLE sealed_secret (
    name    text   PRIMARY KEY,
    value   text   NOT NULL,
    created bigint NOT NULL
);

-- Revocations get a kind. SQLite changes no CHECK, so the rows move house.
CREATE TABLE token_revocation_next (
    id            text   PRIMARY KEY,
    kind          text   NOT NULL CHECK (kind IN ('jti', 'token', 'subject', 'client', 'tenant', 'issuer', 'grant')),
    issuer        text   NOT NULL,
    value         text   NOT NULL,
    issued_before bigint,
    expires       bigint,
    created       bigint NOT NULL,
    revoked_by    text   NOT NULL,
    reason        text   NOT NULL,
    removed       bigint,
    revision      bigint NOT NULL,
    UNIQUE (kind, issuer, value)
);
INSERT INTO token_revocation_next SELECT id, kind, issuer, value, issued_before, expires, created, revoked_by, reason, removed, revision FROM token_revocation;
DROP TABLE token_revocation;
ALTER TABLE token_revocation_next RENAME TO token_revocation;
CREATE INDEX token_revocation_revision ON token_revocation (revision);
CREATE INDEX token_revocation_created ON token_revocation (created);
CREATE INDEX token_revocation_expires ON token_revocation (expires);

-- +goose Down
DELETE FROM token_revocation WHERE kind = 'grant';
DROP TABLE sealed_secret;
DROP TABLE once_mark;
DROP TABLE oauth_request;
DROP TABLE oauth_device;
DROP TABLE oauth_consent;
DROP TABLE oauth_grant;
