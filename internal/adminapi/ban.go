package adminapi

import (
	"context"
	"net/http"
	"time"
)

// Ban is an address or a network that a running server keeps out.
type Ban struct {
	Address  string    `json:"address"` // "198.51.100.7", "2001:db8:0:1::/64"
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"`
	Attempts int       `json:"attempts"`         // refused credentials that began it
	Code     string    `json:"code,omitempty"`   // of the last of them
	Reason   string    `json:"reason,omitempty"` // an operator's; absent: it began by itself
	DryRun   bool      `json:"dry_run,omitempty"`
}

// NewBan asks for a ban. An IPv6 address stands for its /64.
type NewBan struct {
	Address string `json:"address"`
	For     string `json:"for,omitempty"` // as ParseDuration reads it; empty: [DefaultBan]
	Reason  string `json:"reason,omitempty"`
}

// LiftBan names the ban to end.
type LiftBan struct {
	Address string `json:"address"`
}

// DefaultBan is how long a ban lasts that an operator begins.
const DefaultBan = 1 * time.Hour

// Bans lists the bans in force, the latest first.
func (c *Client) Bans(ctx context.Context) ([]Ban, error) {
	list, err := call[[]Ban](ctx, c, http.MethodGet, "/v1/bans", nil)
	if err != nil {
		return nil, err
	}
	return *list, nil
}

// AddBan keeps an address or a network out for some time.
func (c *Client) AddBan(ctx context.Context, b NewBan) (*Ban, error) {
	return call[Ban](ctx, c, http.MethodPost, "/v1/bans", b)
}

// LiftBan ends a ban and returns it.
func (c *Client) LiftBan(ctx context.Context, b LiftBan) (*Ban, error) {
	return call[Ban](ctx, c, http.MethodPost, "/v1/bans/lift", b)
}
