-- A key's own rate ("60/min") and the SHA-256 thumbprint, in hex, of the client
-- certificate that it needs; empty: none. A program that does not know them
-- works on, but does not ask for the certificate and loses both on a rotation:
-- give keys a certificate when no older program runs beside this one any more.

-- +goose Up
ALTER TABLE api_key ADD COLUMN rate text NOT NULL DEFAULT '';
ALTER TABLE api_key ADD COLUMN certificate text NOT NULL DEFAULT '' CHECK (length(certificate) IN (0, 64));

-- +goose Down
ALTER TABLE api_key DROP COLUMN certificate;
ALTER TABLE api_key DROP COLUMN rate;
