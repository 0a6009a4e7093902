package adminapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Revocation says which access tokens are refused, though their issuer vouches for them.
type Revocation struct {
	ID         string     `json:"id"`
	Kind       string     `json:"kind"`                  // jti, token, subject, client, tenant, issuer or grant
	Value      string     `json:"value,omitempty"`       // as kind says; for a tenant its id; absent for an issuer
	Tenant     string     `json:"tenant,omitempty"`      // the tenant's name
	Issuer     string     `json:"issuer,omitempty"`      // iss; absent: whoever issued it
	IssuerName string     `json:"issuer_name,omitempty"` // as configured; absent: it is not, or nobody knows
	Before     *time.Time `json:"before"`                // what was issued before it is refused, and what does not say when; null: whenever it was
	Expires    *time.Time `json:"expires"`               // null: for good
	Created    time.Time  `json:"created"`
	By         string     `json:"by"`
	Reason     string     `json:"reason,omitempty"`
	DryRun     bool       `json:"dry_run,omitempty"`
}

// NewRevocation asks for one.
type NewRevocation struct {
	Kind   string `json:"kind"`
	Value  string `json:"value,omitempty"`  // for a tenant its name or id
	Issuer string `json:"issuer,omitempty"` // its name or its iss; empty: whoever issued it

	Before  string     `json:"before,omitempty"`  // RFC 3339, or how long ago: 2h; empty: now
	Expires string     `json:"expires,omitempty"` // as [ParseExpiry] reads it; empty: when no token can be left, or never
	Ends    *time.Time `json:"ends,omitempty"`    // when a token says that it ends: it is refused as long as that at least
	Reason  string     `json:"reason,omitempty"`
}

// Revocations is a part of those that hold, the latest first.
type Revocations struct {
	Total       int          `json:"total"` // that hold, of all kinds
	Revocations []Revocation `json:"revocations"`
}

// RevocationFilter says which ones; what is empty is not looked at.
type RevocationFilter struct {
	Kind, Value, Issuer string
	Limit               int // 0: 1000
}

// Issuer is one whose tokens are accepted.
type Issuer struct {
	Name   string   `json:"name"`
	Issuer string   `json:"issuer"`         // its iss
	Also   []string `json:"also,omitempty"` // further values of iss
}

// RevokeTokens refuses tokens from now on, and ends what they have open.
func (c *Client) RevokeTokens(ctx context.Context, r NewRevocation) (*Revocation, error) {
	return call[Revocation](ctx, c, http.MethodPost, "/v1/tokens/revocations", r)
}

// Revocations lists what is revoked.
func (c *Client) Revocations(ctx context.Context, f RevocationFilter) (*Revocations, error) {
	q := url.Values{}
	for name, value := range map[string]string{"kind": f.Kind, "value": f.Value, "issuer": f.Issuer} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.Limit != 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return call[Revocations](ctx, c, http.MethodGet, "/v1/tokens/revocations?"+q.Encode(), nil)
}

// RemoveRevocation takes one back and returns it.
func (c *Client) RemoveRevocation(ctx context.Context, id string) (*Revocation, error) {
	return call[Revocation](ctx, c, http.MethodDelete, "/v1/tokens/revocations/"+url.PathEscape(id), nil)
}

// Issuers lists those whose tokens are accepted.
func (c *Client) Issuers(ctx context.Context) ([]Issuer, error) {
	list, err := call[[]Issuer](ctx, c, http.MethodGet, "/v1/issuers", nil)
	if err != nil {
		return nil, err
	}
	return *list, nil
}
