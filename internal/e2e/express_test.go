package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/gatehouse-mcp/gatehouse/internal/probe"
)

const expressDir = "examples/express"

// express starts a file of examples/express and returns where it listens.
func express(t *testing.T, file string, env ...string) string {
	t.Helper()
	// Beside the packages: modules are looked for from where the file is.
	dir, err := os.MkdirTemp(filepath.Dir(npm(t, "node_modules")), "express-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root(t), expressDir))); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	cmd := exec.Command(node(t), filepath.Join(dir, file))
	cmd.Env = append(append(os.Environ(), "LISTEN="+address, "SELF=http://"+address+"/mcp"), env...)
	start(t, cmd).listening(address)
	return address
}

// inFront starts Gatehouse with a file of examples/express in front of the app,
// with what is not of this machine in the file replaced by pairs of old and new.
func inFront(t *testing.T, file string, replace ...string) *front {
	t.Helper()
	return inFrontWith(t, func(*front) []string { return replace }, file)
}

// inFrontWith is inFront for what depends on where Gatehouse will be.
func inFrontWith(t *testing.T, more func(*front) []string, file string) *front {
	t.Helper()
	f := reserved(t)
	f.trust(t)
	replace := more(f)
	app := express(t, "behind/server.ts", "GATEHOUSE=https://"+f.address, "NODE_EXTRA_CA_CERTS="+f.all)
	text := strings.NewReplacer(append([]string{
		"https://mcp.example.com", "https://" + f.address, "127.0.0.1:8443", f.address, "127.0.0.1:3000", app, "/etc/gatehouse", f.dir,
	}, replace...)...).Replace(read(t, expressDir+"/behind/"+file))
	f.configure(t, text+"store: {sqlite: DIR/state/gatehouse.db}\nadmin: {listen: 127.0.0.1:0}\n")
	f.launch(t)
	if status, body := (&vouched{t: t}).ask("http://"+app+"/mcp", http.Header{"Authorization": {"Bearer x"}}); status != http.StatusUnauthorized {
		t.Errorf("around Gatehouse: got %d %s", status, body)
	}
	return f
}

// meets wants real clients to be let in with good, as who, and refused with each
// of bad. Those in Node.js trust the certificates in the file trust too.
func meets(t *testing.T, client *http.Client, trust, url, who, good string, bad map[string]string) {
	t.Helper()
	env := "NODE_EXTRA_CA_CERTS=" + trust // empty: none
	for _, c := range []mcpClient{{"TypeScript SDK 2", nil, typescript("sdk2.mjs", env)}, {"TypeScript SDK 1", nil, typescript("sdk1.mjs", env)}} {
		got := c.meet(t, url, good, "legacy", "list_notes", map[string]any{})
		if got.Error != "" || got.Text != who+" has 0 notes" || len(got.Tools) != 2 {
			t.Errorf("%s: got %+v, want %s to be let in", c.name, got, who)
		}
	}
	if got := typescript("sdk1.mjs", env)(t, url, "", "legacy", "list_notes", map[string]any{}); got.Status != http.StatusUnauthorized || got.Text != "" {
		t.Errorf("without a credential: got %+v, want 401 and nothing else", got)
	}
	for what, token := range bad {
		status, header, body := calls(t, client, url, token)
		if status != http.StatusUnauthorized || !strings.Contains(header, `error="invalid_token"`) || strings.Contains(body, "notes") {
			t.Errorf("%s: got %d %q %s, want 401 and nothing else", what, status, header, body)
		}
	}
	if status, _, body := calls(t, client, url, good); status != http.StatusOK || !strings.Contains(body, who+" has 0 notes") {
		t.Errorf("got %d %s with what is good", status, body)
	}
}

// calls calls a tool as any program can.
func calls(t *testing.T, client *http.Client, url, token string) (status int, challenge, body string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(strings.Replace(whoami, "whoami", "list_notes", 1)))
	if err != nil {
		t.Fatal(err)
	}
	q.Header = http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
		"Mcp-Protocol-Version": {"2025-11-25"}, "Authorization": {"Bearer " + token},
	}
	res, err := client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("WWW-Authenticate"), string(text)
}

func TestExpressWithAPIKeys(t *testing.T) {
	t.Parallel()
	t.Run("in the process", func(t *testing.T) {
		t.Parallel()
		key := rand.Text() + rand.Text()
		app := express(t, "in-process/api-key.ts", fmt.Sprintf(`KEYS={"%x":{"sub":"ada"}}`, sha256.Sum256([]byte(key))))
		meets(t, http.DefaultClient, "", "http://"+app+"/mcp", "ada", key, map[string]string{"another": rand.Text(), "a part": key[1:], "another case": strings.ToLower(key)})
	})
	t.Run("Gatehouse in front", func(t *testing.T) {
		t.Parallel()
		f := inFront(t, "api-key.yaml")
		id, key := f.key("--name", "ada")
		meets(t, &http.Client{Transport: f.way(t)}, f.all, f.url, "key:"+id, key, map[string]string{"another": rand.Text(), "a part": key[:60]})
	})
}

