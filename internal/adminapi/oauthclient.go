package adminapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// OAuthClient is a client of our own authorization server.
type OAuthClient struct {
	ID           string     `json:"client_id"`
	Secret       string     `json:"client_secret,omitempty"` // in the answer to its creation or rotation alone
	Kind         string     `json:"kind"`                    // static, dynamic or document
	State        string     `json:"state"`                   // known, approved, pending or blocked
	Name         string     `json:"name,omitempty"`          // what it calls itself
	Domain       string     `json:"domain,omitempty"`        // of the document about it
	Tenant       string     `json:"tenant,omitempty"`        // the tenant's name; absent: it is everybody's
	RedirectURIs []string   `json:"redirect_uris"`
	Grants       []string   `json:"grant_types"`
	AuthMethods  []string   `json:"auth_methods"`
	Bound        bool       `json:"certificate_bound,omitempty"`
	Scopes       []string   `json:"scopes,omitempty"`    // the most that it may be given; absent: whatever the user may
	Resources    []string   `json:"resources,omitempty"` // that it is the server of
	Targets      []string   `json:"targets,omitempty"`   // that it may exchange tokens for
	Created      *time.Time `json:"created"`
	LastUsed     *time.Time `json:"last_used"` // null: never
	Expires      *time.Time `json:"expires"`   // null: it does not
	By           string     `json:"by,omitempty"`
	Reason       string     `json:"reason,omitempty"`
	Decided      *time.Time `json:"decided"`
	FormerUntil  *time.Time `json:"former_secret_until,omitempty"` // the secret before this one is honoured until then; absent: it is not
	Fault        string     `json:"fault,omitempty"`               // why it cannot be used at the moment
	DryRun       bool       `json:"dry_run,omitempty"`
}

// NewOAuthClient asks for one.
type NewOAuthClient struct {
	ID           string          `json:"id,omitempty"` // empty: one is made
	Name         string          `json:"name"`
	Tenant       string          `json:"tenant,omitempty"` // name or id; empty: "default" for a program that speaks for itself, else everybody's
	RedirectURIs []string        `json:"redirect_uris,omitempty"`
	Grants       []string        `json:"grant_types,omitempty"`
	AuthMethod   string          `json:"auth_method,omitempty"`
	Scopes       []string        `json:"scopes,omitempty"`
	JWKS         json.RawMessage `json:"jwks,omitempty"`
	JWKSURI      string          `json:"jwks_uri,omitempty"`
	Subject      string          `json:"certificate_subject,omitempty"`
	Certificates []string        `json:"certificates,omitempty"`      // SHA-256 of each, in hexadecimal digits
	Bound        bool            `json:"certificate_bound,omitempty"` // its access tokens are bound to the certificate of its connection
	Resources    []string        `json:"resources,omitempty"`
	Targets      []string        `json:"targets,omitempty"`
}

// OAuthClientID names one, and says why.
type OAuthClientID struct {
	ID     string `json:"client_id"`
	Reason string `json:"reason,omitempty"`
}

// RotateSecret asks for a new secret of one.
type RotateSecret struct {
	ID      string `json:"client_id"`
	Overlap string `json:"overlap,omitempty"` // how long the former one is honoured; empty: [DefaultOverlap]
}

// OAuthClients is a part of those that are kept, the latest used first.
type OAuthClients struct {
	Total   int           `json:"total"`
	Clients []OAuthClient `json:"clients"`
}

// OAuthClientFilter says which ones; what is empty is not looked at.
type OAuthClientFilter struct {
	Kind, State, Tenant string
	Limit               int // 0: 1000
}

// OAuthClients lists the clients that are kept.
func (c *Client) OAuthClients(ctx context.Context, f OAuthClientFilter) (*OAuthClients, error) {
	q := url.Values{}
	for name, value := range map[string]string{"kind": f.Kind, "state": f.State, "tenant": f.Tenant} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return call[OAuthClients](ctx, c, http.MethodGet, "/v1/clients?"+q.Encode(), nil)
}

// OAuthClient shows one.
func (c *Client) OAuthClient(ctx context.Context, id string) (*OAuthClient, error) {
	return call[OAuthClient](ctx, c, http.MethodGet, "/v1/clients/one?"+url.Values{"id": {id}}.Encode(), nil)
}

// CreateOAuthClient makes one. The answer holds its secret, once.
func (c *Client) CreateOAuthClient(ctx context.Context, n NewOAuthClient) (*OAuthClient, error) {
	return call[OAuthClient](ctx, c, http.MethodPost, "/v1/clients", n)
}

// ApproveOAuthClient vouches for one, and takes a block back.
func (c *Client) ApproveOAuthClient(ctx context.Context, id OAuthClientID) (*OAuthClient, error) {
	return call[OAuthClient](ctx, c, http.MethodPost, "/v1/clients/approve", id)
}

// BlockOAuthClient keeps one out, and ends whatever it was allowed, at once.
func (c *Client) BlockOAuthClient(ctx context.Context, id OAuthClientID) (*OAuthClient, error) {
	return call[OAuthClient](ctx, c, http.MethodPost, "/v1/clients/block", id)
}

// RevokeOAuthClient ends whatever one was allowed, at once, and one that an
// administrator made for good.
func (c *Client) RevokeOAuthClient(ctx context.Context, id OAuthClientID) (*OAuthClient, error) {
	return call[OAuthClient](ctx, c, http.MethodPost, "/v1/clients/revoke", id)
}

// RotateOAuthSecret gives one a new secret. The answer holds it, once.
func (c *Client) RotateOAuthSecret(ctx context.Context, r RotateSecret) (*OAuthClient, error) {
	return call[OAuthClient](ctx, c, http.MethodPost, "/v1/clients/secret/rotate", r)
}

// CancelOAuthSecret takes a rotation back: the former secret stays, and the new
// one is refused.
func (c *Client) CancelOAuthSecret(ctx context.Context, id string) (*OAuthClient, error) {
	return call[OAuthClient](ctx, c, http.MethodDelete, "/v1/clients/secret/rotate", OAuthClientID{ID: id})
}
