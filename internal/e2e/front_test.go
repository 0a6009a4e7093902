package e2e

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// front is `gatehouse serve` at an address that clients can reach by
// themselves, in front of a server, for callers with tokens of providers.
type front struct {
	*production
	address  string
	listen   string // where it listens, if that is not its address: something is in front of it
	url      string // of the server that is protected: the resource
	embedded string // settings of auth.embedded; empty: accounts of ours
	server   string // further lines of server
	tls      string // settings of server.tls beside the files
	all      string // certificates of everybody, for clients in Node.js
	once     sync.Once
	kept     *http.Client
}

// fronts is the configuration of a front; ISSUERS and POLICY are lines of it.
const fronts = `version: 1
server:
  public_url: https://ADDRESS
  listen: LISTEN
  tls: {files: {cert: DIR/cert.pem, key: DIR/key.pem}, TLS}SERVER
servers:
  - {name: front, path: /mcp, url: "UPSTREAM", forward: {identity: headers}}
auth:
  api_keys: {}
  issuers:
ISSUERS
TENANTS
scopes:
  tools:read: {title: Use what only reads, default: true}
  tools:write: {title: Use what changes something}
policy:
  default: deny
  rules:
POLICY
limits: {per_key: off, failed_auth: {per_ip: 1000000/min, ban: 1m}}
store: {sqlite: DIR/state/gatehouse.db}
admin: {listen: 127.0.0.1:0}
`

// readsAndWrites has one tool for those who read, another for those who write too.
const readsAndWrites = `
    - {name: read, tools: [test_simple_text], require: {scopes: [tools:read]}}
    - {name: write, tools: [test_multiple_content_types], require: {scopes: [tools:read, tools:write]}}`

// reserved is a front that is not running yet: providers can be told its URL.
func reserved(t testing.TB) *front {
	t.Helper()
	p := &production{dir: stateDir(t)}
	p.file = filepath.Join(p.dir, "gatehouse.yaml")
	p.pool = certificate(t, p.dir, "127.0.0.1", "localhost", "mcp.test")
	f := &front{production: p, address: freeAddress(t)}
	f.url = "https://" + f.address + "/mcp"
	return f
}

// yaml is the provider as an issuer of a front; what else is in the YAML comes last.
func (p *provider) yaml(more string) string {
	if more != "" {
		more = ", " + more
	}
	return fmt.Sprintf("    - {name: %s, issuer: %q, ca: %s, private: [127.0.0.1]%s}", p.name, p.issuer, p.file("cert.pem"), more)
}

// text is the configuration in front of a server, without tenants.
func (f *front) text(upstream, policy string, issuers ...string) string {
	return f.textOf(upstream, policy, "", issuers...)
}

// textOf is the configuration in front of a server, with a setting for tenants.
func (f *front) textOf(upstream, policy, tenants string, issuers ...string) string {
	return strings.NewReplacer(
		"ADDRESS", f.address, "LISTEN", cmp.Or(f.listen, f.address), "UPSTREAM", upstream, "ISSUERS", strings.Join(issuers, "\n"), "POLICY", policy, "TENANTS", tenants, ", TLS", comma(f.tls), "SERVER", f.server,
	).Replace(fronts)
}

func comma(more string) string {
	if more == "" {
		return ""
	}
	return ", " + more
}

// open starts the front with a configuration. Its clients trust the providers too.
func (f *front) open(t testing.TB, text string, providers ...*provider) {
	t.Helper()
	f.trust(t, providers...)
	f.configure(t, text)
	f.launch(t)
}

// trust has the clients of the front trust its certificate and those of providers.
func (f *front) trust(t testing.TB, providers ...*provider) {
	t.Helper()
	files := []string{filepath.Join(f.dir, "cert.pem")}
	for _, p := range providers {
		files = append(files, p.file("cert.pem"))
	}
	var all []byte
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	f.all = filepath.Join(f.dir, "all.pem")
	write(t, f.all, string(all))
	f.pool = x509.NewCertPool()
	f.pool.AppendCertsFromPEM(all)
}