func TestExpressWithOAuth(t *testing.T) {
	t.Parallel()
	scopes := "notes:read notes:write"
	travel := func(t *testing.T, f *front, p *provider) {
		t.Helper()
		for _, c := range travellers() {
			t.Run(c.name, func(t *testing.T) {
				j := c.goes(t, f, p, "ada", "list_notes", "clear_notes")
				if j.Error != "" || len(j.Results) != 2 || j.Results[0].Text != "ada has 0 notes" || j.Results[1].Text != "cleared for ada" {
					t.Fatalf("got %+v", j)
				}
				if len(j.Sent) != 2 || strings.Contains(j.Sent[0]["scope"], "notes:write") || !strings.Contains(j.Sent[1]["scope"], "notes:write") || j.Sent[0]["code_challenge_method"] != "S256" {
					t.Errorf("got authorization requests %v, want one for reading and one for more", j.Sent)
				}
			})
		}
		good := p.token(request{user: "ada", resource: f.url, scopes: "notes:read"}).Access
		other := p.token(request{user: "ada", resource: mcpResource, scopes: "notes:read"}).Access
		meets(t, &http.Client{Transport: f.way(t)}, f.all, f.url, "ada", good, map[string]string{"for another server": other, "unsigned": good[:strings.LastIndex(good, ".")+1], "garbage": "garbage"})
	}
	t.Run("in the process", func(t *testing.T) {
		t.Parallel()
		f := reserved(t)
		p := nodeProvider(t, map[string]map[string]any{"ada": {}}, map[string]nodeResource{f.url: {Scope: scopes}, mcpResource: {Scope: scopes}})
		f.trust(t, p)
		f.ends(t, express(t, "in-process/oauth.ts", "RESOURCE="+f.url, "ISSUER="+p.issuer, "NODE_EXTRA_CA_CERTS="+f.all))
		travel(t, f, p)
		look(t, f)
	})
	t.Run("Gatehouse in front", func(t *testing.T) {
		t.Parallel()
		var p *provider
		f := inFrontWith(t, func(f *front) []string {
			p = nodeProvider(t, map[string]map[string]any{"ada": {}}, map[string]nodeResource{f.url: {Scope: scopes}, mcpResource: {Scope: scopes}})
			return []string{`issuer: "https://login.example.com"`, fmt.Sprintf(`issuer: %q, ca: %s, private: [127.0.0.1]`, p.issuer, p.file("cert.pem"))}
		}, "oauth.yaml")
		f.trust(t, p)
		travel(t, f, p)
		look(t, f)
	})
}

// look has the checker see an example as a stranger does.
func look(t *testing.T, f *front) {
	t.Helper()
	c := check(t, f.url, "--ca", f.all)
	c.wants(t, probe.Fail)
}

// jobs is an issuer that publishes keys, and signs what it is told to.
type jobs struct {
	*httptest.Server
	key *rsa.PrivateKey
}

func newJobs(t *testing.T) *jobs {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	j := &jobs{key: key}
	j.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Use: "sig", Algorithm: "RS256"}}})
	}))
	t.Cleanup(j.Close)
	return j
}

// token signs claims: those of a good token for the resource, edited.
func (j *jobs) token(t *testing.T, resource string, alg jose.SignatureAlgorithm, key any, edit func(*jwt.Claims)) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", "1"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c := jwt.Claims{
		Issuer: "https://jobs.example.com", Subject: "job-7", Audience: jwt.Audience{resource},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(10 * time.Minute)),
	}
	edit(&c)
	text, err := jwt.Signed(signer).Claims(c).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// bad are tokens that nobody may take.
func (j *jobs) bad(t *testing.T, resource string) map[string]string {
	t.Helper()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := func(*jwt.Claims) {}
	return map[string]string{
		"for another": j.token(t, "https://other.example.com/mcp", jose.RS256, j.key, good),
		"by another":  j.token(t, resource, jose.RS256, j.key, func(c *jwt.Claims) { c.Issuer = "https://evil.example.com" }),
		"another key": j.token(t, resource, jose.RS256, other, good),
		"RS512":       j.token(t, resource, jose.RS512, j.key, good),
		"HS256":       j.token(t, resource, jose.HS256, j.key.N.Bytes(), good),
		"expired":     j.token(t, resource, jose.RS256, j.key, func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(time.Now().Add(-2 * time.Minute)) }),
		"for ever":    j.token(t, resource, jose.RS256, j.key, func(c *jwt.Claims) { c.Expiry = nil }),
	}
}

func TestExpressWithJWT(t *testing.T) {
	t.Parallel()
	j := newJobs(t)
	t.Run("in the process", func(t *testing.T) {
		t.Parallel()
		const resource = "https://mcp.example.com/mcp"
		app := express(t, "in-process/jwt.ts", "RESOURCE="+resource, "ISSUER=https://jobs.example.com", "JWKS="+j.URL)
		meets(t, http.DefaultClient, "", "http://"+app+"/mcp", "job-7", j.token(t, resource, jose.RS256, j.key, func(*jwt.Claims) {}), j.bad(t, resource))
	})
	t.Run("Gatehouse in front", func(t *testing.T) {
		t.Parallel()
		f := inFront(t, "jwt.yaml", `url: "https://jobs.example.com/jwks.json"}`, fmt.Sprintf("url: %q}\n      private: [127.0.0.1]", j.URL))
		meets(t, &http.Client{Transport: f.way(t)}, f.all, f.url, "job-7", j.token(t, f.url, jose.RS256, j.key, func(*jwt.Claims) {}), j.bad(t, f.url))
	})
}

// The versions in the example are those that the tests run.
func TestExpressPackagesArePinned(t *testing.T) {
	var example, ours struct{ Dependencies map[string]string }
	for file, into := range map[string]any{expressDir + "/package.json": &example, "internal/e2e/npm/package.json": &ours} {
		if err := json.Unmarshal([]byte(read(t, file)), into); err != nil {
			t.Fatal(err)
		}
	}
	for name, version := range example.Dependencies {
		if ours.Dependencies[name] != version {
			t.Errorf("%s: the example says %s, the tests run %s", name, version, ours.Dependencies[name])
		}
	}
	if read(t, expressDir+"/behind/identity.ts") != read(t, behind+"/typescript/identity.ts") {
		t.Error("identity.ts is not the one that is shown to everybody")
	}
}
