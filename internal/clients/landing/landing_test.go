package landing

import (
	"html"
	"os"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/clients"
)

func render(t *testing.T, p Page) string {
	t.Helper()
	text, err := p.HTML()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section is what the page says about one client; "": nothing.
func section(page, id string) string {
	_, rest, ok := strings.Cut(page, `<details id="`+id+`">`)
	if !ok {
		return ""
	}
	text, _, _ := strings.Cut(rest, "</details>")
	return html.UnescapeString(text)
}

func TestThePageSaysHowEachClientGetsIn(t *testing.T) {
	const public = "https://mcp.acme.com/mcp"
	tests := []struct {
		name, client string
		page         Page
		want         []string // none: the client is left out
		not          string
	}{
		{"a key in a variable", "cursor", Page{URL: public, Keys: true}, []string{`"Authorization": "Bearer ${env:MCP_ACME_COM_MCP_KEY}"`, "~/.cursor/mcp.json", "MCP_ACME_COM_MCP_KEY"}, "bridge"},
		{"a sign-in and a link", "cursor", Page{URL: public, OAuth: true, Keys: true}, []string{`href="cursor://anysphere.cursor-deeplink/mcp/install?name=mcp-acme-com&config=`, "Needs login"}, "Bearer"},
		{"the client's own command", "claude-code", Page{URL: public, Keys: true}, []string{"claude mcp add --transport http --scope user mcp-acme-com https://mcp.acme.com/mcp --header 'Authorization: Bearer ${MCP_ACME_COM_MCP_KEY}'"}, "bridge"},
		{"a prompt for the key", "vscode", Page{URL: public, Keys: true}, []string{`"Bearer ${input:mcp-acme-com-key}"`, "asks for the key", "%APPDATA%/Code/User/mcp.json", "on macOS"}, "Set the variable"},
		{"the bridge with a key", "claude-desktop", Page{URL: public, Keys: true}, []string{`"--key-from", "keychain:mcp-acme-com"`, "gatehouse bridge key mcp-acme-com"}, ""},
		{"the bridge that signs in", "claude-desktop", Page{URL: public, OAuth: true, Keys: true}, []string{`"args": ["bridge", "https://mcp.acme.com/mcp"]`, "signs in for it"}, "keychain"},
		{"a key where the client cannot sign in", "continue", Page{URL: public, OAuth: true, Keys: true}, []string{"secrets.MCP_ACME_COM_MCP_KEY"}, ""},
		{"connectors that sign in", "chatgpt", Page{URL: public, OAuth: true}, []string{"authentication OAuth"}, ""},
		{"no connectors with keys alone", "chatgpt", Page{URL: public, Keys: true}, nil, ""},
		{"no connectors for this machine", "claude-ai", Page{URL: "http://127.0.0.1:8080/mcp", OAuth: true}, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := section(render(t, tt.page), tt.client)
			if (got == "") != (len(tt.want) == 0) {
				t.Fatalf("got %q", got)
			}
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("got %s, want %q in it", got, want)
				}
			}
			if tt.not != "" && strings.Contains(got, tt.not) {
				t.Errorf("got %s, want no %q in it", got, tt.not)
			}
		})
	}
}

// TestStrangersAreNotToldTheNameOfTheServer: the page of an address that anybody
// reaches is made of the address alone.
func TestStrangersAreNotToldTheNameOfTheServer(t *testing.T) {
	for at, want := range map[string]bool{"https://mcp.acme.com/mcp": false, "https://203.0.113.7/mcp": false, "http://127.0.0.1:8080/mcp": true, "https://mcp.internal/mcp": true} {
		for _, keys := range []bool{true, false} {
			got := render(t, Page{URL: at, Name: "payroll", Keys: keys, OAuth: !keys})
			if strings.Contains(strings.ToLower(got), "payroll") != want {
				t.Errorf("%s: want it %v", at, want)
			}
		}
	}
}

// TestThePageHasTheSameDataAsConnect: a client that writes a file is on it with
// what connect would write.
func TestThePageHasTheSameDataAsConnect(t *testing.T) {
	page := render(t, Page{URL: "https://mcp.acme.com/mcp", OAuth: true, Keys: true})
	for _, c := range clients.All() {
		got := section(page, c.ID)
		if got == "" {
			t.Errorf("%s is not on the page", c.ID)
			continue
		}
		if !c.Writes() || !c.Can(clients.ByOAuth) {
			continue
		}
		want, err := c.Snippet(clients.Server{Name: "mcp-acme-com", URL: "https://mcp.acme.com/mcp", Way: clients.ByOAuth})
		if err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s, %v", c.ID, got, want, err)
		}
	}
}

// TestThePageIsNoPlaceForMarkup: an address is text wherever it stands.
func TestThePageIsNoPlaceForMarkup(t *testing.T) {
	for _, at := range []string{`https://x.example/"><script>alert(1)</script>`, `https://x.example/'onload='x`, "https://x.example/{url}{name}", "https://x.example/$(reboot)`reboot`"} {
		got := render(t, Page{URL: at, OAuth: true, Keys: true})
		for _, bad := range []string{"<script", "'onload", "ZgotmplZ"} {
			if strings.Contains(got, bad) {
				t.Errorf("%s: the page has %q in it", at, bad)
			}
		}
		if command := section(got, "claude-code"); strings.Contains(at, "reboot") && !strings.Contains(command, "'"+at+"'") {
			t.Errorf("a shell would run a part of %s", command)
		}
	}
}

// TestThePageAsksForNothingFromElsewhere: it has no script, no picture and no style
// but its own, so the answer's policy can forbid them.
func TestThePageAsksForNothingFromElsewhere(t *testing.T) {
	text, err := os.ReadFile("page.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "src=", "@import", "<link", "<form", "style=", "http://", "https://"} {
		if strings.Contains(string(text), bad) {
			t.Errorf("it has %q", bad)
		}
	}
}
