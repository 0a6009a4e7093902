-- What people refused on the page that asks them, for as long as what they
-- allowed; and where a decision led, sealed, for whoever presses a button twice.

-- +goose Up
ALTER TABLE once_mark ADD COLUMN ending text NOT NULL DEFAULT '';

CREATE TABLE oauth_refusal (
    tenant   text   NOT NULL REFERENCES tenant (id),
    person   text   NOT NULL,
    client   text   NOT NULL,
    version  text   NOT NULL,
    resource text   NOT NULL,
    host     text   NOT NULL,
    scope    text   NOT NULL,
    expires  bigint NOT NULL,
    PRIMARY KEY (tenant, person, client, version, resource, host, scope)
);
CREATE INDEX oauth_refusal_expires ON oauth_refusal (expires);

-- +goose Down
ALTER TABLE once_mark DROP COLUMN ending;
DROP TABLE oauth_refusal;
