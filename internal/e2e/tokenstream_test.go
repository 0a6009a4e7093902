package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// listen asks for notifications in 2026-07-28.
const listen = `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`

// TestA115StreamsEndWithTheirToken opens streams with a token and takes away, in
// every way, what the token stands for: they end within five seconds, and those
// of others go on.
func TestA115StreamsEndWithTheirToken(t *testing.T) {
	const within = 5 * time.Second
	endings := []struct {
		name string
		end  func(t *testing.T, e *estate, user, token string) // of bob, whose tenant is beta
	}{
		{"left to expire", func(*testing.T, *estate, string, string) {}},
		{"revoked by its identifier", func(t *testing.T, e *estate, _, token string) {
			_, claims := peek(t, token)
			e.run("token", "revoke", "--issuer", "shared", "--jti", fmt.Sprint(claims["jti"]), "--yes")
		}},
		{"of a subject that is revoked", func(_ *testing.T, e *estate, user, _ string) {
			e.run("token", "revoke", "--issuer", "shared", "--subject", user, "--yes")
		}},
		{"of a suspended tenant", func(_ *testing.T, e *estate, _, _ string) { e.run("tenant", "suspend", "beta", "--yes") }},
		{"judged by a tighter policy", func(t *testing.T, e *estate, _, _ string) {
			e.configure(t, strings.Replace(e.text(), `tools: ["get_*"], require: {scopes: [tools:read]}`, `tools: ["get_*"], require: {scopes: [tools:write]}`, 1))
		}},
		{"of an issuer that is gone", func(t *testing.T, e *estate, _, _ string) {
			var kept []string
			for line := range strings.Lines(e.text()) {
				if !strings.Contains(line, "{name: shared,") {
					kept = append(kept, line)
				}
			}
			e.configure(t, strings.Join(kept, ""))
		}},
	}
	for i, ending := range endings {
		t.Run(ending.name, func(t *testing.T) {
			t.Parallel()
			ttl := 600
			if i == 0 {
				ttl = 4
			}
			e := newEstateFor(t, ttl)
			token := e.token(e.shared, "bob")
			session := e.session(t, token)
			auth := "Authorization: Bearer " + token
			streams := map[string]*eventStream{
				"of a session":   e.listens(t, token, session),
				"a subscription": e.opens(t, http.MethodPost, listen, auth, "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: subscriptions/listen"),
			}
			other := e.listens(t, e.ada, e.session(t, e.ada))
			began := time.Now()
			if i == 0 {
				_, claims := peek(t, token)
				exp, _ := claims["exp"].(float64)
				began = time.Unix(int64(exp), 0)
			}
			ending.end(t, e, "bob", token)
			for name, s := range streams {
				select {
				case <-s.ended:
				case <-time.After(time.Until(began.Add(within + slack()))):
					t.Errorf("the stream %s is open %v later", name, time.Since(began))
				}
			}
			if took := time.Since(began); took > within && !raceDetector {
				t.Errorf("it took %v until the streams ended, want %v at most", took, within)
			}
			select {
			case <-other.ended:
				t.Error("somebody else's stream has ended")
			default:
			}
			if got := e.call(token, "get_a"); got.status == http.StatusOK {
				t.Error("the token is good for a call afterwards")
			}
			cut := false
			for _, event := range e.trail() {
				cut = cut || event["kind"] == "stream" && event["action"] == "cut" && event["subject"] == "bob"
			}
			if !cut {
				t.Error("no event says that the stream was cut")
			}
		})
	}
}
