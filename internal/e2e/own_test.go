package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// own is our authorization server as a provider, with one user.
func own(t testing.TB, f *front, user *resident) *provider {
	t.Helper()
	p := &provider{t: t, name: "gatehouse", address: f.address, issuer: "https://" + f.address, pool: f.pool, open: true}
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
	return []string{"BROWSER=" + posted(t, func(at string) (string, error) {
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

// TestRealClientsSignInHere has real clients that are told nothing but a URL:
// they register themselves, sign their user in at our own authorization server,
// call a tool, ask for more when another tool needs it, go on when their token
// is revoked, and sign in anew when the grant is.
func TestRealClientsSignInHere(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	f.openOwn(t, goServer(t, true))
	tests := []struct {
		name    string
		goes    func(*testing.T, *front, *provider, string, ...string) journey
		steps   bool // it asks for more when a tool needs it
		renews  bool // it refreshes when its token is refused
		sent    int  // authorization requests
		answers int
	}{
		{"Go SDK", goTraveller, true, false, 4, 4},
		{"TypeScript SDK 2", nodeTraveller("2", ""), true, true, 3, 4},
		{"TypeScript SDK 1", nodeTraveller("1", ""), false, true, 2, 3}, // with a refresh token it would not ask for more
		{"TypeScript SDK 1 without refresh", nodeTraveller("1", "", "fleeting"), true, false, 4, 4},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			user := settle(t, f, fmt.Sprintf("ada%d", i))
			revoked := f.ended(t, func(token string) []string {
				_, claims := peek(t, token)
				return []string{"token", "revoke", "--issuer", "gatehouse", "--jti", fmt.Sprint(claims["jti"])}
			})
			over := f.ended(t, func(string) []string { return []string{"grant", "revoke", "--subject", user.id} })
			tools := []string{reading, writing, revoked, reading, over, reading}
			if !tt.steps {
				tools = slices.DeleteFunc(tools, func(s string) bool { return s == writing })
			}
			j := tt.goes(t, f, own(t, f, user), user.name, tools...)
			if j.Error != "" || len(j.Results) != tt.answers || len(j.Sent) == 0 {
				t.Fatalf("got %+v, want %d answers", j, tt.answers)
			}
			for n, r := range j.Results {
				if r.Error != "" {
					t.Errorf("call %d: got %+v", n, r)
				}
			}
			// offline_access, which says that a refresh token is wanted, comes with some
			if first := strings.TrimSuffix(j.Sent[0]["scope"], " offline_access"); len(j.Sent) != tt.sent || first != "tools:read" || j.Sent[0]["resource"] != f.url {
				t.Errorf("got authorization requests %v, want %d", j.Sent, tt.sent)
			}
			_, claims := peek(t, j.Token)
			if claims["iss"] != "https://"+f.address || claims["aud"] != f.url || claims["sub"] != user.id || claims["client_id"] != j.Sent[0]["client_id"] {
				t.Errorf("got a token of %v", claims)
			}
			if n := user.told("refresh", "ok"); tt.renews != (n > 0) {
				t.Errorf("got %d refreshes, want some: %t", n, tt.renews)
			}
			if first := []string{"/auth/consent", "/auth/local", "/auth/setup/password", "/auth/continue"}; len(user.pages) < 4 || !slices.Equal(user.pages[:4], first) {
				t.Errorf("%s was shown %q, want %q first", user.name, user.pages, first)
			}
		})
	}
}
