package probe

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// answer is an answer on its way out.
type answer = httptest.ResponseRecorder

// fine is a fault that one word of an answer makes.
type fine struct {
	rule  *Rule
	text  string // that the checker says
	want  Outcome
	after func(r *http.Request, a *answer)
	with  func(o *Options) // nil: as given
}

// says has an answer be another one.
func says(a *answer, status int, media, text string) {
	a.Code, a.Body = status, bytes.NewBufferString(text)
	a.Header().Set("Content-Type", media)
}

// has changes a member of the JSON document at a path; nil: it goes.
func has(path, name string, value any) func(*http.Request, *answer) {
	return func(r *http.Request, a *answer) {
		var m map[string]any
		if !strings.HasPrefix(r.URL.Path, path) || json.Unmarshal(a.Body.Bytes(), &m) != nil {
			return
		}
		if m[name] = value; value == nil {
			delete(m, name)
		}
		text, _ := json.Marshal(m)
		says(a, a.Code, "application/json", string(text))
	}
}

// head changes a header of answers with a status, of 0 all; "": it goes.
func head(status int, name, value string) func(*http.Request, *answer) {
	return func(_ *http.Request, a *answer) {
		if status != 0 && a.Code != status {
			return
		}
		if a.Header().Set(name, value); value == "" {
			a.Header().Del(name)
		}
	}
}

// at answers a path.
func at(path string, status int, media, text string) func(*http.Request, *answer) {
	return func(r *http.Request, a *answer) {
		if r.URL.Path == path {
			says(a, status, media, text)
		}
	}
}

// plainly answers over plain HTTP, with a Location if there is one.
func plainly(status int, location, media, text string) func(*http.Request, *answer) {
	return func(r *http.Request, a *answer) {
		if r.TLS != nil {
			return
		}
		if says(a, status, media, text); location != "" {
			a.Header().Set("Location", location)
		} else {
			a.Header().Del("Location")
		}
	}
}

// presents answers whoever presents a credential that has a word in it.
func presents(word string, status int) func(*http.Request, *answer) {
	return func(r *http.Request, a *answer) {
		if strings.Contains(r.Header.Get("Authorization"), word) {
			says(a, status, "application/json", "{}")
		}
	}
}

// back changes a parameter of what comes back to a client.
func back(name, value string) func(*http.Request, *answer) {
	return func(_ *http.Request, a *answer) {
		if to, err := http.NewRequest(http.MethodGet, a.Header().Get("Location"), http.NoBody); err == nil && a.Code == http.StatusFound {
			q := to.URL.Query()
			if q.Set(name, value); value == "" {
				q.Del(name)
			}
			to.URL.RawQuery = q.Encode()
			a.Header().Set("Location", to.URL.String())
		}
	}
}

const (
	asMeta   = "/.well-known/oauth-authorization-server"
	rpcReply = `{"jsonrpc":"2.0","id":"gatehouse-check-1","result":{}}`
)

// opens serves whoever asks in some way.
func opens(how func(r *http.Request) bool) func(*http.Request, *answer) {
	return func(r *http.Request, a *answer) {
		if r.Method == http.MethodPost && how(r) {
			says(a, 200, "application/json", rpcReply)
		}
	}
}

// TestEveryRuleSaysWhatItSees has each thing that a rule can object to be objected to by itself.
func TestEveryRuleSaysWhatItSees(t *testing.T) {
	t.Parallel()
	for _, f := range append(faultsOfTransport(), append(faultsOfMetadata(), faultsOfBehaviour()...)...) {
		t.Run(f.rule.Name+"/"+f.text, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.after = f.after
			o := given(t, h)
			o.Only = []string{f.rule.Code}
			if f.with != nil {
				f.with(&o)
			}
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Results[len(r.Results)-1]; got.Outcome != f.want || !strings.Contains(got.Text, f.text) {
				t.Errorf("got %s: %s, want %s: %s", got.Outcome, got.Text, f.want, f.text)
			}
		})
	}
}

// nowhere is where nobody is.
func nowhere(o *Options) {
	o.Transport = nil
	o.URL, o.From, o.Resolvers = "https://127.0.0.1:1/mcp", "", nil
}

