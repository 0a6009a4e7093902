package probe

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestABusyServerIsLeftAlone has a server say that we shall come back much later.
func TestABusyServerIsLeftAlone(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	t.Cleanup(s.Close)
	r, err := Run(t.Context(), Options{URL: s.URL + "/mcp", Pace: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	if n.Load() > givenUp {
		t.Errorf("it was asked %d times, want %d", n.Load(), givenUp)
	}
	if r.Requests != int(n.Load()) {
		t.Errorf("got %d requests in the report, and it saw %d", r.Requests, n.Load())
	}
}

// TestTheBudgetIsKept has no rule ask more than was allowed, and none pass on what it did not ask.
func TestTheBudgetIsKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := h.options()
	o.Budget = 5
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests > 5 {
		t.Errorf("got %d requests, want 5", r.Requests)
	}
	for _, res := range r.Results {
		if res.Outcome == Pass && res.Rule.Group == Entry && res.Rule != toolsOpen { // its one question was asked
			t.Errorf("%s passes: %s", res.Rule.Name, res.Text)
		}
	}
}

// TestFewCredentialsAreRefused keeps a careful server from banning whoever
// checks it: twenty refused ones in a minute is where ours begins to.
func TestFewCredentialsAreRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := given(t, h)
	o.Burst, o.Budget = false, 1000
	if _, err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failures >= 20 {
		t.Errorf("%d credentials were refused, want less than 20", h.failures)
	}
}

// TestSecretsAreHidden looks at everything that is written about a check.
func TestSecretsAreHidden(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "echoes", "revoked taken", "session of anybody", "any origin")
	o := given(t, h)
	o.Budget, o.Burst, o.InURL = 1000, false, true
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{o.Credential, o.Other}
	for _, s := range o.Bad {
		secrets = append(secrets, s)
	}
	for _, f := range r.Findings(true).Findings {
		all := f.Text + f.Fix
		for _, e := range f.Evidence {
			all += e.Line + e.Request + e.Response
		}
		for _, s := range secrets {
			if strings.Contains(all, s) {
				t.Errorf("%s shows %.12s…", f.Name, s)
			}
		}
	}
}

// stuck makes keys, and cannot rotate them.
type stuck struct{ *keyMaker }

func (stuck) Rotate(context.Context, string) (next, key string, err error) {
	return "", "", errors.New("the store is away")
}

// TestAKeyThatWasMadeIsRevoked though what it was made for went wrong.
func TestAKeyThatWasMadeIsRevoked(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := h.options()
	o.Keys, o.Only = stuck{&keyMaker{h, map[string]string{}}}, []string{rotation.Code}
	wantOutcome(t, o, Unknown)
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.keys) != 0 {
		t.Errorf("%d keys are left behind", len(h.keys))
	}
}

func TestChallengesAreReadAsClientsReadThem(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, header, param, want string }{
		{"a quoted string", `Bearer realm="a, b", scope="x y"`, "scope", "x y"},
		{"a token", `Bearer error=invalid_token`, "error", "invalid_token"},
		{"an escape", `Bearer error_description="a \"b\""`, "error_description", `a "b"`},
		{"another scheme before it", `Basic realm="x", Bearer scope="y"`, "scope", "y"},
		{"another case", `bEARER Scope="y"`, "scope", "y"},
		{"blanks around the sign", `Bearer scope = "y"`, "scope", "y"},
		{"a string without an end", `Bearer scope="y`, "scope", "y"},
		{"nothing", `Bearer`, "scope", ""},
		{"DPoP beside it", `DPoP algs="ES256", scope="x", Bearer scope="y"`, "scope", "y"},
		{"DPoP alone", `DPoP algs="ES256", scope="y"`, "scope", "y"},
	}
	for _, tt := range tests {
		c := bearerOf(challenges([]string{tt.header}))
		if c == nil || c.params[tt.param] != tt.want {
			t.Errorf("%s: got %+v, want %s %q", tt.name, c, tt.param, tt.want)
		}
	}
}

// FuzzChallenges looks for a header on which the reader stops, or that adds a parameter to another scheme.
func FuzzChallenges(f *testing.F) {
	f.Add(`Bearer realm="a, b", scope="x y"`)
	f.Add(`Basic, Bearer a=b,,c="d\`)
	f.Fuzz(func(t *testing.T, header string) {
		for _, c := range challenges([]string{header}) {
			if c.scheme == "" || c.scheme != strings.ToLower(c.scheme) {
				t.Fatalf("%q: scheme %q", header, c.scheme)
			}
			for n := range c.params {
				if n == "" || n != strings.ToLower(n) || strings.ContainsAny(n, ` ,="`) {
					t.Fatalf("%q: parameter %q", header, n)
				}
			}
		}
	})
}

// FuzzKind looks for an answer that cannot be judged, and for a refusal that counts as an answer.
func FuzzKind(f *testing.F) {
	f.Add(200, "application/json", []byte(`{"jsonrpc":"2.0","id":"gatehouse-check-1","result":{}}`))
	f.Add(401, "text/event-stream", []byte("data: {}\n\n"))
	f.Fuzz(func(t *testing.T, status int, media string, body []byte) {
		x := &Exchange{Method: "POST", Status: status, Header: http.Header{"Content-Type": {media}}, Answer: body}
		k := x.kind()
		if k == served && (status < 200 || status > 299) {
			t.Fatalf("%d is served", status)
		}
		if k == served && !strings.Contains(string(body), "jsonrpc") && x.media() != "text/event-stream" && len(body) > 0 {
			t.Fatalf("%q is served", body)
		}
		_ = x.Response()
		_ = k.String()
	})
}
