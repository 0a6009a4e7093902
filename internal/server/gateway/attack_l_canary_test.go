package gateway_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
)

// parrot tells everything that it was sent, as servers do that debug.
func parrot(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	for name, values := range r.Header {
		w.Header()["Echo-"+name] = values
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":{"echo":%q}}`, fmt.Sprint(r.Header, r.URL, len(body)))
}

// canary mints a key whose secret must turn up nowhere.
func (s *siege) canary() string {
	_, text := s.mint()
	return text
}

// sweep sends what holds canaries and wants none in the log and in an answer,
// and, when a request goes on, none in what the server gets beside the body,
// which is not ours to change.
func (s *siege) sweep(t *testing.T, send ...func() reply) {
	t.Helper()
	before, mark := s.up.count(), s.log.size()
	for _, one := range send {
		s.clean(t, "an answer", fmt.Sprint(one()))
	}
	for _, seen := range s.up.requests()[before:] {
		s.clean(t, "the request to the server", fmt.Sprint(seen.request.Header, seen.request.URL, seen.request.Host, seen.request.Trailer))
	}
	s.clean(t, "the log", s.log.since(mark))
}

// TestA168CanariesInHeaders puts a key of its own into each header that people
// have put one into, alone and beside a good credential.
func TestA168CanariesInHeaders(t *testing.T) {
	s := besiege(t, http.HandlerFunc(parrot))
	basic := func(key string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(key+":"+key)) }
	is := func(key string) string { return key }
	tests := []struct {
		header string
		value  func(key string) string
	}{
		{"Authorization", func(key string) string { return "Bearer " + key }}, {"Authorization", func(key string) string { return "Bearer " + key + "x" }},
		{"Authorization", basic}, {"Authorization", func(key string) string { return "Token " + key }}, {"Authorization", func(key string) string { return "Bearer ${" + key + "}" }},
		{"Authorization", func(key string) string { return "Bearer " + strings.ToUpper(key[:17]) + key[17:] }},
		{"X-API-Key", is}, {"X-API-Key", func(key string) string { return key[1:] }}, {"Api-Key", is}, {"X-Auth-Token", is}, {"X-Access-Token", is},
		{"Proxy-Authorization", basic}, {"X-Forwarded-Authorization", is}, {"X_API_Key", is}, {"DPoP", is},
		{"Cookie", func(key string) string { return "session=" + key }}, {"Referer", func(key string) string { return "https://x.test/?key=" + key }},
		{"Origin", func(key string) string { return "https://" + key }}, {"Host", func(key string) string { return key + ".test" }}, {"Forwarded", is},
		{"Content-Type", func(key string) string { return "application/" + key }}, {"Content-Encoding", is}, {"Mcp-Session-Id", is}, {"Mcp-Method", is}, {"Mcp-Name", is},
		{"X-Request-Id", is}, {"Upgrade", is}, {"Connection", func(key string) string { return "close, " + key }}, {"Expect", is}, {"Sec-Websocket-Protocol", is}, {"X-Gatehouse-Subject", is},
	}
	for _, tt := range tests {
		for _, beside := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, beside a good one: %v", tt.header, beside), func(t *testing.T) {
				lines := []string{tt.header + ": " + tt.value(s.canary())}
				if beside {
					lines = append(lines, s.bearer())
				}
				s.sweep(
					t,
					func() reply { return s.one(t, s.plain("POST", "/mcp", call("get_a"), lines...)) },
					func() reply { return s.one(t, s.plain("GET", "/mcp", "", append(lines, "Accept: text/html")...)) },
				)
			})
		}
	}
	k := s.canary()
	for _, header := range []string{"Authorization", "X-API-Key"} { // the same twice, which admits nobody
		s.sweep(t, func() reply { return s.post(k, ping, header, "Bearer "+k) })
	}
}

