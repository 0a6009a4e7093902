package adminapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Grant is what a person allowed an OAuth client.
type Grant struct {
	ID        string     `json:"id"`     // also the claim "grant" of its access tokens
	State     string     `json:"state"`  // waiting, active, ended or revoked
	Tenant    string     `json:"tenant"` // the tenant's name
	Client    string     `json:"client_id"`
	Subject   string     `json:"subject"`
	Resource  string     `json:"resource"`
	Scopes    []string   `json:"scopes"`
	Refreshed int64      `json:"refreshed"`      // how often
	Offline   bool       `json:"offline"`        // a refresh token goes with it
	Bound     bool       `json:"bound"`          // its refresh token is bound to a key of the client
	Flow      string     `json:"flow,omitempty"` // id of the sign-in that it came of
	SignedIn  *time.Time `json:"signed_in"`
	Created   time.Time  `json:"created"`
	LastUsed  *time.Time `json:"last_used"` // null: never
	Expires   *time.Time `json:"expires"`   // when it ends, at the latest
	Idle      *time.Time `json:"idle"`      // when it ends unless it is used; null: it does not
	Revoked   *time.Time `json:"revoked"`   // null: it is not
	By        string     `json:"by,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	DryRun    bool       `json:"dry_run,omitempty"`
}

// GrantFilter says which ones; what is empty is not looked at.
type GrantFilter struct {
	Tenant, Subject, Client string
	All                     bool // those that are over too
	Limit                   int  // 0: 1000
}

// RevokeGrants ends one grant, or all of a user, a client or both.
type RevokeGrants struct {
	ID      string `json:"grant,omitempty"`
	Tenant  string `json:"tenant,omitempty"` // of the user; name or id
	Subject string `json:"subject,omitempty"`
	Client  string `json:"client_id,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// RevokedGrants is what became of it.
type RevokedGrants struct {
	Count  int    `json:"count"`
	Grant  *Grant `json:"grant,omitempty"` // the one that was named
	DryRun bool   `json:"dry_run,omitempty"`
}

// Grants lists what people allowed, the latest first.
func (c *Client) Grants(ctx context.Context, f GrantFilter) ([]Grant, error) {
	q := url.Values{}
	for name, value := range map[string]string{"tenant": f.Tenant, "subject": f.Subject, "client_id": f.Client} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.All {
		q.Set("all", "true")
	}
	if f.Limit != 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	list, err := call[[]Grant](ctx, c, http.MethodGet, "/v1/grants?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return *list, nil
}

// RevokeGrants ends grants, and the access tokens that came of them, at once.
func (c *Client) RevokeGrants(ctx context.Context, r RevokeGrants) (*RevokedGrants, error) {
	return call[RevokedGrants](ctx, c, http.MethodPost, "/v1/grants/revoke", r)
}
