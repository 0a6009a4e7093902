package e2e

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/probe"
)

// libraryExamples are the examples of servers that protect themselves with the
// library: what starts each of them.
func libraryExamples() map[string]func(t *testing.T) *exec.Cmd {
	return map[string]func(t *testing.T) *exec.Cmd{
		"go-middleware": func(t *testing.T) *exec.Cmd {
			return exec.Command(build(t, "go-middleware", "./examples/go-middleware"))
		},
		"mcp-go": func(t *testing.T) *exec.Cmd { return exec.Command(buildMCPGo(t)) },
	}
}

// buildMCPGo builds the example that is a module of its own: ours is not to
// depend on another SDK.
func buildMCPGo(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "mcp-go")
	cmd := exec.Command("go", "build", "-C", filepath.Join(root(t), "examples", "mcp-go"), "-o", out, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

// ends puts HTTPS in front of a program, at the front's address.
func (f *front) ends(t *testing.T, address string) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(f.dir, "cert.pem"), filepath.Join(f.dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(wholeBodies(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})))
	_ = s.Listener.Close()
	if s.Listener, err = net.Listen("tcp", f.address); err != nil {
		t.Fatal(err)
	}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	t.Cleanup(s.Close)
}

// sample is a running example behind HTTPS, and its provider.
type sample struct {
	*front
	p   *provider
	key string // an API key that it takes, if it takes any
}

// runExample starts an example with what it needs to know in its environment.
func runExample(t *testing.T, cmd *exec.Cmd) *sample {
	t.Helper()
	f := reserved(t)
	p := nodeProvider(t, map[string]map[string]any{"ada": {}, "bob": {}}, map[string]nodeResource{
		f.url:                         {Scope: "notes:read notes:write"},
		"https://other.example.com/x": {Scope: "notes:read notes:write"},
	})
	f.trust(t, p)
	key, digest := gatehouse.NewAPIKey()
	address := freeAddress(t)
	cmd.Env = append(os.Environ(), "RESOURCE="+f.url, "ISSUER="+p.issuer, "LISTEN="+address, "KEY_DIGEST="+digest,
		"PRIVATE_ISSUER=1", "SSL_CERT_FILE="+f.all, "NODE_EXTRA_CA_CERTS="+f.all)
	f.program, f.Listen = start(t, cmd), f.address
	f.listening(address)
	f.ends(t, address)
	return &sample{f, p, key}
}

// TestLibraryExamples runs the Go examples with tokens of a real provider and
// clients that find their way in, and to more scopes, by themselves.
func TestLibraryExamples(t *testing.T) {
	t.Parallel()
	for name, cmd := range libraryExamples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := runExample(t, cmd(t))
			for _, c := range travellers() {
				t.Run(c.name, func(t *testing.T) { e.travelled(t, c) })
			}
			e.refuses(t)
			c := e.checked(t)
			c.wants(t, probe.Fail)
			c.wants(t, probe.Warn, "GH-2111 hsts", "GH-2126 registration", "GH-2128 server-metadata") // of what is in front, and of the provider
			if name != "go-middleware" {
				return
			}
			if got := e.call(e.key, "list_notes"); got.status != http.StatusOK || !strings.Contains(got.body, "ci has 0 notes") {
				t.Errorf("with an API key: got %d %s", got.status, got.body)
			}
			e.call(e.key, "add_note").wantRefusal(t, "a key without the scope", http.StatusForbidden, "GH-1201", "insufficient_scope")
		})
	}
}

// travelled wants a client to be let in, and to have asked for more scopes once.
func (e *sample) travelled(t *testing.T, c traveller) {
	j := c.goes(t, e.front, e.p, "ada", "list_notes", "add_note")
	if j.Error != "" || len(j.Results) != 2 || !strings.Contains(j.Results[0].Text, "ada has ") || j.Results[1].Text != "kept for ada" {
		t.Fatalf("got %+v", j)
	}
	if len(j.Sent) != 2 || strings.Contains(j.Sent[0]["scope"], "notes:write") || !strings.Contains(j.Sent[1]["scope"], "notes:write") || j.Sent[0]["resource"] != e.url {
		t.Errorf("got authorization requests %v, want one for reading and one for more", j.Sent)
	}
}

// refuses wants an example to take no token but its own issuer's for itself.
func (e *sample) refuses(t *testing.T) {
	t.Helper()
	good := e.p.token(request{user: "bob", resource: e.url, scopes: "notes:read"}).Access
	if got := e.call(good, "list_notes"); got.status != http.StatusOK || !strings.Contains(got.body, "bob has 0 notes") {
		t.Errorf("got %d %s, want bob to be let in", got.status, got.body)
	}
	e.call(good, "add_note").wantRefusal(t, "without the scope", http.StatusForbidden, "", "insufficient_scope")
	e.call("", "list_notes").wantRefusal(t, "without a token", http.StatusUnauthorized, "", "")
	other := e.p.token(request{user: "bob", resource: "https://other.example.com/x", scopes: "notes:read"}).Access
	e.call(other, "list_notes").wantRefusal(t, "for another server", http.StatusUnauthorized, "", "invalid_token")
	part := strings.Split(good, ".")
	for what, text := range map[string]string{
		"tampered": part[0] + "." + part[1] + "A." + part[2], "unsigned": part[0] + "." + part[1] + ".", "no token": "garbage", "an unknown key": "gthk_x",
	} {
		e.call(text, "list_notes").wantRefusal(t, what, http.StatusUnauthorized, "", "invalid_token")
	}
}
