package gateway

import (
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/process"
)

func TestPlaceOfATenant(t *testing.T) {
	c := Stdio{PerTenant: true, Process: process.Spec{
		Dir: "/srv/{tenant}/{tenant_id}", User: "mcp-{tenant}", Env: map[string]string{"A": "{tenant}:{tenant_id}", "B": "all", "{tenant}": "{x}"},
	}, Tenants: map[string]Place{"acme": {Dir: "/acme", User: "root", Env: map[string]string{"B": "own {tenant}"}}}}
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	got, err := c.spec("ID1", "beta")
	if err != nil || got.Dir != "/srv/beta/ID1" || got.User != "mcp-beta" || got.Env["A"] != "beta:ID1" || got.Env["B"] != "all" || got.Env["{tenant}"] != "{x}" || !got.Unprivileged {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = c.spec("ID2", "acme")
	if err != nil || got.Dir != "/acme" || got.User != "root" || got.Env["B"] != "own acme" || got.Env["A"] != "acme:ID2" || got.Unprivileged {
		t.Errorf("got %+v, %v: what the operator has written holds", got, err)
	}
	if c.Process.Env["A"] != "{tenant}:{tenant_id}" {
		t.Error("one tenant's environment has become that of all")
	}
}

func TestNameThatIsNoneHasNoPlace(t *testing.T) {
	c := Stdio{PerTenant: true}
	for _, bad := range []string{"", ".", "..", "../b", "a/b", "/a", "a\\b", "a b", "-a", "_a", "a\x00", "a\n", "ä", "{tenant_id}", "a.b", "~", "$HOME", "%2e", "a:b", strings.Repeat("a", 65)} {
		if _, err := c.spec("id", bad); err == nil {
			t.Errorf("got a place for the name %q", bad)
		}
		if _, err := c.spec(bad, "name"); err == nil {
			t.Errorf("got a place for the id %q", bad)
		}
	}
}

func TestPlacesThatAreNotMeant(t *testing.T) {
	for name, c := range map[string]Stdio{
		"a placeholder for all":         {Process: process.Spec{Dir: "/srv/{tenant}"}},
		"an account for all":            {Process: process.Spec{User: "mcp-{tenant_id}"}},
		"places for all":                {Tenants: map[string]Place{"a": {}}},
		"a placeholder in the command":  {PerTenant: true, Process: process.Spec{Command: []string{"/bin/x", "--dir={tenant}"}}},
		"a misspelt placeholder":        {PerTenant: true, Process: process.Spec{Dir: "/srv/{tenent}"}},
		"half a placeholder in a place": {PerTenant: true, Tenants: map[string]Place{"a": {User: "x{tenant"}}},
		"a placeholder within one":      {PerTenant: true, Process: process.Spec{Dir: "/srv/{{tenant}_id}"}},
	} {
		if err := c.check(); err == nil {
			t.Errorf("%s: got no refusal", name)
		}
	}
}

// FuzzPlace wants no name to lead out of its place.
func FuzzPlace(f *testing.F) {
	f.Add("acme", "ID")
	f.Add("..", "a/b")
	f.Fuzz(func(t *testing.T, name, id string) {
		c := Stdio{PerTenant: true, Process: process.Spec{Dir: "/srv/{tenant}/x/{tenant_id}/y", User: "{tenant}"}}
		s, err := c.spec(id, name)
		if err != nil {
			return
		}
		if parts := strings.Split(s.Dir, "/"); len(parts) != 6 || parts[2] != name || parts[4] != id || strings.ContainsAny(s.Dir, ".\x00") || s.User != name {
			t.Errorf("got %q, %q", s.Dir, s.User)
		}
	})
}
