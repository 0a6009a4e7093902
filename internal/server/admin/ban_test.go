package admin_test

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/ratelimit"
	"github.com/gatehouse-mcp/gatehouse/internal/server/admin"
)

func TestBansAreListedAddedAndLifted(t *testing.T) {
	f := newFixture(t)
	for range 2 {
		f.bans.Failed(netip.MustParseAddr("2001:db8::1"), "GH-1011")
	}
	f.now = f.now.Add(time.Second)
	b, err := f.AddBan(t.Context(), adminapi.NewBan{Address: "203.0.113.0/24", For: "7d", Reason: "scanner"})
	if err != nil || b.Address != "203.0.113.0/24" || b.Until.Sub(b.Since) != 7*24*time.Hour || b.Reason != "scanner" || b.DryRun {
		t.Fatalf("got %+v, %v", b, err)
	}
	list, err := f.Bans(t.Context())
	if err != nil || len(list) != 2 || list[0].Address != "203.0.113.0/24" || list[1].Address != "2001:db8::/64" || list[1].Attempts != 2 || list[1].Code != "GH-1011" {
		t.Fatalf("got %+v, %v", list, err)
	}
	if f.bans.Banned(netip.MustParseAddr("203.0.113.5")) == nil {
		t.Error("the ban is not in force")
	}
	if b, err = f.dry().LiftBan(t.Context(), adminapi.LiftBan{Address: "203.0.113.0/24"}); err != nil || !b.DryRun || f.bans.Banned(netip.MustParseAddr("203.0.113.5")) == nil {
		t.Errorf("dry run: got %+v, %v", b, err)
	}
	if b, err = f.LiftBan(t.Context(), adminapi.LiftBan{Address: "203.0.113.0/24"}); err != nil || b.Reason != "scanner" || f.bans.Banned(netip.MustParseAddr("203.0.113.5")) != nil {
		t.Errorf("lift: got %+v, %v", b, err)
	}
	if _, err = f.LiftBan(t.Context(), adminapi.LiftBan{Address: "2001:db8::77"}); err != nil { // its /64
		t.Error(err)
	}
	if b, err = f.dry().AddBan(t.Context(), adminapi.NewBan{Address: "192.0.2.1"}); err != nil || !b.DryRun || b.Until.Sub(b.Since) != adminapi.DefaultBan || len(f.bans.List()) != 0 {
		t.Errorf("dry run: got %+v, %v", b, err)
	}
	if log := f.log.String(); !strings.Contains(log, "ban added") || !strings.Contains(log, "ban lifted") || !strings.Contains(log, "by=ada") {
		t.Errorf("the log says %s", log)
	}
}

func TestBansThatCannotBe(t *testing.T) {
	f := newFixture(t)
	add := func(b adminapi.NewBan) error { _, err := f.AddBan(t.Context(), b); return err }
	for name, b := range map[string]adminapi.NewBan{
		"nothing": {}, "a name": {Address: "example.com"}, "everybody": {Address: "::/0"}, "nearly everybody": {Address: "0.0.0.0/1"},
		"a host in a network": {Address: "10.0.0.1/8"}, "a port": {Address: "10.0.0.1:80"}, "no time": {Address: "192.0.2.1", For: "0s"},
		"time that went": {Address: "192.0.2.1", For: "-1h"}, "a reason that does not print": {Address: "192.0.2.1", Reason: "a\nb"},
		"a reason that turns the line": {Address: "192.0.2.1", Reason: "a\u202eb"}, "a long reason": {Address: "192.0.2.1", Reason: strings.Repeat("x", 201)},
	} {
		t.Run(name, func(t *testing.T) { want(t, add(b), "GH-2403", 400) })
	}
	_, err := f.LiftBan(t.Context(), adminapi.LiftBan{Address: "192.0.2.1"})
	want(t, err, "GH-2401", 404)
	if len(f.bans.List()) != 0 {
		t.Error("something was banned")
	}
}

func TestBansWithoutAServer(t *testing.T) {
	door := (&admin.Admin{Audit: &trail{}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}).Handler()
	c := &adminapi.Client{Transport: direct{door}}
	_, err := c.Bans(t.Context())
	want(t, err, "GH-2409", 503)
	_, err = c.AddBan(t.Context(), adminapi.NewBan{Address: "192.0.2.1"})
	want(t, err, "GH-2409", 503)
	_, err = c.LiftBan(t.Context(), adminapi.LiftBan{Address: "192.0.2.1"})
	want(t, err, "GH-2409", 503)
}

var _ admin.Bans = (*ratelimit.Bans)(nil)
