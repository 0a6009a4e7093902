package e2e

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// replayed is a client that does not run here, as its documentation, or whoever
// has watched it, has it speak. Each is a file of testdata/replays. In every text
// URL stands for the resource, ORIGIN and ADDRESS for our origin, HOST for the host of
// documents, PORT for the port that a program happened to get.
type replayed struct {
	Client    string          // its name in docs/reference/clients.md
	From      []string        // where it is told: what that page has as source
	Document  json.RawMessage // about it, under HOST/<host of its id>/<path of its id>
	Register  json.RawMessage // its registration
	Discovery []string        // what it reads, in its order: "401", "200 /path", "404 /path"
	Cases     []replayCase
}

// replayCase is a way in which it goes. Parameters are added to those of a request
// that is right in everything; an empty one is left out.
type replayCase struct {
	Name      string
	Quirk     string            // what is odd about it; empty: nothing
	By        string            // "document", "registration", "static": how it is known
	Register  json.RawMessage   // in place of the client's
	Type      string            // Content-Type of the registration; empty: application/json
	Static    []string          // flags of `client create`
	Auth      string            // how it proves who it is; empty: none
	Audience  string            // of its assertions; empty: our issuer
	Redirect  string            // its redirect URI
	At        map[string]string // endpoints that it takes without reading our metadata
	Authorize map[string]string
	Token     map[string]string
	Refresh   map[string]string // nil: as usual; {"grant_type":""}: it has no refresh token
	Granted   string            // scopes that it gets; empty: tools:read
	StepUp    string            // scopes that it asks for when a tool needs more
	Stale     bool              // it comes with an id of another installation first
	Twice     bool              // it refreshes with one token twice, from two workers
	Deny      bool              // its user says no
	Origin    string            // it is a web page of this origin
	Dropped   []string          // redirect URIs that are left out of its registration
	Refused   struct{ At, Code string }
}

// title is what it is called, and what is odd about it.
func (c *replayCase) title() string {
	if c.Quirk == "" {
		return c.Name
	}
	return c.Name + " (" + c.Quirk + ")"
}

// replay is one case under way.
type replay struct {
	replayCase
	t        *testing.T
	f        *front
	user     *resident
	host     *documentHost
	port     string
	id       string // the client's
	secret   string
	verifier string
	state    string
}

// in fills in what only this run knows.
func (r *replay) in(text string) string {
	return strings.NewReplacer("URL", r.f.url, "ORIGIN", "https://"+r.f.address, "ADDRESS", r.f.address, "HOST", r.host.address, "PORT", r.port).Replace(text)
}

// with changes the parameters of a request.
func (r *replay) with(form url.Values, change map[string]string) url.Values {
	for name, value := range change {
		form.Del(name)
		if value != "" {
			form.Set(name, r.in(value))
		}
	}
	return form
}

// endpoint is where the client sends something.
func (r *replay) endpoint(name string) string {
	if at := r.At[name]; at != "" {
		return r.in(at)
	}
	return "https://" + r.f.address + "/" + name
}

// TestClientsAreReplayed has every client that does not run here go the way that
// is documented of it, against the real program: discovery, registration, sign-in,
// token, call, refresh, and what else is known of it.
func TestClientsAreReplayed(t *testing.T) {
	t.Parallel()
	f, host := reserved(t), newDocumentHost(t)
	f.embedded = fmt.Sprintf(`accounts: true, clients: {cimd: {private: [127.0.0.1], ca: %s}, dcr: {rate_limit: off, redirect_schemes: ["vscode://saoudrizwan.claude-dev/mcp-auth/callback/0f3a9c"]}}`, host.file)
	f.server = "\n  allow_origins: [http://localhost:6274]"
	f.openOwn(t, goServer(t, true))
	ada := settle(t, f, "ada")
	for _, name := range replays(t) {
		c := readReplay(t, name)
		if len(c.Document) > 0 && !strings.Contains(name, "walled") {
			host.serve(t, c.Document)
		}
		t.Run(c.Client, func(t *testing.T) { //nolint:paralleltest // one person, with one browser
			for i := range c.Cases {
				one := c.Cases[i]
				t.Run(one.title(), func(t *testing.T) { //nolint:paralleltest // the same
					_, port, _ := strings.Cut(freeAddress(t), ":")
					r := &replay{replayCase: one, t: t, f: f, user: ada, host: host, port: port, verifier: rand.Text() + rand.Text(), state: rand.Text()}
					if len(r.Register) == 0 {
						r.Register = c.Register
					}
					r.discovers(c.Discovery)
					r.goes(c.Document)
				})
			}
		})
	}
}

// goes is a whole case, or as much of it as is not refused.
func (r *replay) goes(document json.RawMessage) {
	if r.Stale {
		r.isStale()
	}
	if !r.known(document) {
		return
	}
	back := r.authorizes(nil)
	if back == nil {
		return
	}
	g := r.redeems(back)
	if g == nil {
		return
	}
	r.calls(g, reading)
	r.refreshes(g)
	if r.StepUp != "" {
		r.stepsUp(g)
	}
}

func replays(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/replays/*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("got %d replays, %v", len(names), err)
	}
	return names
}

func readReplay(t testing.TB, name string) *replayed {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	var c replayed
	if err := d.Decode(&c); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if c.Client == "" || len(c.From) == 0 || len(c.Cases) == 0 {
		t.Fatalf("%s says too little", name)
	}
	return &c
}

// TestReplayReference holds the page about clients to the replays that there are.
func TestReplayReference(t *testing.T) {
	var want []string
	for _, name := range replays(t) {
		c := readReplay(t, name)
		var odd []string
		for _, one := range c.Cases {
			odd = append(odd, one.title())
		}
		want = append(want, fmt.Sprintf("| %s | %s | %s |", c.Client, strings.Join(odd, "; "), strings.Join(c.From, "; ")))
	}
	slices.Sort(want)
	page := read(t, "docs/reference/clients.md")
	var got []string
	_, table, _ := strings.Cut(page, "| client | what is replayed | as told by |\n|---|---|---|\n")
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		got = append(got, strings.TrimSpace(line))
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("docs/reference/clients.md has not these replays:\n%s", strings.Join(want, "\n"))
	}
}
