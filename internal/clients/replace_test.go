package clients

import (
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/clients/edit"
)

// TestAnotherServerGetsNothingOfTheOldOne: an entry that led elsewhere goes as a
// whole. A credential for one server is sent to no other.
func TestAnotherServerGetsNothingOfTheOldOne(t *testing.T) {
	secrets := edit.Object{
		{Name: "headers", Value: edit.Object{{Name: "Authorization", Value: "Bearer sk-old"}, {Name: "X-API-Key", Value: "sk-old"}}},
		{Name: "http_headers", Value: edit.Object{{Name: "X-API-Key", Value: "sk-old"}}},
		{Name: "env", Value: edit.Object{{Name: "TOKEN", Value: "sk-old"}}},
	}
	elsewhere := map[string]edit.Object{
		"a URL":     {{Name: "url", Value: "https://old.example/mcp"}},
		"a program": {{Name: "command", Value: "npx"}, {Name: "args", Value: []string{"old"}}},
	}
	for _, c := range All() {
		for _, w := range []Way{Open, ByOAuth, ByKey, ByBridge} {
			if !c.Writes() || !c.Can(w) {
				continue
			}
			for name, leads := range elsewhere {
				text, _, err := edit.Merge(c.Format, nil, append(c.root(nil), "acme"), append(leads, secrets...))
				if err != nil {
					t.Fatalf("%s: %v", c.ID, err)
				}
				after, changes, err := c.Put(text, acme(w))
				if err != nil {
					t.Fatalf("%s: %v", c.ID, err)
				}
				if strings.Contains(string(after), "old") {
					t.Errorf("%s, %s, from %s:\n%s", c.ID, w, name, after)
				}
				if at, _ := c.URLOf(after, "acme"); at != acme(w).URL || !c.has(after, acme(w)) {
					t.Errorf("%s, %s, from %s: it leads to %q:\n%s", c.ID, w, name, at, after)
				}
				if replayed := replay(text, changes); replayed != string(after) {
					t.Errorf("%s, %s, from %s: what is shown makes\n%s", c.ID, w, name, replayed)
				}
			}
		}
	}
}

// replay makes the changes that are shown, one after the other.
func replay(text []byte, changes []edit.Splice) string {
	now := string(text)
	for _, c := range changes {
		now = now[:c.At] + c.Text + now[c.At+c.Cut:]
	}
	return now
}

// TestARelativePlaceIsNone: where a client looks for it depends on where that is started.
func TestARelativePlaceIsNone(t *testing.T) {
	c := Find("cline-cli")
	s := &System{OS: "linux", Home: "/home/ada", Dir: "/src", Exists: func(string) bool { return false }, Getenv: func(name string) string {
		return map[string]string{"CLINE_MCP_SETTINGS_PATH": "cline.json"}[name]
	}}
	if c.Installed(s, func(string) bool { return false }) {
		t.Error("a name alone is taken for a trace of it")
	}
	if got := c.File(s, false); got != "/home/ada/.cline/data/settings/cline_mcp_settings.json" {
		t.Errorf("got %s", got)
	}
}
