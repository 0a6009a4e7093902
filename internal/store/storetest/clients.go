package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

func clientRow(id string, kind client.Kind) *client.Row {
	return &client.Row{ID: id, Kind: kind, State: client.Known, Name: "App ü'", Created: at(0)}
}

func clientRoundTrip(t *testing.T, d *store.DB) {
	s, ctx := d.Clients(), t.Context()
	full := clientRow("cl_1", client.Static)
	full.State, full.Tenant, full.Metadata, full.Seen = client.Approved, newTenant(t, d, "acme"), []byte(`{"n":"x\u0000"}`), at(1)
	full.LastUsed, full.By, full.Reason, full.Decided = at(2), "ada", "why", at(3)
	bare := clientRow("https://app.test/client.json", client.Document)
	for _, r := range []*client.Row{full, bare} {
		must(t, s.Create(ctx, r))
		wantSame(t, "row", get(s.Client(ctx, r.ID))(t), r)
		wantErr(t, "again", s.Create(ctx, r), client.ErrExists)
	}
	_, err := s.Client(ctx, "cl_2")
	wantErr(t, "unknown", err, client.ErrUnknown)
	for what, f := range map[string]client.Filter{
		"kind": {Kind: client.Static}, "state": {State: client.Approved}, "tenant": {Tenant: full.Tenant}, "one": {Limit: 1},
	} {
		rows, _, err := s.Clients(ctx, f)
		must(t, err)
		wantSame(t, "by "+what, rows, []client.Row{*full})
	}
	must(t, s.Replace(ctx, full.ID, full.Metadata, []byte(`{"n":"y"}`), at(4)))
	wantErr(t, "replaced by somebody else", s.Replace(ctx, full.ID, full.Metadata, []byte("{}"), at(5)), client.ErrRaced)
	full.Metadata, full.Seen = []byte(`{"n":"y"}`), at(4)
	wantSame(t, "replaced", get(s.Client(ctx, full.ID))(t), full)
	wantErr(t, "not an administrator's", s.Replace(ctx, bare.ID, nil, []byte("{}"), at(5)), client.ErrRaced)
	_, total, err := s.Clients(ctx, client.Filter{Limit: 1})
	must(t, err)
	wantSame(t, "total", total, 2)
}

func clientLife(t *testing.T, d *store.DB) {
	s, ctx := d.Clients(), t.Context()
	const id = "https://app.test/client.json"
	decision := clientRow(id, client.Document)
	decision.State, decision.By, decision.Reason, decision.Decided = client.Approved, "ada", "known", at(1)
	want := *decision
	wantSame(t, "decided first", get(s.Decide(ctx, decision))(t), &want)

	use := clientRow(id, client.Document)
	use.Name, use.Metadata, use.Seen, use.LastUsed = "New", []byte("{}"), at(3), at(4)
	must(t, s.Use(ctx, use))
	want.Name, want.Metadata, want.Seen, want.LastUsed = "New", []byte("{}"), at(3), at(4)
	wantSame(t, "used", get(s.Client(ctx, id))(t), &want)

	older := *use
	older.Name, older.Metadata, older.Seen, older.LastUsed = "Old", []byte("[]"), at(2), at(2)
	must(t, s.Use(ctx, &older))
	wantSame(t, "an older use changes nothing", get(s.Client(ctx, id))(t), &want)
	bare := clientRow(id, client.Document)
	bare.LastUsed = at(5)
	must(t, s.Use(ctx, bare))
	want.LastUsed = at(5)
	wantSame(t, "a use without a document", get(s.Client(ctx, id))(t), &want)

	change := clientRow(id, client.Document)
	change.Name, change.Metadata, change.Seen = "Other", []byte(`{"o":1}`), at(6)
	must(t, s.Change(ctx, change, 0)) // there is a row: it needs no room
	want.Name, want.Metadata, want.Seen, want.State = "Other", []byte(`{"o":1}`), at(6), client.Known
	wantSame(t, "what was approved was changed", get(s.Client(ctx, id))(t), &want)

	block := &client.Row{ID: id, Kind: client.Document, State: client.Blocked, By: "bob", Decided: at(7), Created: at(7)}
	want.State, want.By, want.Reason, want.Decided = client.Blocked, "bob", "", at(7)
	wantSame(t, "blocked", get(s.Decide(ctx, block))(t), &want)
	must(t, s.Change(ctx, change, 0))
	wantSame(t, "a change unblocks nothing", get(s.Client(ctx, id))(t), &want)
}

