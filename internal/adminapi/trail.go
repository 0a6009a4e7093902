package adminapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// TrailQuery says which events of the audit trail are wanted; what is empty is not looked at.
type TrailQuery struct {
	Since, Until time.Time // from and before
	Kinds        []string
	Action       string
	Code         string // GH-nnnn
	Subject      string
	Address      string   // a network, such as 203.0.113.7/32
	Request      string   // id
	Prefix       string   // the id of the request begins with it
	Flow         string   // id of a login
	ClientID     string   // of the OAuth client
	Tokens       []string // ids of access tokens: one of these
	Outcome      string
	Limit        int  // 0: 1000
	Oldest       bool // comes first; else the newest does
}

// TrailEvents are those that were found.
type TrailEvents struct {
	Events  []json.RawMessage `json:"events"`  // as the trail has them
	Cut     bool              `json:"cut"`     // there may be more
	Damaged int               `json:"damaged"` // lines that cannot be read
}

// Values is a query as the door is asked it.
func (q *TrailQuery) Values() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{
		"action": q.Action, "code": q.Code, "subject": q.Subject, "address": q.Address, "request": q.Request, "prefix": q.Prefix, "flow": q.Flow, "client_id": q.ClientID, "outcome": q.Outcome,
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !at.IsZero() {
			v.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	for name, list := range map[string][]string{"kind": q.Kinds, "token": q.Tokens} {
		if len(list) > 0 {
			v[name] = list
		}
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Oldest {
		v.Set("oldest", "true")
	}
	return v
}

// TrailMembers are the names that a query has.
func TrailMembers() []string {
	return []string{"since", "until", "kind", "action", "code", "subject", "address", "request", "prefix", "flow", "client_id", "token", "outcome", "limit", "oldest"}
}

// Trail searches the audit trail.
func (c *Client) Trail(ctx context.Context, q TrailQuery) (*TrailEvents, error) {
	return call[TrailEvents](ctx, c, http.MethodGet, "/v1/audit?"+q.Values().Encode(), nil)
}