// TestA168CanariesInTargets puts keys into what every proxy on the way logs.
func TestA168CanariesInTargets(t *testing.T) {
	s := besiege(t, http.HandlerFunc(parrot))
	for _, target := range []string{
		"/mcp?access_token=%s", "/mcp?api_key=%s", "/mcp?API-Key=%s", "/mcp?x=%s", "/mcp?x=Bearer+%s", "/mcp?%s", "/mcp?%s=1", "/mcp?a=1&%s=1&b=2", "/mcp?a=%%67thk_x&x=%s",
		"/mcp?x=%s&%%zz", "/mcp?x=%s;y", "/mcp?x=https%%3A%%2F%%2Fa%%3A%s%%40b", "/%s", "/mcp/%s", "/%s/mcp", "/mcp;key=%s", "//%s/mcp", "/mcp/../%s", "/mcp%%3Fkey=%s", "/mcp#%s",
		"http://user:%s@127.0.0.1/mcp", "http://%s/mcp",
	} {
		for _, credential := range []string{"X-None: x", s.bearer()} {
			t.Run(target+" "+credential[:8], func(t *testing.T) {
				s.sweep(t, func() reply {
					return s.one(t, s.plain("POST", fmt.Sprintf(target, s.canary()), call("get_a"), credential))
				})
			})
		}
	}
}

// TestA168CanariesInBodies puts keys into messages, where a caller may even
// mean them: an argument goes on to the server, and nowhere else.
func TestA168CanariesInBodies(t *testing.T) {
	s := besiege(t, http.HandlerFunc(parrot))
	_, few := s.mint(restricted)
	for i, body := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_a","arguments":{"key":"%s"}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"drop_b","arguments":{"key":"%s"}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"%s"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"https://api.test/?key=%s"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"%s"}`, `{"jsonrpc":"2.0","method":"notifications/%s"}`,
		`{"jsonrpc":"2.0","id":1,"method":"ping","%s":1}`, `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progressToken":"%s"}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","clientInfo":{"name":"%s"}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"%s"}}`,
		`[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"%s"}}]`, `{"key":"%s"`, `%s`, `{"jsonrpc":"2.0","id":{"x":"%s"},"method":"ping"}`,
	} {
		for j, key := range []string{"", s.key, few} {
			t.Run(fmt.Sprintf("body %d for key %d", i+1, j), func(t *testing.T) {
				s.sweep(t, func() reply { return s.post(key, fmt.Sprintf(body, s.canary())) })
			})
		}
	}
}

// TestA168CanariesOfTheServer hides the gateway's own credential for the server
// in its URL, and lets the server fail in every way.
func TestA168CanariesOfTheServer(t *testing.T) {
	for _, size := range []int{10, 100_000} { // small bodies and large ones go different ways
		for name, h := range map[string]http.HandlerFunc{
			"away": nil, "login": func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("WWW-Authenticate", `Bearer error_description="`+r.URL.RawQuery+`"`)
				w.WriteHeader(http.StatusUnauthorized)
			},
			"redirect": func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "/x?"+r.URL.RawQuery, http.StatusFound)
			},
			"page":  func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprintf(w, "<p>%s", r.URL.RawQuery) },
			"panic": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		} {
			t.Run(fmt.Sprintf("%s, %d bytes", name, size), func(t *testing.T) {
				var base url.URL
				f := protect(t, http.HandlerFunc(echo), func(g *gateway.Gateway) {
					broken := httptest.NewServer(h)
					t.Cleanup(broken.Close)
					if h == nil {
						broken.Close()
					}
					base = *g.Upstream.URL
					base.Host, base.RawQuery, base.User = strings.TrimPrefix(broken.URL, "http://"), "token=CANARY-1", url.UserPassword("u", "CANARY-2")
					g.Upstream.URL = &base
				})
				_, key := f.key()
				got := f.post(key, strings.Replace(call("get_a"), "{}", `{"x":"`+strings.Repeat("x", size)+`"}`, 1))
				if all := fmt.Sprint(got) + f.log.String(); got.status != 502 || strings.Contains(all, "CANARY") || strings.Contains(all, secretOf(key)) {
					t.Errorf("got %v and the log %s, want 502 and no secret", got, f.log.String())
				}
			})
		}
	}
}