func clientDelete(t *testing.T, d *store.DB) {
	s, ctx := d.Clients(), t.Context()
	gone := clientRow("dcr_1", client.Dynamic)
	gone.Deleted, gone.By = at(2), "the client"
	must(t, s.Delete(ctx, gone, 1))
	wantErr(t, "again", s.Delete(ctx, gone, 1), client.ErrUnknown)
	wantErr(t, "changed", s.Change(ctx, clientRow("dcr_1", client.Dynamic), 1), client.ErrUnknown)
	_, err := s.Decide(ctx, clientRow("dcr_1", client.Dynamic))
	wantErr(t, "decided upon", err, client.ErrUnknown)
	used := clientRow("dcr_1", client.Dynamic)
	used.LastUsed = at(5)
	must(t, s.Use(ctx, used))
	wantSame(t, "row", get(s.Client(ctx, "dcr_1"))(t), gone)
	rows, total, err := s.Clients(ctx, client.Filter{})
	must(t, err)
	if len(rows) != 0 || total != 0 {
		t.Errorf("a deleted client is listed: %v, %d", rows, total)
	}
}

func clientForget(t *testing.T, d *store.DB) {
	s, ctx, acme, bolt := d.Consents(), t.Context(), newTenant(t, d, "acme"), newTenant(t, d, "bolt")
	for _, tn := range []tenant.ID{acme, bolt} {
		for _, id := range []string{"dcr_1", "dcr_2"} {
			must(t, s.Remember(ctx, &grant.Consent{
				ConsentKey: grant.ConsentKey{Tenant: tn, User: "usr_1", Client: id, Resource: "https://a.test/mcp"},
				Scopes:     []string{"a", "b"}, Created: at(0), Expires: at(60),
			}))
		}
	}
	wantSame(t, "forgotten", get(s.ForgetClient(ctx, "dcr_1"))(t), 4)
	for _, tn := range []tenant.ID{acme, bolt} {
		left := get(s.Consents(ctx, tn, "usr_1", at(1)))(t)
		if len(left) != 1 || left[0].Client != "dcr_2" {
			t.Errorf("left of %s: %+v", tn, left)
		}
	}
}

func clientBound(t *testing.T, d *store.DB) {
	s, ctx := d.Clients(), t.Context()
	wait := func(n int, minutes int) {
		r := clientRow(fmt.Sprintf("https://app%d.test/c", n), client.Document)
		r.State, r.Created = client.Pending, at(minutes)
		must(t, s.Wait(ctx, r, 2))
	}
	change := func(n int) error {
		r := clientRow(fmt.Sprintf("dcr_%d", n), client.Dynamic)
		r.Metadata, r.Seen = []byte("{}"), at(n)
		return s.Change(ctx, r, 2)
	}
	for n := range 3 {
		wait(n, n)
	}
	_, waiting, err := s.Clients(ctx, client.Filter{State: client.Pending})
	must(t, err)
	wantSame(t, "that wait", waiting, 2)
	must(t, change(1))
	must(t, change(2))
	wantErr(t, "one too many", change(3), client.ErrFull)
	wantErr(t, "deleted", s.Delete(ctx, clientRow("dcr_4", client.Dynamic), 2), client.ErrFull)
	must(t, change(1)) // it is there
	use := clientRow("dcr_1", client.Dynamic)
	use.LastUsed = at(9)
	must(t, s.Use(ctx, use)) // it does not count any more
	must(t, change(3))

	never := time.Unix(0, 0)
	wantSame(t, "swept of those that wait", get(s.Sweep(ctx, at(1), never))(t), int64(1))
	wantSame(t, "swept of the rest", get(s.Sweep(ctx, never, at(1)))(t), int64(2))
	for id, there := range map[string]bool{"dcr_1": true, "dcr_2": false, "https://app0.test/c": false, "https://app1.test/c": true} {
		if _, err := s.Client(ctx, id); (err == nil) != there {
			t.Errorf("%s: got %v", id, err)
		}
	}
}
