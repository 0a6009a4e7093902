-- Tools as servers describe them, and as they were approved. A definition is the
-- canonical JSON of what is pinned of a tool.

-- +goose Up

-- The one row that counts new tools and approvals, so that replicas notice.
CREATE TABLE tool_generation (
    one     bigint PRIMARY KEY CHECK (one = 1),
    current bigint NOT NULL
);
INSERT INTO tool_generation (one, current) VALUES (1, 1);

-- The tenant is empty where all share a server. There is no reference to the
-- tenants: what was approved outlives whoever left, and harms nobody.
CREATE TABLE tool (
    server      text   NOT NULL,
    tenant      text   NOT NULL,
    name        text   NOT NULL,
    seen        text   NOT NULL,
    seen_at     bigint NOT NULL,
    first_seen  bigint NOT NULL,
    approved    text,
    approved_at bigint,
    approved_by text,
    PRIMARY KEY (server, tenant, name),
    CHECK ((approved IS NULL) = (approved_at IS NULL)),
    CHECK ((approved IS NULL) = (approved_by IS NULL))
);

-- +goose Down
DROP TABLE tool;
DROP TABLE tool_generation;
