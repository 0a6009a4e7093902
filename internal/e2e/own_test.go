package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// own is our authorization server as a provider, with one user, to a client that
// is known there in some way.
func own(t testing.TB, f *front, user *resident, k known) *provider {
	t.Helper()
	p := &provider{
		t: t, name: "gatehouse", address: f.address, issuer: "https://" + f.address, pool: f.pool,
		open: k.id == "", client: k.id, secret: k.secret, method: k.method, window: user.window,
	}
	p.visits = func(ctx context.Context, at, _ string) (url.Values, error) {
		to, err := user.visit(ctx, at)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(to.String(), redirectURI+"?") {
			return nil, fmt.Errorf("got to %s", to)
		}
		return to.Query(), nil
	}
	return p
}

// browserOf lets a client in Node.js have a user visited, if the provider has its own way of that.
func (p *provider) browserOf(t testing.TB, user string) (env []string) {
	t.Helper()
	if p == nil || p.visits == nil {
		return nil
	}
	return []string{"CLIENT_SECRET=" + p.secret, "CLIENT_METHOD=" + p.method, "BROWSER=" + posted(t, func(at string) (string, error) {
		told, err := p.visits(t.Context(), at, user)
		return told.Encode(), err
	})}
}

// posted is where a client posts something to and is answered. What it is shall end before the test.
func posted(t testing.TB, answer func(text string) (string, error)) (at string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		reply := ""
		if err == nil {
			reply, err = answer(string(text))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, reply)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// ended takes a client's access away by a command, between its calls, and sees
// that the token that it has is refused.
func (f *front) ended(t testing.TB, args func(token string) []string) (at string) {
	t.Helper()
	return posted(t, func(token string) (string, error) {
		if got := f.call(token, reading); got.status != http.StatusOK {
			t.Errorf("before: got %d %s, want an answer", got.status, got.body)
		}
		out, errs, code := run(t, patience, gatehouseBinary(t), append(args(token), "--yes", "-c", f.file)...)
		if code != 0 {
			return "", fmt.Errorf("%s%s", out, errs)
		}
		eventually(t, "the token is refused", func() bool { return f.call(token, reading).status == http.StatusUnauthorized })
		return "", nil
	})
}

// told counts what the trail has of a user's sign-ins.
func (r *resident) told(action, outcome string) (n int) {
	for _, e := range r.f.trail() {
		if e["kind"] == "sign_in" && e["action"] == action && e["outcome"] == outcome && e["subject"] == r.id {
			n++
		}
	}
	return n
}

// route is a client, how it is known, and what it can do.
type route struct {
	client string
	goes   func(known) going
	way    string // of registration
	steps  bool   // it asks for more when a tool needs it
	renews bool   // it refreshes when its token is refused or expires
	short  bool   // it is not taken all the way: others are that are known as it is
}

// routes are the clients that people have, in each way that they can be known
// by. What a client cannot do is the client's: docs/reference/clients.md has it.
func routes() []route {
	goSDK := func(known) going { return goTraveller }
	hastyGo := func(known) going {
		return func(t *testing.T, f *front, p *provider, user string, tools ...string) journey {
			p.way = func(way http.RoundTripper) http.RoundTripper { return hasty{way} }
			return goTraveller(t, f, p, user, tools...)
		}
	}
	node := func(sdk string, more ...string) func(known) going {
		return func(k known) going { return nodeTraveller(sdk, k.id, more...) }
	}
	const steps, renews, short = true, true, true
	return []route{
		{"Go SDK", goSDK, "registration", steps, false, false},
		{"Go SDK with another clock", hastyGo, "registration", steps, renews, false}, // it refreshes what has expired, and asks anew for what is refused
		{"TypeScript SDK 2", node("2"), "registration", steps, renews, false},
		{"TypeScript SDK 1", node("1"), "registration", false, renews, false}, // with a refresh token it would not ask for more
		{"TypeScript SDK 1 without refresh", node("1", "fleeting"), "registration", steps, false, false},
		{"MCP Inspector", inspectorTraveller, "registration", false, renews, false}, // as the TypeScript SDK 1
		{"mcp-remote", remoteTraveller, "registration", steps, renews, false},

		{"Go SDK", goSDK, "document", steps, false, false},
		{"TypeScript SDK 2", node("2"), "document", steps, renews, false},
		{"TypeScript SDK 1", node("1"), "document", false, renews, short},
		{"MCP Inspector", inspectorTraveller, "document", steps, renews, false},
		{"mcp-remote", remoteTraveller, "document", steps, renews, false},
		{"TypeScript SDK 2", node("2"), "document with a key", steps, renews, short},

		{"Go SDK with another clock", hastyGo, "none", steps, renews, short},
		{"TypeScript SDK 1", node("1"), "none", false, renews, short},
		{"mcp-remote", remoteTraveller, "none", steps, renews, short},

		{"Go SDK with another clock", hastyGo, "either secret", steps, renews, short}, // sends it in the body
		{"MCP Inspector", inspectorTraveller, "either secret", steps, renews, short},  // sends it in the header
		{"TypeScript SDK 2", node("2"), "client_secret_basic", steps, renews, short},
		{"mcp-remote", remoteTraveller, "client_secret_post", steps, renews, short},
		{"Go SDK with another clock", hastyGo, "client_secret_post", steps, renews, short},
	}
}

// TestRealClientsSignInHere has real clients that are told nothing but a URL, and
// who they are unless they register themselves: they sign their user in at our
// own authorization server, call a tool, ask for more when another tool needs it,
// go on when their token is revoked, and sign in anew when the grant is.
func TestRealClientsSignInHere(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	f.openOwn(t, goServer(t, true))
	v := f.vendor(t)
	static := map[string]known{
		"none":                f.made(t, "none", "--public"),
		"either secret":       f.made(t, ""),
		"client_secret_basic": f.made(t, "client_secret_basic", "--auth", "client_secret_basic"),
		"client_secret_post":  f.made(t, "client_secret_post", "--auth", "client_secret_post"),
	}
	for i, tt := range routes() {
		t.Run(tt.client+" by "+tt.way, func(t *testing.T) {
			t.Parallel()
			k := static[tt.way]
			name := fmt.Sprintf("ada%d", i)
			switch tt.way {
			case "document":
				k.id = v.at + "/" + name
			case "document with a key":
				k = v.signer(t, name)
			}
			tt.travel(t, f, k, settle(t, f, name))
			if n := v.times(k); k.document() != (n == 1) {
				t.Errorf("its document was fetched %d times", n)
			}
		})
	}
}

// made is a client that an administrator makes, for people to sign in with.
func (f *front) made(t *testing.T, method string, args ...string) known {
	t.Helper()
	for _, one := range redirects {
		args = append(args, "--redirect-uri", one)
	}
	return f.makes(t, method, args...)
}

// makes is a client that an administrator makes.
func (f *front) makes(t *testing.T, method string, args ...string) known {
	t.Helper()
	args = append([]string{"client", "create", "--name", "A client by hand", "--json"}, args...)
	var got struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal([]byte(f.run(args...)), &got); err != nil {
		t.Fatal(err)
	}
	return known{id: got.ID, secret: got.Secret, method: method}
}

// travel takes a client all the way, and looks at what it did and has.
func (tt *route) travel(t *testing.T, f *front, k known, user *resident) {
	t.Helper()
	revoked := f.ended(t, func(token string) []string {
		_, claims := peek(t, token)
		return []string{"token", "revoke", "--issuer", "gatehouse", "--jti", fmt.Sprint(claims["jti"])}
	})
	tools, answers, asked := []string{reading}, 1, 1
	if tt.steps {
		tools, answers, asked = append(tools, writing), answers+1, asked+1
	}
	tools, answers = append(tools, revoked, reading), answers+1
	if !tt.renews {
		asked++
	}
	if !tt.short {
		over := f.ended(t, func(string) []string { return []string{"grant", "revoke", "--subject", user.id} })
		tools, answers, asked = append(tools, over, reading), answers+1, asked+1
	}
	j := tt.goes(k)(t, f, own(t, f, user, k), user.name, tools...)
	if j.Error != "" || len(j.Results) != answers || len(j.Sent) == 0 {
		t.Fatalf("got %+v, want %d answers", j, answers)
	}
	for n, r := range j.Results {
		if r.Error != "" || r.Text == "" {
			t.Errorf("call %d: got %+v", n, r)
		}
	}
	// offline_access, which says that a refresh token is wanted, comes with some
	if first := strings.TrimSuffix(j.Sent[0]["scope"], " offline_access"); len(j.Sent) != asked || first != "tools:read" || j.Sent[0]["resource"] != f.url {
		t.Errorf("got authorization requests %v, want %d", j.Sent, asked)
	}
	_, claims := peek(t, j.Token)
	if claims["iss"] != "https://"+f.address || claims["aud"] != f.url || claims["sub"] != user.id || claims["client_id"] != j.Sent[0]["client_id"] {
		t.Errorf("got a token of %v", claims)
	}
	if k.id != "" && claims["client_id"] != k.id {
		t.Errorf("got a token of %v, want %s", claims["client_id"], k.id)
	}
	if n := user.told("refresh", "ok"); tt.renews != (n > 0) {
		t.Errorf("got %d refreshes, want some: %t", n, tt.renews)
	}
	if first := []string{"/auth/consent", "/auth/local", "/auth/setup/password", "/auth/continue"}; len(user.pages) < 4 || !slices.Equal(user.pages[:4], first) {
		t.Errorf("%s was shown %q, want %q first", user.name, user.pages, first)
	}
}
