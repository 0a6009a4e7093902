package probe

import (
	"net/http"
	"strings"
	"testing"
)

// stopped is a client that does not get on.
type stopped struct {
	fault, client, text string
	want                Outcome
	after               func(*http.Request, *answer)
	with                func(*Options)
}

func cannotLogIn() []stopped {
	plain := func(o *Options) { o.URL, o.From, o.Resolvers = "http://example.com/mcp", "", nil }
	onLoopback := func(o *Options) { o.URL, o.From, o.Resolvers = "https://127.0.0.1/mcp", "", nil }
	const chatGPT, web, code, cursor, zed, gemini = "ChatGPT", "Claude (web", "Claude Code", "Cursor", "Zed", "Gemini CLI"
	otherPort := func(r *http.Request, a *answer) {
		if r.URL.Path == "/authorize" && strings.Contains(r.URL.RawQuery, "51004") {
			says(a, 400, "text/plain", "")
			a.Header().Del("Location")
		}
	}
	modernOnly := func(r *http.Request, a *answer) {
		if r.Header.Get("Authorization") != "" && r.Header.Get("Mcp-Method") == "" && r.URL.Path == "/mcp" {
			says(a, 400, "application/json", `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"unsupported version"}}`)
		}
	}
	return []stopped{
		{"", code, "by its id", Pass, nil, nil},
		{"plain served", chatGPT, "it takes https only", Fail, nil, plain},
		{"any host", chatGPT, "does not reach 127.0.0.1", Unknown, nil, onLoopback},
		{"open", cursor, "nobody is asked to sign in", Without, nil, nil},
		{"", code, "it begins with initialize", Fail, modernOnly, nil},
		{"keys only", web, "only for those in a beta", Warn, nil, nil},
		{"keys only", chatGPT, "it can only sign in", Warn, nil, nil},
		{"keys only", cursor, "with a key", Pass, nil, nil},
		{"403", cursor, "not with 401", Fail, nil, nil},
		{"", code, "it refuses metadata of", Fail, has(wellKnown, "resource", "https://other.example.com/mcp"), nil},
		{"no issuer named", cursor, "names no authorization server", Fail, nil, nil},
		{"issuer with a slash", cursor, "it finds no metadata of", Fail, nil, nil},
		{"no PKCE advertised", cursor, "does not advertise PKCE", Fail, nil, nil},
		{"no token endpoint", cursor, "has no authorization or token endpoint", Fail, nil, nil},
		{"no registration", cursor, "needs a client id by hand", Warn, nil, nil},
		{"no registration", zed, "does with a key only", Warn, nil, nil},
		{"no iss advertised", chatGPT, "without iss each connector", Warn, nil, nil},
		{"errors without iss", chatGPT, "needs iss on error responses", Fail, nil, nil},
		{"", code, "it listens on a free port", Fail, otherPort, nil},
		{"", gemini, "only if it gets the same port", Warn, otherPort, nil},
		{"", cursor, "was not answered", Unknown, at("/register", 503, "text/plain", ""), nil},
		{"", cursor, "is refused (403)", Fail, at("/register", 403, "text/plain", ""), nil},
		{"", cursor, "none of its redirect URIs", Fail, has("/register", "redirect_uris", []string{"https://other.example.com/"}), nil},
	}
}

// TestClientsThatCannotLogIn follows clients to the point where they cannot go on.
func TestClientsThatCannotLogIn(t *testing.T) {
	t.Parallel()
	for _, tt := range cannotLogIn() {
		h := newHouse(t, tt.fault)
		h.after = tt.after
		o := given(t, h)
		for _, rule := range Rules() {
			if rule != sessions && rule != issSent && rule != redirects {
				o.Skip = append(o.Skip, rule.Code)
			}
		}
		if tt.with != nil {
			tt.with(&o)
		}
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range r.Clients {
			if strings.HasPrefix(c.Client, tt.client) && (c.Outcome != tt.want || !strings.Contains(c.Text, tt.text)) {
				t.Errorf("%s: %s: got %s: %s, want %s: %s", tt.fault, c.Client, c.Outcome, c.Text, tt.want, tt.text)
			}
		}
	}
}