func faultsOfTransport() []fine {
	later := func(by time.Duration) func(o *Options) {
		return func(o *Options) { o.Now = func() time.Time { return time.Now().Add(by) } }
	}
	begins := func(o *Options) { o.Now = func() time.Time { return time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC) } }
	return []fine{
		{encrypted, "which is no HTTPS", Fail, plainly(308, "http://example.com/other", "text/plain", ""), nil},
		{encrypted, "308 or 301 would be remembered", Warn, plainly(302, "https://example.com/mcp", "text/plain", ""), nil},
		{encrypted, "in place of a redirect", Warn, plainly(200, "", "text/plain", "hello"), nil},
		{encrypted, "asks for a credential, which then crosses", Fail, plainly(401, "", "text/plain", ""), nil},
		{encrypted, "plain HTTP is refused", Pass, plainly(403, "", "text/plain", ""), nil},
		{encrypted, "a failure", Unknown, plainly(503, "", "text/plain", ""), nil},
		{encrypted, "credentials travel in the clear", Fail, nil, func(o *Options) { o.URL = "http://example.com/mcp" }},
		{certificate, "begins on", Fail, nil, begins},
		{certificate, "nobody known here vouches", Fail, nil, func(o *Options) { o.Roots, o.From, o.Resolvers = o.PublicRoots.Clone(), "", nil; o.Roots = nil }},
		{certificate, "is valid for", Fail, nil, func(o *Options) { o.URL, o.From, o.Resolvers = "https://other.test/mcp", "", nil }},
		{hsts, "counts for nothing", Warn, head(0, "Strict-Transport-Security", "includeSubDomains"), nil},
		{hsts, "for 60 seconds only", Warn, head(0, "Strict-Transport-Security", "max-age=60"), nil},
		{hsts, "no answer", Unknown, nil, nowhere},
		{certificate, "ends in 4 days", Warn, nil, func(o *Options) { o.Now = func() time.Time { return time.Date(2084, 1, 25, 0, 0, 0, 0, time.UTC) } }},
		{certificate, "no TLS connection", Unknown, nil, nowhere},
		{versions, "no TLS connection", Unknown, nil, nowhere},
		{encrypted, "no answer", Unknown, nil, nowhere},
		{encrypted, "is served over plain HTTP", Fail, opens(func(r *http.Request) bool { return r.TLS == nil }), nil},
		{publicNameRule, "--from public asks", Unknown, nil, func(o *Options) { o.From, o.Resolvers = "", nil }},
		{publicCertificate, "makes no TLS connection", Unknown, nil, func(o *Options) { o.URL = "https://example.com:80/mcp" }},
		{slash, "answers a web page: another server replied", Fail, at("/mcp/", 200, "text/html", "<html>"), nil},
		{slash, "answers 404, and /mcp does not", Warn, at("/mcp/", 404, "text/plain", ""), nil},
		{slash, "answers 403 (403), and /mcp answers 401", Fail, at("/mcp/", 403, "text/plain", ""), nil},
		{slash, "do not follow it", Warn, func(r *http.Request, a *answer) {
			if r.URL.Path == "/mcp/" {
				says(a, 308, "text/plain", "")
				a.Header().Set("Location", "https://example.com/mcp")
			}
		}, nil},
		{slash, "429", Unknown, at("/mcp/", 429, "text/plain", ""), nil},
		{expired, "is refused with 403", Warn, presents("eyJ", 403), nil},
		{expired, "a failure", Unknown, presents("eyJ", 503), nil},
		{certificate, "the certificate ended", Fail, nil, later(100 * 365 * 24 * time.Hour)},
	}
}

