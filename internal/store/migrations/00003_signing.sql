-- Keys that we sign with, and how to tell the right key to seal under from a
-- wrong one. A private half is sealed: it opens in its own row only, under a key
-- that is not in the database.

-- +goose Up

-- The one row that counts changes of signing keys. A change names the number it
-- was decided upon, so of many that were decided at once one is made.
CREATE TABLE signing_generation (
    one     bigint PRIMARY KEY CHECK (one = 1),
    current bigint NOT NULL
);
INSERT INTO signing_generation (one, current) VALUES (1, 1);

-- A key that was removed stays on record without its private half.
CREATE TABLE signing_key (
    id      text   PRIMARY KEY,
    alg     text   NOT NULL,
    sealed  text   NOT NULL,
    created bigint NOT NULL,
    signs   bigint NOT NULL,
    removed bigint,
    CHECK ((removed IS NULL) = (sealed <> ''))
);

-- Something known, sealed: it opens under the right key only.
CREATE TABLE seal_check (
    one     bigint PRIMARY KEY CHECK (one = 1),
    value   text   NOT NULL,
    created bigint NOT NULL
);

-- +goose Down
DROP TABLE seal_check;
DROP TABLE signing_key;
DROP TABLE signing_generation;
