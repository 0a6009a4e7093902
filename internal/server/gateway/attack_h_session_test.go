package gateway_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
)

// methods are the ways to use a session.
var methods = []struct{ method, body string }{
	{http.MethodPost, call("get_a")},
	{http.MethodPost, `{"jsonrpc":"2.0","id":7,"result":{"action":"accept"}}`},
	{http.MethodPost, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`},
	{http.MethodGet, ""},
	{http.MethodDelete, ""},
}

func TestA112SessionIsNoCredential(t *testing.T) {
	s := besiege(t, &stateful{})
	id := s.begin(t, s.key)
	expired, expiredKey := s.mint()
	past := time.Now().Add(-time.Second)
	if _, err := s.keys.Update(t.Context(), s.tenant, expired, apikey.Change{Expires: &past}); err != nil {
		t.Fatal(err)
	}
	revoked, revokedKey := s.mint()
	if _, err := s.keys.Revoke(t.Context(), s.tenant, revoked, "test", "leaked"); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, header, value, code string }{
		{"no credential", "X-None", "1", "GH-1001"},
		{"an empty one", "Authorization", "Bearer ", "GH-1001"},
		{"the session for a credential", "Authorization", "Bearer " + id, "GH-1011"},
		{"the session for a key", "X-API-Key", id, "GH-1011"},
		{"an expired key", "Authorization", "Bearer " + expiredKey, "GH-1011"},
		{"a revoked key", "Authorization", "Bearer " + revokedKey, "GH-1011"},
		{"a damaged key", "Authorization", "Bearer " + s.key[:len(s.key)-1], "GH-1010"},
		{"the key in a cookie", "Cookie", "key=" + s.key, "GH-1001"},
		{"a token of somebody else's", "Authorization", "Bearer eyJhbGciOiJub25lIn0.eyJhdWQiOiJ4In0.", "GH-1011"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, m := range methods {
				got := s.refuses(t, http.StatusUnauthorized, tt.code, func() reply { return s.do(m.method, "", m.body, sessionHeader, id, tt.header, tt.value) })
				if !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer ") || got.header.Get(sessionHeader) != "" {
					t.Errorf("got %v, want a challenge and no session", got.header)
				}
			}
		})
	}
}

// An id of somebody else's session is the same as one that never was, and its
// owner notices nothing.
func TestA113SessionOfSomebodyElse(t *testing.T) {
	up := &stateful{}
	s := besiege(t, up)
	other, err := s.tenants.Create(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	_, colleague := s.mint()
	stranger, strangerKey := s.keyOf(other.ID)
	s.secrets = append(s.secrets, strangerKey[len("gthk_")+len(stranger.ID)+1:])
	id := s.begin(t, s.key)
	stream := s.open(t.Context(), http.MethodGet, s.key, "", sessionHeader, id)
	defer stream.Body.Close()
	unknown := strings.Repeat("A", len(id)-23) + "." + strings.Repeat("A", 22)
	for name, key := range map[string]string{"colleague": colleague, "stranger": strangerKey} {
		own := s.begin(t, key)
		for _, m := range methods {
			for _, headers := range [][]string{
				{sessionHeader, id}, {sessionHeader, id, "Last-Event-ID", "1"}, {sessionHeader, id, sessionHeader, own}, {sessionHeader, own, sessionHeader, id},
				{sessionHeader, own + "," + id}, {sessionHeader, strings.ToLower(id)}, {sessionHeader, id + "="}, {sessionHeader, "session-1"}, {sessionHeader, ""},
			} {
				got := s.refuses(t, http.StatusNotFound, "GH-1303", func() reply { return s.do(m.method, key, m.body, headers...) })
				want := s.do(m.method, key, m.body, sessionHeader, unknown)
				if trace(got) != trace(want) {
					t.Errorf("%s: got %s, want what an unknown session gets: %s", name, trace(got), trace(want))
				}
			}
			for _, query := range []string{"sessionId=session-1", "sessionid=" + id, "session_id=session-1", "Mcp-Session-Id=session-1", "a=b&%73essionId=session-1"} {
				s.refuses(t, http.StatusNotFound, "GH-1303", func() reply {
					return s.one(t, s.plain(m.method, "/mcp?"+query, m.body, "Authorization: Bearer "+key, sessionHeader+": "+own))
				})
			}
		}
		s.refuses(t, http.StatusBadRequest, "-32600", func() reply { return s.post(key, methods[1].body) }) // an answer to whoever was asked
		s.refuses(t, http.StatusBadRequest, "-32600", func() reply { return s.post(key, "["+ping+","+methods[1].body+"]") })
	}
	up.open["session-1"] <- note("for its owner")
	if lines := bufio.NewScanner(stream.Body); !lines.Scan() || lines.Text() != "data: "+note("for its owner") {
		t.Errorf("got %q on the owner's stream, want its own event first", lines.Text())
	}
}

// trace is an answer without what is different in every answer.
func trace(r reply) string {
	return fmt.Sprint(r.status, " ", strings.ReplaceAll(r.body, r.header.Get("X-Request-Id"), "…"))
}

// A key that was rotated is the same caller, and one with fewer rights has no
// more of them in its old session.
func TestA113SessionOfTheSameCaller(t *testing.T) {
	s := besiege(t, &stateful{})
	k, key := s.mint("*")
	id := s.begin(t, key)
	_, _, next, err := s.keys.Rotate(t.Context(), s.tenant, k, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s.secrets = append(s.secrets, next.Reveal()[len("gthk_")+len(k)+1:])
	for _, text := range []string{key, next.Reveal()} {
		if got := s.post(text, call("drop_b"), sessionHeader, id); got.status != http.StatusOK {
			t.Errorf("got %d %s, want 200 before and after the rotation", got.status, got.body)
		}
	}
	if _, err := s.keys.Update(t.Context(), s.tenant, k, apikey.Change{Tools: &[]string{"get_*"}}); err != nil {
		t.Fatal(err)
	}
	s.refuses(t, http.StatusForbidden, "GH-1202", func() reply { return s.post(key, call("drop_b"), sessionHeader, id) })
	if got := s.post(key, call("get_a"), sessionHeader, id); got.status != http.StatusOK {
		t.Errorf("got %d %s, want 200 for what it still may", got.status, got.body)
	}
}

func TestA114SessionFixation(t *testing.T) {
	up := &stateful{}
	s := besiege(t, up)
	for _, chosen := range []string{"mine", "session-1", s.begin(t, s.key)} {
		got := s.post(s.key, initialize, sessionHeader, chosen)
		if id := got.header.Get(sessionHeader); got.status != http.StatusOK || id == "" || id == chosen {
			t.Errorf("got %d and session %q, want one that the client has not chosen", got.status, id)
		}
	}
	seen := map[string]bool{}
	for range 100 {
		id := s.begin(t, s.key)
		_, mac, _ := strings.Cut(id, ".")
		if len(mac) != 22 || seen[mac] { // 128 bits in Base64
			t.Fatalf("got session %q, want 128 bits that were not seen before", id)
		}
		seen[mac] = true
		s.secrets = append(s.secrets, id)
	}
	for _, q := range s.up.requests() {
		if strings.Contains(q.body, "initialize") && len(q.request.Header[sessionHeader]) != 0 {
			t.Errorf("got session %q at the server with initialize, want none", q.request.Header[sessionHeader])
		}
	}
	id := s.begin(t, s.key)
	if got := s.do(http.MethodDelete, s.key, "", sessionHeader, id); got.status != http.StatusOK {
		t.Errorf("got %d for the end of a session, want 200", got.status)
	}
	if got := s.post(s.key, call("get_a"), sessionHeader, id); got.status != http.StatusNotFound {
		t.Errorf("got %d for a session that has ended, want 404", got.status)
	}
	body, headers := ofNewEra("tools/call", "get_a", `,"name":"get_a"`)
	got := s.post(s.key, body, append(headers, sessionHeader, s.begin(t, s.key))...)
	last := s.up.requests()[len(s.up.requests())-1]
	if got.header.Get(sessionHeader) != "" || last.request.Header.Get(sessionHeader) != "" {
		t.Error("got a session in the newer era, which has none")
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		s.refuses(t, http.StatusMethodNotAllowed, "GH-1306", func() reply { return s.do(method, s.key, "", "Mcp-Protocol-Version", "2026-07-28", sessionHeader, id) })
	}
}

// An id lives as long as the key of its MAC: over a restart, and not elsewhere.
func TestA114SessionAfterARestart(t *testing.T) {
	tests := []struct {
		name   string
		change func(g *gateway.Gateway)
		want   int
	}{
		{"the same installation", func(*gateway.Gateway) {}, http.StatusOK},
		{"another session key", func(g *gateway.Gateway) { g.SessionKey = []byte(strings.Repeat("x", 32)) }, http.StatusNotFound},
		{"another server of the installation", func(g *gateway.Gateway) { g.Name = "crm" }, http.StatusNotFound},
	}
	s := besiege(t, &stateful{})
	id := s.begin(t, s.key)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			again := &gateway.Gateway{
				Name: s.gate.Name, Path: s.gate.Path, PublicURL: s.gate.PublicURL, SessionKey: s.gate.SessionKey,
				Guard: s.gate.Guard, Upstream: s.gate.Upstream, Log: s.gate.Log,
			}
			if tt.change(again); again.Open() != nil {
				t.Fatal("got a gateway that cannot be opened")
			}
			q := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.address+"/mcp", strings.NewReader(call("get_a")))
			q.RequestURI = "/mcp"
			q.URL.Scheme, q.URL.Host = "", ""
			q.Header = http.Header{"Authorization": {"Bearer " + s.key}, "Content-Type": {"application/json"}, sessionHeader: {id}}
			w := httptest.NewRecorder()
			if again.ServeHTTP(w, q); w.Code != tt.want {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, tt.want)
			}
		})
	}
}

// The session id is the one state handle that is ours. One that the server has
// made passes as it is, and gives its bearer no right that the key has not.
func TestA124StateHandles(t *testing.T) {
	s := besiege(t, &stateful{})
	id := s.begin(t, s.key)
	for i := range len(id) {
		for _, c := range []byte{id[i] ^ 1, id[i] ^ 0x20, 'A', '.'} {
			bad := id[:i] + string(rune(c)) + id[i+1:]
			if bad == id || c < ' ' || c > '~' {
				continue
			}
			s.refuses(t, http.StatusNotFound, "GH-1303", func() reply { return s.post(s.key, call("get_a"), sessionHeader, bad) })
		}
	}
	for _, bad := range []string{id + "A", id + ".", "." + id, id[:len(id)-2], strings.Repeat(id, 2), strings.Repeat("A", 50_000), id + "\t" + id, `"` + id + `"`} {
		s.refuses(t, http.StatusNotFound, "GH-1303", func() reply { return s.post(s.key, call("get_a"), sessionHeader, bad) })
	}
	_, narrow := s.mint("get_*")
	retry := func(tool, state string) (string, []string) {
		return ofNewEra("tools/call", tool, `,"name":"`+tool+`","requestState":"`+state+`","inputResponses":{"a":{"action":"accept"}}`)
	}
	body, headers := retry("drop_b", "granted")
	s.refuses(t, http.StatusForbidden, "GH-1202", func() reply { return s.post(narrow, body, headers...) })
	body, headers = retry("get_a", strings.Repeat("x", 1<<20))
	s.post(narrow, body, headers...)
	if seen := s.up.requests(); seen[len(seen)-1].body != body {
		t.Error("got another state at the server than was sent")
	}
	body, headers = retry("get_a", strings.Repeat("x", 4<<20))
	lines := []string{"Authorization: Bearer " + narrow}
	for i := 0; i < len(headers); i += 2 {
		lines = append(lines, headers[i]+": "+headers[i+1])
	}
	s.refuses(t, http.StatusRequestEntityTooLarge, "GH-1009", func() reply { return s.one(t, s.plain("POST", "/mcp", body, lines...)) })
}
