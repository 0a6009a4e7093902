-- Sign-ins under way at identity providers, and the providers' tokens that
-- servers of ours are to get. What is secret in either is sealed.

-- +goose Up

-- The key is the SHA-256 of the state, the browser that of its cookie.
CREATE TABLE federation_login (
    state    text   PRIMARY KEY,
    provider text   NOT NULL,
    browser  text   NOT NULL,
    sealed   text   NOT NULL,
    expires  bigint NOT NULL
);
CREATE INDEX federation_login_expires ON federation_login (expires);

-- An empty text was a refresh token that the provider takes no more. The holder
-- of the lease is the one who renews the tokens, of all replicas.
CREATE TABLE federation_token (
    tenant      text   NOT NULL,
    user_id     text   NOT NULL,
    provider    text   NOT NULL,
    sealed      text   NOT NULL,
    expires     bigint,
    version     bigint NOT NULL,
    changed     bigint NOT NULL,
    lease       text,
    lease_until bigint,
    PRIMARY KEY (tenant, user_id, provider)
);

-- +goose Down
DROP TABLE federation_token;
DROP TABLE federation_login;
