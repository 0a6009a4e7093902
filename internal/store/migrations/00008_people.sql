-- People: who they are, by which providers they are known, what they prove
-- themselves with, and the browsers in which they did. Nothing here lets anybody
-- in who has a copy of it: passwords are hashed slowly, what is random is hashed,
-- and the secrets of authenticators are sealed.

-- +goose Up

CREATE TABLE login_user (
    id       text    PRIMARY KEY,
    tenant   text    NOT NULL REFERENCES tenant (id),
    username text    UNIQUE,
    name     text    NOT NULL,
    email    text    NOT NULL,
    vouched  boolean NOT NULL,
    teams    text    NOT NULL,
    roles    text    NOT NULL,
    state    text    NOT NULL CHECK (state IN ('active', 'disabled', 'invited')),
    created  bigint  NOT NULL,
    seen     bigint
);
CREATE INDEX login_user_tenant ON login_user (tenant, id);
CREATE INDEX login_user_email ON login_user (tenant, email);

-- An identity is the pair of issuer and subject, and nothing else.
CREATE TABLE login_link (
    issuer   text   NOT NULL,
    subject  text   NOT NULL,
    user_id  text   NOT NULL REFERENCES login_user (id),
    provider text   NOT NULL,
    email    text   NOT NULL,
    teams    text   NOT NULL,
    roles    text   NOT NULL,
    created  bigint NOT NULL,
    used     bigint NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX login_link_user ON login_link (user_id);

-- The hash is of what the browser's cookie holds. Issuer and subject are empty
-- for an account of ours.
CREATE TABLE login_session (
    hash      text   PRIMARY KEY,
    id        text   NOT NULL UNIQUE,
    user_id   text   NOT NULL REFERENCES login_user (id),
    issuer    text   NOT NULL,
    subject   text   NOT NULL,
    provider  text   NOT NULL,
    methods   text   NOT NULL,
    signed_in bigint NOT NULL,
    seen      bigint NOT NULL,
    expires   bigint NOT NULL,
    address   text   NOT NULL,
    agent     text   NOT NULL
);
CREATE INDEX login_session_user ON login_session (user_id, signed_in);
CREATE INDEX login_session_expires ON login_session (expires);

-- The step is that of the last one-time code that was used.
CREATE TABLE login_secret (
    user_id  text   PRIMARY KEY REFERENCES login_user (id),
    password text   NOT NULL,
    totp     text   NOT NULL,
    step     bigint NOT NULL,
    changed  bigint NOT NULL
);

CREATE TABLE login_passkey (
    credential text   PRIMARY KEY,
    id         text   NOT NULL UNIQUE,
    user_id    text   NOT NULL REFERENCES login_user (id),
    name       text   NOT NULL,
    record     text   NOT NULL,
    created    bigint NOT NULL,
    used       bigint
);
CREATE INDEX login_passkey_user ON login_passkey (user_id);

CREATE TABLE login_recovery (
    user_id text NOT NULL REFERENCES login_user (id),
    hash    text NOT NULL,
    PRIMARY KEY (user_id, hash)
);

-- A user has one invitation at most: a later one replaces it.
CREATE TABLE login_invitation (
    user_id text   PRIMARY KEY REFERENCES login_user (id),
    id      text   NOT NULL UNIQUE,
    hash    text   NOT NULL UNIQUE,
    expires bigint NOT NULL,
    created bigint NOT NULL,
    made_by text   NOT NULL
);

-- Challenges that were answered, until they would have ended.
CREATE TABLE login_challenge (
    hash    text   PRIMARY KEY,
    expires bigint NOT NULL
);
CREATE INDEX login_challenge_expires ON login_challenge (expires);

-- How often somebody tried. There are a million buckets of each kind at most.
CREATE TABLE login_attempt (
    bucket text   PRIMARY KEY,
    tries  bigint NOT NULL,
    waits  bigint NOT NULL,
    tried  bigint NOT NULL
);
CREATE INDEX login_attempt_tried ON login_attempt (tried);

-- +goose Down
DROP TABLE login_attempt;
DROP TABLE login_challenge;
DROP TABLE login_invitation;
DROP TABLE login_recovery;
DROP TABLE login_passkey;
DROP TABLE login_secret;
DROP TABLE login_session;
DROP TABLE login_link;
DROP TABLE login_user;
