package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// MaxBody bounds a request and an answer, in bytes.
const MaxBody = 16 << 20

// Client asks an admin door. Its methods return an [*Error] for a refusal, and
// any other error when there was no answer.
type Client struct {
	Transport http.RoundTripper // required: to the door, wherever it is
	DryRun    bool              // ask what would happen; nothing is changed
}

// Status describes the server.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return call[Status](ctx, c, http.MethodGet, "/v1/status", nil)
}

// Keys lists keys, newest first; the empty tenant stands for all of them.
func (c *Client) Keys(ctx context.Context, tenant string) ([]Key, error) {
	list, err := call[[]Key](ctx, c, http.MethodGet, "/v1/keys?tenant="+url.QueryEscape(tenant), nil)
	if err != nil {
		return nil, err
	}
	return *list, nil
}

// CreateKey makes a key. The answer holds its secret, once.
func (c *Client) CreateKey(ctx context.Context, k NewKey) (*Key, error) {
	return call[Key](ctx, c, http.MethodPost, "/v1/keys", k)
}

// Key shows one key.
func (c *Client) Key(ctx context.Context, id string) (*Key, error) {
	return call[Key](ctx, c, http.MethodGet, "/v1/keys/"+url.PathEscape(id), nil)
}

// UpdateKey changes what a key may do, at once.
func (c *Client) UpdateKey(ctx context.Context, id string, k KeyChange) (*Key, error) {
	return call[Key](ctx, c, http.MethodPatch, "/v1/keys/"+url.PathEscape(id), k)
}

// RotateKey makes a successor and returns it with its secret, once.
func (c *Client) RotateKey(ctx context.Context, id string, r Rotate) (*Key, error) {
	return call[Key](ctx, c, http.MethodPost, "/v1/keys/"+url.PathEscape(id)+"/rotate", r)
}

// CancelRotation revokes the successor and returns the key that lives on.
func (c *Client) CancelRotation(ctx context.Context, id string) (*Key, error) {
	return call[Key](ctx, c, http.MethodDelete, "/v1/keys/"+url.PathEscape(id)+"/rotate", nil)
}

// RevokeKey ends a key for good, at once.
func (c *Client) RevokeKey(ctx context.Context, id string, r Revoke) (*Key, error) {
	return call[Key](ctx, c, http.MethodPost, "/v1/keys/"+url.PathEscape(id)+"/revoke", r)
}

// VerifyKey says what a key is worth.
func (c *Client) VerifyKey(ctx context.Context, key string) (*Verdict, error) {
	return call[Verdict](ctx, c, http.MethodPost, "/v1/keys/verify", Verify{Key: key})
}

// ImportKeys takes over keys minted elsewhere, one by one.
func (c *Client) ImportKeys(ctx context.Context, keys []ImportKey) ([]ImportResult, error) {
	answer, err := call[Imported](ctx, c, http.MethodPost, "/v1/keys/import", Import{Keys: keys})
	if err != nil {
		return nil, err
	}
	return answer.Results, nil
}

// Tenants lists those that are not deleted, by name.
func (c *Client) Tenants(ctx context.Context) ([]Tenant, error) {
	list, err := call[[]Tenant](ctx, c, http.MethodGet, "/v1/tenants", nil)
	if err != nil {
		return nil, err
	}
	return *list, nil
}

// CreateTenant adds one.
func (c *Client) CreateTenant(ctx context.Context, name string, ids ...ExternalID) (*Tenant, error) {
	return call[Tenant](ctx, c, http.MethodPost, "/v1/tenants", NewTenant{Name: name, ExternalIDs: ids})
}

// Tenant shows one, by name or id.
func (c *Client) Tenant(ctx context.Context, name string) (*Tenant, error) {
	return call[Tenant](ctx, c, http.MethodGet, "/v1/tenants/"+url.PathEscape(name), nil)
}

// SuspendTenant refuses all its keys, at once.
func (c *Client) SuspendTenant(ctx context.Context, name string) (*Tenant, error) {
	return call[Tenant](ctx, c, http.MethodPost, "/v1/tenants/"+url.PathEscape(name)+"/suspend", nil)
}

// ResumeTenant takes a suspension back.
func (c *Client) ResumeTenant(ctx context.Context, name string) (*Tenant, error) {
	return call[Tenant](ctx, c, http.MethodPost, "/v1/tenants/"+url.PathEscape(name)+"/resume", nil)
}

// DeleteTenant ends a tenant and revokes its keys, for good.
func (c *Client) DeleteTenant(ctx context.Context, name string) (*Tenant, error) {
	return call[Tenant](ctx, c, http.MethodDelete, "/v1/tenants/"+url.PathEscape(name), nil)
}

// Database describes the store and checks it.
func (c *Client) Database(ctx context.Context) (*Database, error) {
	return call[Database](ctx, c, http.MethodGet, "/v1/db", nil)
}

// Backup writes a copy of the store.
func (c *Client) Backup(ctx context.Context, b Backup) (*Database, error) {
	return call[Database](ctx, c, http.MethodPost, "/v1/db/backup", b)
}

// SigningKeys lists the keys that we sign with: those that are gone, then the
// others in the order in which they sign.
func (c *Client) SigningKeys(ctx context.Context) ([]SigningKey, error) {
	list, err := call[[]SigningKey](ctx, c, http.MethodGet, "/v1/signing-keys", nil)
	if err != nil {
		return nil, err
	}
	return *list, nil
}

// RotateSigningKey publishes the next key, or has it sign at once.
func (c *Client) RotateSigningKey(ctx context.Context, r RotateSigning) (*SigningKey, error) {
	return call[SigningKey](ctx, c, http.MethodPost, "/v1/signing-keys/rotate", r)
}

// RetireSigningKey takes a key away, at once.
func (c *Client) RetireSigningKey(ctx context.Context, kid string) (*RetiredSigning, error) {
	return call[RetiredSigning](ctx, c, http.MethodPost, "/v1/signing-keys/"+url.PathEscape(kid)+"/retire", nil)
}

// AbandonSigningKeys takes all away, when what they are sealed under is lost.
func (c *Client) AbandonSigningKeys(ctx context.Context) ([]SigningKey, error) {
	list, err := call[[]SigningKey](ctx, c, http.MethodDelete, "/v1/signing-keys", nil)
	if err != nil {
		return nil, err
	}
	return *list, nil
}

// call sends one request and reads one answer of type T.
func call[T any](ctx context.Context, c *Client, method, path string, in any) (*T, error) {
	var body io.Reader = http.NoBody
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://gatehouse"+path, body)
	if err != nil {
		return nil, fmt.Errorf("build the request: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.DryRun {
		req.Header.Set(DryRunHeader, "true")
	}
	res, err := c.Transport.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("ask the admin door: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, MaxBody))
	if err != nil {
		return nil, fmt.Errorf("read the admin door's answer: %w", err)
	}
	if res.StatusCode >= 300 {
		return nil, refusal(res.StatusCode, data)
	}
	out := new(T)
	if err := json.Unmarshal(data, out); err != nil {
		return nil, errors.New("the admin door's answer is not what this version expects; is the server another version?")
	}
	return out, nil
}

// DryRunHeader on a request that changes something asks what would happen.
const DryRunHeader = "Gatehouse-Dry-Run"

func refusal(status int, data []byte) error {
	var body struct {
		Error Error `json:"error"`
	}
	if json.Unmarshal(data, &body) != nil || body.Error.Code == "" {
		return fmt.Errorf("the admin door answered with status %d", status)
	}
	body.Error.Status = status
	return &body.Error
}
