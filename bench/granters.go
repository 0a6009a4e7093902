package main

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-mcp/gatehouse/internal/e2e/person"
)

// granter is an authorization server that is measured.
type granter struct {
	name    string
	lacks   string   // what it does less than ours, for whoever reads the table
	kinds   []string // of grants; none: all
	alone   bool     // many at once would all wait for longer than is measured
	start   func(y *yard, g *granter) error
	address string
	program *program

	authorize, token, introspect string // paths
	scope, offline               string // what is asked for, and what more for a refresh token
	resource                     string // empty: it does not know that parameter
	app, ci                      oauthClient
	asked                        url.Values // for a token that is asked about: client credentials, but for those
	byCode                       bool       // that a token that is asked about comes of a code
	fill                         filler     // signs in; nil: nobody has to
	people                       []resident

	took, idle float64 // ms until it listened; MiB when nobody had asked for anything yet
}

// oauthClient is a client of a granter: "app" that people use, or "ci", a
// program. Without a secret it is public.
type oauthClient struct{ id, secret string }

const (
	callback   = "https://client.example/callback"
	notASecret = "not-a-secret" //nolint:gosec // it is none
	verifier   = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge  = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636, Appendix B
)

const nameOurs = "Gatehouse"

func allGranters() []*granter {
	ours := granter{name: nameOurs, start: startOurs, lacks: "nothing: all of it is on disk before the answer, and so is the trail"}
	before := ours
	before.name, before.start = nameOurs+", before", startBefore
	fosite := granter{name: "fosite, ES256, bcrypt at its least", start: startFosite("4"), lacks: "in memory; no sessions, no consents, no trail"}
	dear := fosite
	dear.alone = true
	dear.name, dear.kinds, dear.start = "fosite, ES256, bcrypt as in its example", []string{kindClient, kindAbout}, startFosite("10")
	return []*granter{
		&ours, &before,
		{name: "oidc-provider, ES256", start: startNode, lacks: "in memory, no trail; what it says of tokens is of opaque ones, for it cannot of JWTs"},
		{name: "zitadel/oidc example, RS256", start: startZitadel, lacks: "in memory, no trail, no sessions: each code is a sign-in by a password in the clear"},
		&fosite, &dear,
	}
}

// measures says whether a kind of grants is measured.
func (g *granter) measures(kind string) bool {
	return len(g.kinds) == 0 || slices.Contains(g.kinds, kind)
}

// run starts the program of a granter and waits until it listens.
func (g *granter) run(y *yard, args ...string) (err error) {
	began := time.Now()
	if g.program, err = start(y.ctx, y.dir, y.proxies, args...); err != nil {
		return err
	}
	for end := began.Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		nc, err := net.Dial("tcp", g.address)
		if err == nil {
			g.took = float64(time.Since(began).Microseconds()) / 1e3
			return nc.Close()
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s does not listen: %s", g.name, g.program.tail())
		}
	}
}

// weigh looks at the memory of a granter that has done nothing yet.
func (g *granter) weigh() error {
	time.Sleep(time.Second)
	n, err := memory([]int{g.program.cmd.Process.Pid})
	g.idle = float64(n) / (1 << 20)
	return err
}

func startOurs(y *yard, g *granter) error   { return g.serve(y, y.binary) }
func startBefore(y *yard, g *granter) error { return g.serve(y, y.settings.before) }

// users is how many people sign in: their browsers are shared by the callers.
const users = 8

const password = "seven olives under a lamp" //nolint:gosec // of nobody

// resident is somebody with an account at Gatehouse.
type resident struct {
	person.Person
	cookies map[string]string // of their browser, once they are signed in
}

// fill signs in at Gatehouse, sets an authenticator up, and allows what is asked for.
func (p *resident) fill(_ *hand, _ *url.URL, page string) (string, url.Values) { return p.Next(page) }

