package admin_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server/admin"
)

// searched is a door to a trail of a few events.
func searched(t *testing.T, events ...*audit.Event) *adminapi.Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := audit.Open(audit.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if err := l.Durable(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	a := &admin.Admin{Log: slog.New(slog.DiscardHandler), Now: time.Now, Events: func(ctx context.Context, q audit.Query, found func(audit.Match) error) (audit.Report, error) {
		return audit.Search(ctx, path, q, found)
	}}
	return &adminapi.Client{Transport: direct{a.Handler()}}
}

func TestTheTrailIsSearchedByTheDoor(t *testing.T) {
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	door := searched(t,
		&audit.Event{Time: at, Kind: config.AuditSignIn, Action: "code", Request: "FLOW1", ClientID: "a b&c", Outcome: audit.OK, Address: netip.MustParseAddr("203.0.113.7")},
		&audit.Event{Time: at.Add(time.Second), Kind: config.AuditSignIn, Action: "token", Request: "OTHER", Detail: map[string]string{audit.DetailFlow: "FLOW1"}, Outcome: audit.Refused, Code: "GH-1410"},
		&audit.Event{Time: at.Add(time.Minute), Kind: config.AuditToolCall, Request: "CALL1", TokenID: "jti", Subject: "ada", Outcome: audit.OK},
	)
	for want, q := range map[string]adminapi.TrailQuery{
		"CALL1 OTHER FLOW1": {},
		"FLOW1 OTHER":       {Flow: "FLOW1", Oldest: true},
		"OTHER FLOW1":       {Flow: "FLOW1"},
		"CALL1":             {Tokens: []string{"x", "jti"}, Kinds: []string{config.AuditToolCall, config.AuditCall}},
		"FLOW1 ":            {ClientID: "a b&c", Action: "code", Address: "203.0.113.0/24"},
		"OTHER":             {Outcome: audit.Refused, Code: "GH-1410"},
		"OTHER ":            {Since: at.Add(time.Second), Until: at.Add(time.Minute)},
		"CALL1 ":            {Prefix: "CA", Subject: "ada"},
		"":                  {Request: "CAL"},
		"CALL1  ":           {Limit: 1},
	} {
		got, err := door.Trail(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, line := range got.Events {
			var e struct{ Request string }
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, e.Request)
		}
		if strings.Join(ids, " ") != strings.TrimSpace(want) || got.Cut != (q.Limit == 1) {
			t.Errorf("%+v: got %q, cut %t, want %q", q, ids, got.Cut, want)
		}
	}
}

// A filter that nobody understands must not mean that everything is shown.
func TestAQueryOfTheTrailIsReadStrictly(t *testing.T) {
	door := searched(t, &audit.Event{Kind: config.AuditAdmin, Action: "x"})
	for _, query := range []string{"subjekt=ada", "kind=x", "limit=0", "limit=x", "limit=10001", "since=yesterday", "until=1", "address=here", "address=203.0.113.7", strings.Repeat("token=x&", 300)} {
		r := httptest.NewRequest("GET", "http://door/v1/audit?"+query, nil)
		res, err := door.Transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != 400 {
			t.Errorf("%.40s: got %d, want 400", query, res.StatusCode)
		}
	}
	full := adminapi.TrailQuery{}
	v := reflect.ValueOf(&full).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i).Addr().Interface().(type) {
		case *string:
			*f = "x"
		case *[]string:
			*f = []string{"x"}
		case *int:
			*f = 7
		case *bool:
			*f = true
		case *time.Time:
			*f = time.Now()
		}
	}
	if got := full.Values(); len(got) != len(adminapi.TrailMembers()) {
		t.Errorf("got the members %v, want all of %v", got, adminapi.TrailMembers())
	}
}

func TestATrailThatIsElsewhereIsNotSearched(t *testing.T) {
	a := &admin.Admin{Log: slog.New(slog.DiscardHandler), Now: time.Now}
	_, err := (&adminapi.Client{Transport: direct{a.Handler()}}).Trail(t.Context(), adminapi.TrailQuery{})
	if err == nil || !strings.Contains(err.Error(), "audit.stdout") {
		t.Errorf("got %v, want where it goes", err)
	}
}