// way is how a client in this process reaches the front and its providers.
func (f *front) way(t testing.TB) *http.Transport {
	way := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: f.pool}, ForceAttemptHTTP2: true}
	t.Cleanup(way.CloseIdleConnections)
	return way
}

// launch starts the program; after it was stopped, again.
func (f *front) launch(t testing.TB, env ...string) {
	t.Helper()
	f.production.launch(t, env...)
	f.once, f.kept = sync.Once{}, nil // the old connection is gone
}

// caller keeps its connection: there is a limit for an address.
func (f *front) caller() *http.Client {
	f.once.Do(func() { f.kept = f.client() })
	return f.kept
}

// call asks the front with a credential, as a client of 2026-07-28 does.
func (f *front) call(token, tool string) got {
	f.t.Helper()
	return f.ask(f.caller(), http.MethodPost, f.url, toolCall(tool, `{}`), toolHeaders(token, tool)...)
}

// wantRefusal checks the status, the code and the OAuth error of a refusal.
func (g got) wantRefusal(t testing.TB, what string, status int, code, oauth string) {
	t.Helper()
	challenge := g.header.Get("WWW-Authenticate")
	if g.status != status || !strings.Contains(g.body, code) || oauth != "" && !strings.Contains(challenge, `error="`+oauth+`"`) {
		t.Errorf("%s: got %d %s, WWW-Authenticate %q, want %d, %s and %q", what, g.status, g.body, challenge, status, code, oauth)
	}
}

// outcome is a tool that a client calls, and how it fared.
type outcome struct {
	Text   string
	Status int
	Name   string
	Error  string
}

// journey is what a client that signs in by itself went through.
type journey struct {
	met
	Results []outcome
	Sent    []map[string]string // parameters of each authorization request
	Asked   map[string]int
	Token   string
}

// traveller is a real client that signs in by itself when it has to.
type traveller struct {
	name string
	goes func(t *testing.T, f *front, p *provider, user string, tools ...string) journey
}

// travellers are the clients that people have.
func travellers() []traveller {
	return []traveller{
		{"Go SDK", goTraveller},
		{"TypeScript SDK 2", nodeTraveller("2", "client")},
		{"TypeScript SDK 1", nodeTraveller("1", "fleeting")}, // with a refresh token it would try that first, and then give up,
	}
}

// nodeTraveller drives login.mjs. It plays a browser that cannot fill in forms.
// Without a client it registers itself; more may be "dpop".
func nodeTraveller(sdk, client string, more ...string) func(*testing.T, *front, *provider, string, ...string) journey {
	return func(t *testing.T, f *front, p *provider, user string, tools ...string) journey {
		t.Helper()
		calls := make([][2]any, len(tools))
		for i, tool := range tools {
			calls[i] = [2]any{tool, map[string]any{}}
		}
		args := append([]string{npmScript(t, "login.mjs"), sdk, f.url, user, mustJSON(t, calls), client}, more...)
		out, errs, _ := runWith(t, append([]string{"NODE_EXTRA_CA_CERTS=" + f.all}, p.browserOf(t, user)...), patience, node(t), args...)
		var j journey
		if err := json.Unmarshal([]byte(out), &j); err != nil {
			t.Fatalf("got %q, want a line of JSON: %v\n%s", out, err, errs)
		}
		return j
	}
}

