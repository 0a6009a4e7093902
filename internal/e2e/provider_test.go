package e2e

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	// redirectURI is where providers send browsers back to. Nobody listens there: who follows the redirects stops before.
	redirectURI = "http://127.0.0.1:33418/callback"

	notASecret = "not-a-secret"
)

// provider is a real identity provider that a test started on this machine.
// It has a certificate of an authority of its own.
type provider struct {
	t       testing.TB
	name    string
	dir     string // what it is configured by; ca.pem is the authority of its certificate
	address string // where it listens
	issuer  string
	pool    *x509.CertPool
	client  string // the identifier of a client that it knows; public, unless that has a secret
	secret  string
	method  string // by which the secret is sent
	open    bool   // clients may register themselves
	command func() *exec.Cmd
	run     *program

	// page answers a page that is meant for people and returns where the browser goes next; nil: there is none.
	page func(browser *http.Client, at *url.URL, user string) (string, error)
	// visits takes a user all the way instead; nil: redirects are followed.
	visits func(ctx context.Context, at, user string) (url.Values, error)
	// window is what a program of its own opens as its user's browser; nil: it cannot.
	window func(t testing.TB) *window
	// way is how a client in this process gets to it; nil: as it gets everywhere.
	way func(http.RoundTripper) http.RoundTripper
	// rotate has it sign with a new key from now on.
	rotate func()
}

// newProvider prepares a provider with an address and a certificate.
func newProvider(t testing.TB, name string) *provider {
	t.Helper()
	p := &provider{t: t, name: name, dir: stateDir(t), address: freeAddress(t)}
	p.issuer = "https://" + p.address
	p.pool = certificate(t, p.dir, name+strings.Replace(p.address, ":", "-", 1)+".test", "127.0.0.1") // authorities have to differ in their names
	return p
}

// start runs the provider; after it was stopped, again.
func (p *provider) start() {
	p.t.Helper()
	p.run = start(p.t, p.command())
	p.run.listening(p.address)
}

// kill ends the provider without a farewell.
func (p *provider) kill() {
	p.t.Helper()
	if err := p.run.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	p.run.done <- <-p.run.done
}

// file is the path of a file of the provider.
func (p *provider) file(name string) string { return filepath.Join(p.dir, name) }

// browser keeps cookies, trusts the provider's authority and leaves redirects to its user.
func (p *provider) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	way := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.pool}}
	p.t.Cleanup(way.CloseIdleConnections)
	return &http.Client{
		Transport: way, Jar: jar, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// visit goes from an authorization request to the client's redirect URI as a
// user would, and returns what the client is told there.
func (p *provider) visit(ctx context.Context, at, user string) (url.Values, error) {
	if p.visits != nil {
		return p.visits(ctx, at, user)
	}
	browser := p.browser()
	for range 12 {
		u, err := url.Parse(at)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(at, redirectURI+"?") {
			return u.Query(), nil
		}
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
		if err != nil {
			return nil, err
		}
		res, err := browser.Do(q)
		if err != nil {
			return nil, err
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		next := res.Header.Get("Location")
		if p.page != nil && p.isPage(u) {
			if next, err = p.page(browser, u, user); err != nil {
				return nil, err
			}
		}
		if next == "" {
			return nil, fmt.Errorf("%s: got %s and no way on: %s", at, res.Status, text)
		}
		to, err := u.Parse(next)
		if err != nil {
			return nil, err
		}
		at = to.String()
	}
	return nil, fmt.Errorf("too many redirects, the last one to %s", at)
}

// hinted adds who will sign in to an authorization request, and returns its parameters.
func hinted(at, user string) (string, map[string]string) {
	u, err := url.Parse(at)
	if err != nil {
		return at, nil
	}
	q, sent := u.Query(), map[string]string{}
	for name := range q {
		sent[name] = q.Get(name)
	}
	q.Set("login_hint", user)
	u.RawQuery = q.Encode()
	return u.String(), sent
}

// isPage reports whether a URL is the provider's login page.
func (p *provider) isPage(u *url.URL) bool {
	return strings.HasPrefix(u.Path, "/login") && u.Host == p.address
}

// metadata reads the provider's OpenID configuration.
func (p *provider) metadata() (m struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	Keys          string `json:"jwks_uri"`
	Introspection string `json:"introspection_endpoint"`
	Registration  string `json:"registration_endpoint"`
}) {
	p.t.Helper()
	res, err := p.browser().Get(p.issuer + "/.well-known/openid-configuration")
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(&m); err != nil || m.Issuer != p.issuer {
		p.t.Fatalf("got issuer %q, %v, want %q", m.Issuer, err, p.issuer)
	}
	return m
}

// request is an authorization request.
type request struct {
	user, client, resource string // client, empty: that of the provider; resource, empty: none
	scopes                 string
	header                 http.Header // of the token request: a DPoP proof
	transport              http.RoundTripper
}

// granted is what a provider gives a client.
type granted struct {
	Access  string `json:"access_token"`
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
	Type    string `json:"token_type"`
	Scope   string `json:"scope"`
	Expires int    `json:"expires_in"`
	Error   string `json:"error"`
	Reason  string `json:"error_description"`
}

// token signs a user in: the authorization code flow with PKCE. RFC 6749 §4.1, RFC 7636
func (p *provider) token(r request) granted {
	p.t.Helper()
	m, verifier, state := p.metadata(), rand.Text()+rand.Text(), rand.Text()
	if r.client == "" {
		r.client = p.client
	}
	sum := sha256.Sum256([]byte(verifier))
	ask := url.Values{
		"response_type": {"code"}, "client_id": {r.client}, "redirect_uri": {redirectURI}, "scope": {r.scopes}, "state": {state},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}, "login_hint": {r.user},
	}
	redeem := url.Values{"grant_type": {"authorization_code"}, "client_id": {r.client}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}}
	if strings.Contains(r.scopes, "openid") {
		ask.Set("nonce", rand.Text())
	}
	if r.resource != "" {
		ask.Set("resource", r.resource)
		redeem.Set("resource", r.resource)
	}
	told, err := p.visit(p.t.Context(), m.Authorization+"?"+ask.Encode(), r.user)
	if err != nil {
		p.t.Fatal(err)
	}
	if told.Get("code") == "" || told.Get("state") != state {
		p.t.Fatalf("got %v at the redirect URI, want a code", told)
	}
	redeem.Set("code", told.Get("code"))
	return p.post(r, m.Token, redeem)
}

// post asks the token endpoint.
func (p *provider) post(r request, endpoint string, form url.Values) granted {
	p.t.Helper()
	q, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	if r.header != nil {
		q.Header = r.header
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	c := p.browser()
	if r.transport != nil {
		c.Transport = r.transport
	}
	res, err := c.Do(q)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var g granted
	if err := json.NewDecoder(res.Body).Decode(&g); err != nil || g.Access == "" || res.StatusCode/100 != 2 {
		p.t.Fatalf("got %s %+v, %v from %s, want a token", res.Status, g, err, endpoint)
	}
	return g
}

// peek reads the header and the claims of a JSON Web Token, unverified.
func peek(t testing.TB, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("got %d parts, want a JSON Web Token", len(parts))
	}
	for i, into := range []*map[string]any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}