func (g *granter) serve(y *yard, binary string) error {
	dir := filepath.Join(y.dir, "grants "+g.name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := configure(dir, "oauth.yaml", map[string]any{"Address": g.address})
	if err != nil {
		return err
	}
	if err := g.run(y, binary, "serve", "--quiet", "--json", "-c", file); err != nil {
		return err
	}
	if _, err := g.program.line(20 * time.Second); err != nil { // it is open to commands now too
		return fmt.Errorf("%w: %s", err, g.program.tail())
	}
	if err := g.weigh(); err != nil { // before its clients and users are made
		return err
	}
	g.authorize, g.token, g.introspect, g.scope, g.offline = "/authorize", "/token", "/introspect", "echo:use", "offline_access"
	g.resource = "http://" + g.address + "/mcp"
	command := func(input string, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(y.ctx, binary, append(args, "--json", "-c", file)...)
		cmd.Stdin = bytes.NewReader([]byte(input))
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("%q: %w: %s", args, err, out)
		}
		return out, err
	}
	g.app.id = "app"
	if _, err := command("", "client", "create", "--id", "app", "--name", "App", "--redirect-uri", callback, "--public"); err != nil {
		return err
	}
	out, err := command("", "client", "create", "--id", "ci", "--name", "CI", "--resource-server", g.resource)
	if err != nil {
		return err
	}
	var made struct {
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal(out, &made); err != nil {
		return err
	}
	g.ci = oauthClient{"ci", made.Secret}
	for n := range users {
		name := fmt.Sprintf("user%d", n)
		if _, err := command(password+"\n", "user", "create", name, "--password-stdin"); err != nil {
			return err
		}
		g.people = append(g.people, resident{Person: person.Person{Name: name, Password: password}})
	}
	return nil
}

// startNode starts oidc-provider.
func startNode(y *yard, g *granter) error {
	script, err := npmScript("oidc-provider.mjs")
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(g.address)
	if err != nil {
		return err
	}
	const opaque = "https://mcp.example/opaque"
	g.authorize, g.token, g.introspect, g.scope = "/auth", "/token", "/token/introspection", "echo:use"
	g.resource, g.asked = resource, url.Values{"resource": {opaque}}
	g.app, g.ci = oauthClient{id: "app"}, oauthClient{"gatehouse", notASecret} // the one that may introspect
	text, err := json.Marshal(map[string]any{
		"issuer": "http://" + g.address, "port": port, "keys": []jose.JSONWebKey{{Key: key, KeyID: "1", Algorithm: "ES256", Use: "sig"}},
		"clients": []map[string]any{
			{
				"client_id": "app", "token_endpoint_auth_method": "none", "redirect_uris": []string{callback},
				"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
			},
			{"client_id": "gatehouse", "client_secret": notASecret, "redirect_uris": []string{}, "grant_types": []string{"client_credentials"}, "response_types": []string{}},
		},
		"account": "user0", "introspects": g.ci.id, "scope": g.scope, "resources": map[string]any{resource: "jwt", opaque: "opaque"},
	})
	if err != nil {
		return err
	}
	file := filepath.Join(y.dir, "oidc-provider.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	return g.run(y, nodeIn(filepath.Dir(script)), script, file)
}

// npmScript puts a script beside the packages that it needs.
func npmScript(name string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(".tools", "npm"))
	if err != nil {
		return "", err
	}
	text, err := configurations.ReadFile("peers/" + name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "bench-"+name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return "", fmt.Errorf("%w: scripts/setup bench installs what it needs", err)
	}
	return path, nil
}

// module builds a program that is a module of its own.
func module(y *yard, dir string) (string, error) {
	out, err := filepath.Abs(filepath.Join("dist", "bench", filepath.Base(dir)))
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(y.ctx, "go", "build", "-trimpath", "-o", out, ".")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", dir, err, text)
	}
	return out, nil
}

// startZitadel starts zitadel/oidc's example, as the end-to-end tests do.
func startZitadel(y *yard, g *granter) error {
	program, err := module(y, filepath.Join("internal", "e2e", "zitadel"))
	if err != nil {
		return err
	}
	g.authorize, g.token, g.introspect, g.scope, g.offline = "/auth", "/oauth/token", "/oauth/introspect", "openid", "offline_access"
	g.app, g.ci, g.byCode, g.fill = oauthClient{"web", notASecret}, oauthClient{"sid1", "verysecret"}, true, zitadelLogin
	return g.run(y, program, "-listen", g.address, "-issuer", "http://"+g.address, "-web", callback)
}

func zitadelLogin(_ *hand, at *url.URL, _ string) (string, url.Values) {
	return "/login/username", url.Values{"id": {at.Query().Get("authRequestID")}, "username": {"test-user@" + cmp.Or(at.Hostname(), "localhost")}, "password": {"verysecure"}}
}

// startFosite starts a server on fosite whose secrets are hashed at a cost.
func startFosite(cost string) func(y *yard, g *granter) error {
	return func(y *yard, g *granter) error {
		program, err := module(y, filepath.Join("bench", "fosite"))
		if err != nil {
			return err
		}
		g.authorize, g.token, g.introspect, g.scope, g.offline = "/authorize", "/token", "/introspect", "echo:use", "offline"
		g.app, g.ci = oauthClient{id: "app"}, oauthClient{"ci", notASecret}
		return g.run(y, program, "-listen", g.address, "-cost", cost, "-redirect", callback, "-secret", notASecret, "-audience", resource)
	}
}
