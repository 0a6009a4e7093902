-- What access tokens of others need: which tenant an issuer means by what it says
-- of one, and which tokens are not accepted any more. Both tables count their
-- changes in revision. A program that does not know them works on: it has no
-- callers with tokens.

-- +goose Up

-- What an issuer, by its iss, calls a tenant. A row that an older program left of
-- a tenant that it deleted counts for nothing, and gives way.
CREATE TABLE tenant_link (
    issuer   text   NOT NULL,
    external text   NOT NULL,
    tenant   text   NOT NULL REFERENCES tenant (id),
    created  bigint NOT NULL,
    PRIMARY KEY (issuer, external)
);
CREATE INDEX tenant_link_tenant ON tenant_link (tenant);

-- One row for everything that can be named: a later revocation of the same
-- replaces what an earlier one said, and never reaches less far back. issued_before null
-- means whenever issued, expires null means for good. A row that was taken back
-- stays for a while, so that every replica learns of it.
CREATE TABLE token_revocation (
    id            text   PRIMARY KEY,
    kind          text   NOT NULL CHECK (kind IN ('jti', 'token', 'subject', 'client', 'tenant', 'issuer')),
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
CREATE INDEX token_revocation_revision ON token_revocation (revision);
CREATE INDEX token_revocation_created ON token_revocation (created);
CREATE INDEX token_revocation_expires ON token_revocation (expires);

-- +goose Down
DROP TABLE token_revocation;
DROP TABLE tenant_link;
