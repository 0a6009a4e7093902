package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// mirror says in its answer what it was asked, by whose session, and under
// which request id. Now and then it ends the connection.
type mirror struct {
	stateful
	n atomic.Int64
}

// ServeHTTP implements http.Handler.
func (u *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	var q struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
	}
	if json.Unmarshal(body, &q) != nil || q.Method == "initialize" {
		u.stateful.ServeHTTP(w, r)
		return
	}
	if u.n.Add(1)%7 == 0 {
		w.Header().Set("Connection", "close")
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"method":%q,"session":%q,"request":%q}}`, q.ID, q.Method, r.Header.Get(sessionHeader), r.Header.Get("X-Request-Id"))
}

// Callers share the connections to the server, and nothing else.
func TestA117SharedConnections(t *testing.T) {
	s := besiege(t, &mirror{})
	const callers, calls = 8, 60
	type one struct{ key, sealed, session string }
	var all []one
	for range callers {
		_, key := s.mint()
		all = append(all, one{key: key, sealed: s.begin(t, key), session: fmt.Sprintf("session-%d", len(all)+1)})
	}
	methods := []string{"tools/list", "tools/call", "resources/list", "prompts/list"}
	client := &http.Transport{MaxIdleConnsPerHost: callers} // one connection carries the requests of many callers
	defer client.CloseIdleConnections()
	flood(callers*calls, func(i int) {
		who, method := all[i%callers], methods[i/callers%len(methods)]
		body := fmt.Sprintf(`{"jsonrpc":"2.0","id":"call-%d","method":%q,"params":{"name":"get_a"}}`, i, method)
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		q.Header = http.Header{"Authorization": {"Bearer " + who.key}, "Content-Type": {"application/json"}, sessionHeader: {who.sealed}}
		res, err := client.RoundTrip(q)
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		if i%11 == 0 {
			return // leave in the middle: what is left over must be nobody's answer
		}
		got, err := io.ReadAll(res.Body)
		want := fmt.Sprintf(`{"jsonrpc":"2.0","id":"call-%d","result":{"method":%q,"session":%q,"request":%q}}`, i, method, who.session, res.Header.Get("X-Request-Id"))
		if err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	})
	for _, q := range s.up.requests() {
		for _, name := range []string{"Authorization", "X-Api-Key", "Cookie"} {
			if len(q.request.Header[name]) != 0 {
				t.Errorf("got %s at the server, want no credential of a caller's", name)
			}
		}
	}
}

// A caller's tenant is that of its key. Whatever else names a tenant is data
// for the server, or does not reach it.
func TestA120TenantConfusion(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	first, err := s.tenants.Create(t.Context(), "first")
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.tenants.Create(t.Context(), "second")
	if err != nil {
		t.Fatal(err)
	}
	k, key := s.keyOf(first.ID)
	auth := "Authorization: Bearer " + key
	for _, name := range []string{
		"X-Tenant", "X-Tenant-Id", "X_Tenant", "Tenant", "X-Org-Id", "X-Scope-OrgID", "X-Account", "X-Workspace", "X-User", "X-Forwarded-User", "X-Gatehouse-Tenant", "X-Forwarded-Prefix",
	} {
		for _, value := range []string{"second", "SECOND", "ｓｅｃｏｎｄ", string(second.ID), "first,second"} {
			mark := s.log.size()
			got := s.one(t, s.plain("POST", "/mcp", ping, auth, name+": "+value))
			seen := s.up.requests()
			last := seen[len(seen)-1].request
			if got.status != http.StatusOK || len(last.Header[http.CanonicalHeaderKey(name)]) != 0 || len(last.Header[name]) != 0 {
				t.Errorf("%s: %s: got %d and %v at the server, want 200 and no such header", name, value, got.status, last.Header)
			}
			if line := s.log.since(mark); !strings.Contains(line, `"tenant":"first","key":"`+k.ID+`"`) || strings.Contains(line, "second") {
				t.Errorf("%s: %s: got %s in the log, want the key's tenant", name, value, line)
			}
		}
	}
	for target, status := range map[string]int{
		"/second/mcp": 404, "/t/second/mcp": 404, "/first/mcp": 404, "/first%2f..%2fsecond/mcp": 400, "/SECOND/MCP": 404, "/mcp/second": 404, "/mcp/../second": 400, "/mcp;t=second": 400,
	} {
		s.refuses(t, status, "", func() reply { return s.one(t, s.plain("POST", target, ping, auth)) })
	}
	for _, host := range []string{"second.localhost", "second.127.0.0.1", "second"} {
		s.refuses(t, http.StatusMisdirectedRequest, "GH-1005", func() reply { return s.one(t, s.plain("POST", "/mcp", ping, auth, "Host: "+host)) })
	}
	if got := s.one(t, s.plain("POST", "/mcp?tenant=second", ping, auth)); got.status != http.StatusOK {
		t.Errorf("got %d, want 200: what a query says is the server's business", got.status)
	}
	for _, name := range []string{"First", "FIRST", "ｆｉｒｓｔ", "first ", " first", "fi\u00adrst", "first/second", "first%2fsecond", "..", "", "first\x00", strings.Repeat("a", 64)} {
		if _, err := s.tenants.Create(t.Context(), name); !errors.Is(err, tenant.ErrInvalid) {
			t.Errorf("got %v for a tenant named %q, want it refused", err, name)
		}
	}
	if _, err := s.tenants.Create(t.Context(), "first"); !errors.Is(err, tenant.ErrExists) {
		t.Errorf("got %v for a second tenant of the name, want it refused", err)
	}
}

// What is refused says nothing about the tenant that it belongs to.
func TestA120RefusalsLookTheSame(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	keys := map[string]string{}
	for name, end := range map[string]func(tenant.ID) error{
		"suspended": func(id tenant.ID) error { _, err := s.tenants.Suspend(t.Context(), id, "test"); return err },
		"deleted":   func(id tenant.ID) error { _, err := s.tenants.Delete(t.Context(), id, "test"); return err },
	} {
		own, err := s.tenants.Create(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		_, keys[name] = s.keyOf(own.ID)
		if err := end(own.ID); err != nil {
			t.Fatal(err)
		}
	}
	_, other, err := apikey.Mint(nil)
	if err != nil {
		t.Fatal(err)
	}
	keys["of no tenant"] = other.Reveal()
	want := trace(s.post(keys["of no tenant"], ping))
	for name, key := range keys {
		got := s.refuses(t, http.StatusUnauthorized, "Credential not accepted.", func() reply { return s.post(key, ping) })
		if strings.ReplaceAll(trace(got), "GH-1013", "GH-1011") != want { // see docs/errors.md: the code is there for support
			t.Errorf("%s: got %s, want %s", name, trace(got), want)
		}
	}
}

// Who gets a name that was somebody's gets nothing that was theirs.
func TestA121RecycledTenant(t *testing.T) {
	s := besiege(t, &stateful{})
	ids := map[tenant.ID]bool{}
	type remains struct{ key, session string }
	var dead []remains
	for range 4 {
		own, err := s.tenants.Create(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		if ids[own.ID] {
			t.Errorf("got the id %s twice", own.ID)
		}
		ids[own.ID] = true
		if list, err := s.keys.List(t.Context(), own.ID); err != nil || len(list) != 0 {
			t.Errorf("got %v, %v in a new tenant, want no keys", list, err)
		}
		k, key := s.keyOf(own.ID)
		session := s.begin(t, key)
		for _, d := range dead {
			for _, m := range methods {
				s.refuses(t, http.StatusUnauthorized, "GH-1011", func() reply { return s.do(m.method, d.key, m.body, sessionHeader, d.session) })
				s.refuses(t, http.StatusNotFound, "GH-1303", func() reply { return s.do(m.method, key, m.body, sessionHeader, d.session) })
			}
		}
		if got := s.post(key, call("get_a"), sessionHeader, session); got.status != http.StatusOK {
			t.Errorf("got %d, want 200 in its own session", got.status)
		}
		if _, err := s.tenants.Delete(t.Context(), own.ID, "test"); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"a key for the dead":  second(s.keys.Create(t.Context(), own.ID, apikey.Spec{Name: "test"})),
			"life for the dead":   first(s.tenants.Resume(t.Context(), own.ID, "test")),
			"tools for its key":   first(s.keys.Update(t.Context(), "", k.ID, apikey.Change{Tools: &[]string{"*"}})),
			"its key's successor": third(s.keys.Rotate(t.Context(), "", k.ID, 0)),
		} {
			if err == nil {
				t.Errorf("got %s, want an error", what)
			}
		}
		dead = append(dead, remains{key, session})
	}
}

func first[A any](_ A, err error) error                 { return err }
func second[A, B any](_ A, _ B, err error) error        { return err }
func third[A, B, C any](_ A, _ B, _ C, err error) error { return err }
