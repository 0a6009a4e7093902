package storetest

import (
	"fmt"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/pin"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
)

func sighting(server, name, definition string, minutes int) pin.Sighting {
	return pin.Sighting{Place: pin.Place{Server: server}, Name: name, Definition: []byte(definition), At: at(minutes), Approve: true}
}

// loaded returns the records of a server by their tools' names, and the generation.
func loaded(t *testing.T, d *store.DB, server string) (int64, map[string]pin.Record) {
	t.Helper()
	g, all, err := d.Tools().Load(t.Context(), server)
	must(t, err)
	byName := map[string]pin.Record{}
	for _, r := range all {
		byName[string(r.Tenant)+r.Name] = r
	}
	return g, byName
}

func toolLife(t *testing.T, d *store.DB) {
	s, ctx := d.Tools(), t.Context()
	hold := sighting("files", "write", `{"name":"wr\u0000ite ü"}`, 1)
	hold.Approve = false
	apart := sighting("files", "read", `{"t":1}`, 1)
	apart.Tenant = "acme"
	must(t, s.See(ctx, []pin.Sighting{sighting("files", "read", "{}", 1), hold, apart, sighting("notes", "read", "{}", 1)}))
	g, all := loaded(t, d, "files")
	read := pin.Record{Place: pin.Place{Server: "files"}, Name: "read", Approved: []byte("{}"), At: at(1), By: pin.FirstUse, Seen: []byte("{}"), SeenAt: at(1), First: at(1)}
	write := pin.Record{Place: pin.Place{Server: "files"}, Name: "write", Seen: hold.Definition, SeenAt: at(1), First: at(1)}
	other := read
	other.Tenant, other.Approved, other.Seen = "acme", []byte(`{"t":1}`), []byte(`{"t":1}`)
	wantSame(t, "seen first", all, map[string]pin.Record{"read": read, "write": write, "acmeread": other})

	must(t, s.See(ctx, []pin.Sighting{sighting("files", "read", `{"x":1}`, 2)}))
	again, all := loaded(t, d, "files")
	read.Seen, read.SeenAt = []byte(`{"x":1}`), at(2)
	wantSame(t, "seen in another way", all["read"], read)
	wantSame(t, "what was approved for a tenant", all["acmeread"], other)
	wantSame(t, "the generation of what changes nothing that holds", again, g)

	must(t, s.Approve(ctx, []pin.Approval{{Place: read.Place, Name: "read", Seen: read.Seen, At: at(3), By: "ada"}, {Place: write.Place, Name: "write", Seen: write.Seen, At: at(3), By: "ada"}}))
	later, all := loaded(t, d, "files")
	read.Approved, read.At, read.By = read.Seen, at(3), "ada"
	write.Approved, write.At, write.By = write.Seen, at(3), "ada"
	wantSame(t, "approved", all, map[string]pin.Record{"read": read, "write": write, "acmeread": other})
	wantSame(t, "the generation of an approval", later, g+1)
	if g, all := loaded(t, d, ""); len(all) != 3 || g != later { // read of files and of notes have one name
		t.Errorf("got %d records and generation %d", len(all), g)
	}
}

// What was not seen like that last is not approved, and nothing beside it.
func toolRefused(t *testing.T, d *store.DB) {
	s, ctx := d.Tools(), t.Context()
	must(t, s.See(ctx, []pin.Sighting{sighting("files", "a", "{}", 1), sighting("files", "b", "{}", 1), sighting("files", "a", `{"x":1}`, 2)}))
	g, before := loaded(t, d, "files")
	place := pin.Place{Server: "files"}
	for what, a := range map[string]pin.Approval{
		"as it was":           {Place: place, Name: "a", Seen: []byte("{}")},
		"no such tool":        {Place: place, Name: "c", Seen: []byte("{}")},
		"of another server":   {Place: pin.Place{Server: "notes"}, Name: "b", Seen: []byte("{}")},
		"of another's tenant": {Place: pin.Place{Server: "files", Tenant: "acme"}, Name: "b", Seen: []byte("{}")},
	} {
		a.At, a.By = at(3), "ada"
		wantErr(t, what, s.Approve(ctx, []pin.Approval{{Place: place, Name: "b", Seen: []byte("{}"), At: at(3), By: "ada"}, a}), pin.ErrRaced)
	}
	after, all := loaded(t, d, "files")
	wantSame(t, "afterwards", all, before)
	wantSame(t, "the generation", after, g)
}

// Replicas that see one tool first, each in its own way: one of them is approved.
func toolRace(t *testing.T, d *store.DB) {
	s := d.Tools()
	race(t, 8, func(i int) error {
		return s.See(t.Context(), []pin.Sighting{sighting("files", "a", fmt.Sprintf(`{"x":%d}`, i), i)})
	})
	_, all := loaded(t, d, "files")
	if r := all["a"]; len(all) != 1 || r.Approved == nil || r.By != pin.FirstUse {
		t.Errorf("got %+v, want one tool, approved once", all)
	}
}
