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

// ending takes away what a token of beta stands for.
type ending struct {
	name string
	user string
	end  func(token string)
	undo func() // nil: nothing to do
	call bool   // only calls end: on other streams each message is held against the rules of its moment
}

// endings are all the ways, of callers of the shared provider.
func (e *estate) endings(t *testing.T) []ending {
	claim := func(token, name string) string {
		_, claims := peek(t, token)
		return fmt.Sprint(claims[name])
	}
	revoke := func(args ...string) { e.run(append([]string{"token", "revoke", "--yes"}, args...)...) }
	restore := func() { e.configure(t, e.text()) }
	without := func(line, by string) func(string) {
		return func(string) {
			var kept strings.Builder
			for l := range strings.Lines(e.text()) {
				if strings.Contains(l, line) {
					l = by
				}
				kept.WriteString(l)
			}
			e.configure(t, kept.String())
		}
	}
	return []ending{
		{"left to expire", "brief", func(string) {}, nil, false},
		{"revoked as a whole", "bob", func(token string) { revoke(token) }, nil, false},
		{"revoked by its identifier", "bob", func(token string) { revoke("--issuer", "shared", "--jti", claim(token, "jti")) }, nil, false},
		{"of a subject that is revoked", "carol", func(string) { revoke("--issuer", "shared", "--subject", "carol") }, nil, false},
		{"of a client that is revoked", "bob", func(string) { revoke("--issuer", "shared", "--client", "client") }, nil, false},
		{"of a tenant that is revoked", "bob", func(string) { revoke("--tenant", "beta") }, nil, false},
		{"of a tenant that is suspended", "bob", func(string) { e.run("tenant", "suspend", "beta", "--yes") }, func() { e.run("tenant", "resume", "beta") }, false},
		{"judged by a tighter policy", "bob", without("{name: all,", "    - {name: all, tools: [\"get_*\"], require: {scopes: [tools:write]}}\n"), restore, true},
		{"of an issuer that is gone", "bob", without("{name: shared,", ""), restore, false},
	}
}

// TestA115StreamsEndWithTheirToken opens streams with a token and takes away, in
// every way, what the token stands for: they end within five seconds, and those
// of others go on.
func TestA115StreamsEndWithTheirToken(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	for _, ending := range e.endings(t) {
		t.Run(ending.name, func(t *testing.T) {
			time.Sleep(1100 * time.Millisecond) // iat has seconds: what was revoked in this one would include the next token
			token := e.token(e.shared, ending.user)
			eventually(t, "the token is good", func() bool { return e.call(token, "get_a").status == http.StatusOK })
			others := e.listens(t, e.ada, e.session(t, e.ada))
			streams := map[string]*eventStream{
				"of a session":   e.listens(t, token, e.session(t, token)),
				"a subscription": e.opens(t, http.MethodPost, listen, "Authorization: Bearer "+token, "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: subscriptions/listen"),
				"of a call":      e.opens(t, http.MethodPost, toolCall("get_slow", `{}`), toolHeaders(token, "get_slow")...),
			}
			began := time.Now()
			if ending.user == "brief" {
				_, claims := peek(t, token)
				exp, _ := claims["exp"].(float64)
				began = time.Unix(int64(exp), 0)
			}
			ending.end(token)
			if ending.call {
				e.areCut(t, map[string]*eventStream{"of a call": streams["of a call"]}, began)
				delete(streams, "of a call")
				for name, s := range streams {
					select {
					case <-s.ended:
						t.Errorf("the stream %s has ended by a change of rules about tools", name)
					default:
					}
				}
			} else {
				e.areCut(t, streams, began)
				eventually(t, "the trail tells of it", func() bool { return e.cut(ending.user, began) >= 2 })
			}
			if got := e.call(token, "get_a"); got.status == http.StatusOK {
				t.Error("the token is good for a call afterwards")
			}
			select {
			case <-others.ended:
				t.Error("somebody else's stream has ended")
			default:
			}
			if ending.undo != nil {
				ending.undo()
			}
		})
	}
}

// areCut waits for the end of streams that began to have no right to be open.
func (e *estate) areCut(t *testing.T, streams map[string]*eventStream, began time.Time) {
	t.Helper()
	const within = 5 * time.Second
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
}

// cut counts the streams of a subject that were cut since.
func (e *estate) cut(user string, since time.Time) int {
	n := 0
	for _, event := range e.trail() {
		at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(event["time"]))
		if err == nil && at.After(since.Add(-time.Second)) && event["kind"] == "stream" && event["action"] == "cut" && event["subject"] == user {
			n++
		}
	}
	return n
}