// goTraveller drives the official Go SDK's client in this process.
func goTraveller(t *testing.T, f *front, p *provider, user string, tools ...string) journey {
	t.Helper()
	var j journey
	client := &http.Client{Transport: f.way(t), Timeout: patience}
	if p.way != nil {
		client.Transport = p.way(client.Transport)
	}
	cfg := &auth.AuthorizationCodeHandlerConfig{
		RedirectURL: redirectURI, Client: client, AcceptUnadvertisedIss: true,
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			at, sent := hinted(args.URL, user)
			j.Sent = append(j.Sent, sent)
			told, err := p.visit(ctx, at, user)
			if err != nil {
				return nil, err
			}
			if told.Get("error") != "" {
				return nil, fmt.Errorf("refused: %v", told)
			}
			return &auth.AuthorizationResult{Code: told.Get("code"), State: told.Get("state"), Iss: told.Get("iss")}, nil
		},
	}
	p.knows(cfg)
	handler, err := auth.NewAuthorizationCodeHandler(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var status atomic.Int64
	session, err := mcp.NewClient(&mcp.Implementation{Name: "gatehouse-e2e", Version: "1"}, nil).Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: f.url, HTTPClient: &http.Client{Transport: watched{f.way(t), &status}, Timeout: patience}, OAuthHandler: handler, MaxRetries: -1,
	}, nil)
	if err != nil {
		j.Status, j.Error = int(status.Load()), err.Error()
		return j
	}
	list, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range list.Tools {
		j.Tools = append(j.Tools, tool.Name)
	}
	for _, tool := range tools {
		if strings.HasPrefix(tool, "http://") { // no tool, but what happens between the calls
			if err := between(t.Context(), handler, tool); err != nil {
				j.Error = err.Error()
				return j
			}
			continue
		}
		j.Results = append(j.Results, goStep(t.Context(), session, tool, &status))
	}
	j.Version = session.InitializeResult().ProtocolVersion
	j.Token, _ = held(t.Context(), handler)
	if err := session.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	return j
}

// knows has a client register itself with a provider, or be registered there.
func (p *provider) knows(cfg *auth.AuthorizationCodeHandlerConfig) {
	switch {
	case strings.HasPrefix(p.client, "https://"):
		cfg.ClientIDMetadataDocumentConfig = &auth.ClientIDMetadataDocumentConfig{URL: p.client}
		return
	case !p.open:
		cfg.PreregisteredClient = &oauthex.ClientCredentials{ClientID: p.client}
		if p.secret != "" {
			cfg.PreregisteredClient.ClientSecretAuth = &oauthex.ClientSecretAuth{ClientSecret: p.secret}
		}
		return
	}
	cfg.DynamicClientRegistrationConfig = &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
		ClientName: "gatehouse-e2e", RedirectURIs: []string{redirectURI}, TokenEndpointAuthMethod: "none",
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
	}}
}

// held is the access token that a client has.
func held(ctx context.Context, handler auth.OAuthHandler) (string, error) {
	s, err := handler.TokenSource(ctx)
	if err != nil || s == nil {
		return "", err
	}
	token, err := s.Token()
	if err != nil {
		return "", err
	}
	return token.AccessToken, nil
}

// between has something happen between the calls.
func between(ctx context.Context, handler auth.OAuthHandler, to string) error {
	token, err := held(ctx, handler)
	if err != nil {
		return err
	}
	return told(ctx, to, token)
}

// told posts an access token to where something happens between the calls.
func told(ctx context.Context, to, token string) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(token))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", res.Status, text)
	}
	return nil
}

// goStep calls a tool.
func goStep(ctx context.Context, session *mcp.ClientSession, tool string, status *atomic.Int64) outcome {
	status.Store(0)
	r, err := session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: map[string]any{}})
	if err != nil {
		return outcome{Status: int(status.Load()), Error: err.Error()}
	}
	var text strings.Builder
	for _, c := range r.Content {
		if c, ok := c.(*mcp.TextContent); ok {
			text.WriteString(c.Text)
		}
	}
	return outcome{Text: text.String()}
}

// watched keeps the status of the last refusal.
type watched struct {
	http.RoundTripper
	status *atomic.Int64
}

func (w watched) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := w.RoundTripper.RoundTrip(r)
	if err == nil && res.StatusCode >= http.StatusBadRequest {
		w.status.Store(int64(res.StatusCode))
	}
	return res, err
}
