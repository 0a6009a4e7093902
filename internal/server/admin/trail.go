package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// Events searches the audit trail: audit.Search.
type Events func(ctx context.Context, q audit.Query, found func(audit.Match) error) (audit.Report, error)

const (
	trailLimit  = 1000
	trailMost   = 10_000
	trailBytes  = 8 << 20 // of an answer: the client takes twice that
	trailTokens = 256     // that are looked for at once
)

// trail is the endpoint about what was written down.
type trail struct{ *Admin }

func (t *trail) search(r *http.Request) (reply, error) {
	if t.Events == nil {
		return reply{}, &adminapi.Error{
			Status: http.StatusNotFound, Code: codeNotFound,
			Message: "The audit trail goes to standard output (audit.stdout), so it cannot be searched here. Search where it is collected.",
		}
	}
	q, err := trailQuery(r.URL.Query())
	if err != nil {
		return reply{}, err
	}
	out, size := adminapi.TrailEvents{Events: []json.RawMessage{}}, 0
	report, err := t.Events(r.Context(), *q, func(m audit.Match) error {
		if size += len(m.Line) + 1; size > trailBytes {
			return errEnough
		}
		out.Events = append(out.Events, m.Line)
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
		report.Cut = true
	case errors.Is(err, audit.ErrNoTrail): // nothing was written yet
	case err != nil:
		return reply{}, err
	}
	out.Cut, out.Damaged = report.Cut, report.Damaged
	return reply{body: out}, nil
}

var errEnough = errors.New("it is enough")

// trailQuery reads a query.
func trailQuery(v url.Values) (*audit.Query, error) {
	for name := range v {
		if !slices.Contains(adminapi.TrailMembers(), name) {
			return nil, bad(fmt.Sprintf("A search of the trail has no %.40q.", name))
		}
	}
	q := &audit.Query{
		Kinds: v["kind"], Action: v.Get("action"), Code: v.Get("code"), Subject: v.Get("subject"), Request: v.Get("request"), Prefix: v.Get("prefix"), Flow: v.Get("flow"), ClientID: v.Get("client_id"),
		Tokens: v["token"], Outcome: v.Get("outcome"), Limit: trailLimit, Oldest: v.Get("oldest") == "true",
	}
	for _, k := range q.Kinds {
		if !slices.Contains(config.AuditKinds(), k) {
			return nil, bad(fmt.Sprintf("The trail has no kind %.40q.", k))
		}
	}
	if len(q.Tokens) > trailTokens {
		return nil, bad(fmt.Sprintf("At most %d tokens can be looked for at once.", trailTokens))
	}
	var err error
	if text := v.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > trailMost {
			return nil, bad(fmt.Sprintf("limit is a number from 1 to %d.", trailMost))
		}
	}
	for name, into := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if text := v.Get(name); text != "" {
			if *into, err = time.Parse(time.RFC3339Nano, text); err != nil {
				return nil, bad(fmt.Sprintf("%s is no time of RFC 3339.", name))
			}
		}
	}
	if text := v.Get("address"); text != "" {
		if q.Address, err = netip.ParsePrefix(text); err != nil {
			return nil, bad("address is a network, such as 203.0.113.7/32.")
		}
	}
	return q, nil
}