func faultsOfMetadata() []fine {
	challenge := func(text string) func(*http.Request, *answer) { return head(401, "WWW-Authenticate", text) }
	const pointed = `resource_metadata="https://example.com/.well-known/oauth-protected-resource/mcp"`
	return []fine{
		{challengeRule, "401 without a Bearer challenge", Fail, challenge("Basic realm=x"), nil},
		{challengeRule, "occurs twice", Warn, challenge("Bearer " + pointed + `, scope="read", scope="read"`), nil},
		{challengeRule, "has no resource_metadata", Warn, challenge(`Bearer scope="read"`), nil},
		{challengeRule, "has no scope", Warn, challenge("Bearer " + pointed), nil},
		{challengeRule, "asks for offline_access", Warn, challenge("Bearer " + pointed + `, scope="read offline_access"`), nil},
		{describedRule, "no metadata at", Warn, func(r *http.Request, a *answer) {
			challenge("Bearer")(r, a)
			if strings.HasPrefix(r.URL.Path, wellKnown) {
				says(a, 404, "text/plain", "")
			}
		}, nil},
		{describedRule, "clients that look only there find nothing", Warn, at(wellKnown, 404, "text/plain", ""), nil},
		{describedRule, "leads nowhere", Fail, challenge(`Bearer resource_metadata="https://example.com/nothing", scope="read"`), nil},
		{named, "only the final", Warn, has(wellKnown, "resource", houseURL+"/"), nil},
		{named, "only the case differs", Warn, has(wellKnown, "resource", "https://EXAMPLE.com/mcp"), nil},
		{named, "a parent of the URL", Warn, has(wellKnown, "resource", "https://example.com"), nil},
		{contents, "is not https", Fail, has(wellKnown, "authorization_servers", []string{"http://example.com"}), nil},
		{contents, "2 authorization servers", Warn, has(wellKnown, "authorization_servers", []string{issuerOf, issuerOf + "/b"}), nil},
		{contents, "scopes_supported has offline_access", Warn, has(wellKnown, "scopes_supported", []string{"offline_access"}), nil},
		{contents, "not as application/json", Warn, func(r *http.Request, a *answer) {
			if strings.HasPrefix(r.URL.Path, wellKnown) {
				a.Header().Set("Content-Type", "text/plain")
			}
		}, nil},
		{pkce, "without S256", Fail, has(asMeta, "code_challenge_methods_supported", []string{"plain"}), nil},
		{pkce, "has plain", Fail, has(asMeta, "code_challenge_methods_supported", []string{"S256", "plain"}), nil},
		{registration, "CIMD only", Warn, has(asMeta, "registration_endpoint", nil), nil},
		{registration, "DCR only", Warn, has(asMeta, "client_id_metadata_document_supported", nil), nil},
		{registration, "CIMD without none", Warn, has(asMeta, "token_endpoint_auth_methods_supported", []string{"private_key_jwt"}), nil},
		{endpoints, "has no code", Fail, has(asMeta, "response_types_supported", []string{"token"}), nil},
		{endpoints, "has implicit", Warn, has(asMeta, "grant_types_supported", []string{"authorization_code", "implicit"}), nil},
		{endpoints, "no Access-Control-Allow-Origin", Warn, head(0, "Access-Control-Allow-Origin", ""), nil},
		{endpoints, "without jwks_uri", Warn, asOpenID, nil},
		{tokenEndpoint, "got a token", Fail, at("/token", 200, "application/json", `{"access_token":"x"}`), nil},
		{tokenEndpoint, "is answered 500", Fail, at("/token", 500, "text/plain", ""), nil},
		{tokenEndpoint, "redirects to", Fail, at("/token", 302, "text/plain", ""), nil},
		{tokenEndpoint, "without an error that clients know", Warn, at("/token", 400, "application/json", `{"error":"no"}`), nil},
		{tokenEndpoint, "may be kept by caches", Warn, head(400, "Cache-Control", ""), nil},
		{tokenEndpoint, "429", Unknown, at("/token", 429, "text/plain", ""), nil},
		{tokenEndpoint, "has no token_endpoint", Unknown, has(asMeta, "token_endpoint", nil), nil},
		{algorithms, "publishes no key", Unknown, has(asMeta, "jwks_uri", nil), nil},
	}
}

// asOpenID has the authorization server be found where OpenID Connect has it.
func asOpenID(r *http.Request, a *answer) {
	switch r.URL.Path {
	case asMeta:
		says(a, 404, "text/plain", "")
	case "/.well-known/openid-configuration":
		says(a, 200, "application/json", `{"issuer":"`+issuerOf+`","authorization_endpoint":"`+issuerOf+`/authorize","token_endpoint":"`+issuerOf+`/token","response_types_supported":["code"]}`)
	}
}
