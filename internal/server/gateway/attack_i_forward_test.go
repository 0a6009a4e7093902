package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
	"github.com/gatehouse-mcp/gatehouse/internal/signing"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

const issuer = "https://mcp.example.com"

// teller is what an upstream is told, and how it verifies that.
type teller struct {
	keys     *signing.Keys
	audience string
}

// telling has a gateway tell its upstream of its callers.
func telling(t *testing.T, c config.Forward) (*teller, func(*gateway.Gateway)) {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(t.TempDir(), "state", "gatehouse.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	sealed, err := seal.Derive("key material of the tests, long enough")
	if err != nil {
		t.Fatal(err)
	}
	told := &teller{keys: &signing.Keys{Store: db.Signing(), Seal: sealed, Log: slog.New(slog.DiscardHandler)}}
	if err := told.keys.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return told, func(g *gateway.Gateway) {
		told.audience = g.Upstream.URL.String()
		g.Forward = &upstream.Forward{Forward: c, Issuer: issuer, Audience: told.audience, Server: g.Name, Signer: told.keys}
		if err := g.Forward.Open(); err != nil {
			t.Fatal(err)
		}
	}
}

// verify reads an identity as an upstream should.
func (told *teller) verify(token string) (*upstream.Identity, error) {
	body, _, err := told.keys.JWKS(context.Background())
	if err != nil {
		return nil, err
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, err
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, err
	}
	var registered jwt.Claims
	var id upstream.Identity
	if err := parsed.Claims(&set, &registered, &id); err != nil {
		return nil, err
	}
	if parsed.Headers[0].ExtraHeaders["typ"] != upstream.IdentityType || id.Expires-id.IssuedAt > 60 {
		return nil, fmt.Errorf("got header %v, life of %d s", parsed.Headers, id.Expires-id.IssuedAt)
	}
	return &id, registered.ValidateWithLeeway(jwt.Expected{Issuer: issuer, AnyAudience: jwt.Audience{told.audience}, Time: time.Now()}, 0)
}

// bare is a server that keeps the heads of requests as they were on the wire.
type bare struct {
	mu    sync.Mutex
	heads [][]string // lines
}

// listen puts a bare server in the place of a gateway's upstream.
func (b *bare) listen(t *testing.T) func(*gateway.Gateway) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go b.serve(c)
		}
	}()
	return func(g *gateway.Gateway) {
		g.Upstream = &upstream.Client{URL: &url.URL{Scheme: "http", Host: l.Addr().String(), Path: "/mcp"}}
	}
}

func (b *bare) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		var lines []string
		length := 0
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if line = strings.TrimRight(line, "\r\n"); line == "" {
				break
			}
			lines = append(lines, line)
			if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "Content-Length") {
				length, _ = strconv.Atoi(strings.TrimSpace(value))
			}
		}
		if _, err := io.CopyN(io.Discard, in, int64(length)); err != nil {
			return
		}
		b.mu.Lock()
		b.heads = append(b.heads, lines)
		b.mu.Unlock()
		const answer = `{"jsonrpc":"2.0","id":1,"result":{}}`
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
	}
}

// last returns the last head's fields by folded name.
func (b *bare) last(t *testing.T) map[string][]string {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.heads) == 0 {
		t.Fatal("nothing reached the server")
	}
	out := map[string][]string{}
	for _, line := range b.heads[len(b.heads)-1][1:] {
		name, value, _ := strings.Cut(line, ":")
		out[config.Folded(name)] = append(out[config.Folded(name)], strings.TrimSpace(value))
	}
	return out
}

// closing sends bytes that ask for the connection's end, and returns all that
// comes back. Unlike raw it does not hang up: that would end the call.
func (f *fixture) closing(request string) string {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		f.t.Fatal(err)
	}
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

// spoofed are the ways in which a client could try to speak in our name.
func spoofed(names ...string) (lines []string) {
	for _, n := range names {
		under := strings.ReplaceAll(n, "-", "_")
		for _, name := range []string{n, strings.ToLower(n), strings.ToUpper(n), under, strings.ToLower(under), strings.Replace(n, "-", "_", 1), under[:strings.LastIndex(under, "_")] + n[strings.LastIndex(n, "-"):]} {
			lines = append(lines, name+": forged", name+": forged\r\n"+name+": again", "Connection: "+name+", close\r\n"+name+": forged", "Connection: close\r\nConnection: "+name)
		}
	}
	return lines
}

// spoofing is a gateway before a bare server, and what that must be told.
type spoofing struct {
	*fixture
	up   *bare
	told *teller
	key  string
	id   string
	want map[string]string // by folded name
	jwt  bool
}

const tenantHeader, ourCredential = "X-Tenant-Id", "Bearer of-the-gateway"

func spoofs(t *testing.T, identity string) *spoofing {
	t.Helper()
	told, edit := telling(t, config.Forward{Identity: identity, TenantHeader: tenantHeader, Authorization: ourCredential})
	up := &bare{}
	s := &spoofing{fixture: protect(t, http.HandlerFunc(echo), up.listen(t), edit), up: up, told: told, jwt: identity == config.IdentityJWT}
	k, key := s.fixture.key()
	s.key, s.id = key, k.ID
	s.want = map[string]string{"authorization": ourCredential, "x-tenant-id": "default"}
	if !s.jwt {
		s.want["x-gatehouse-subject"], s.want["x-gatehouse-tenant"], s.want["x-gatehouse-tenant-name"] = "key:"+k.ID, string(s.tenant), "default"
		s.want["x-gatehouse-key-id"], s.want["x-gatehouse-server"] = k.ID, "files"
		s.want["x-gatehouse-method"], s.want["x-gatehouse-tool"] = "tools/call", "get_a"
	}
	return s
}

// send makes a call with these lines beside it, and holds what reached the
// server to what it must be told: each once, and nothing of the client's.
func (s *spoofing) send(t *testing.T, body string, lines ...string) {
	t.Helper()
	text := "POST /mcp HTTP/1.1\r\nHost: " + s.address + "\r\nContent-Type: application/json\r\n" + strings.Join(lines, "\r\n") + "\r\nAuthorization: Bearer " + s.key + "\r\n\r\n" + body
	if got := s.closing(text); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Fatalf("%q: got %.200q, want 200\n%s", lines, got, s.log)
	}
	seen := s.up.last(t)
	for n, values := range seen {
		ours := strings.HasPrefix(n, "x-gatehouse-") || s.want[n] != ""
		if ours && len(values) != 1 || strings.Contains(fmt.Sprint(n, values), "forged") || strings.Contains(fmt.Sprint(values), s.key) {
			t.Errorf("%q: got %s: %q at the server", lines, n, values)
		}
	}
	for n, v := range s.want {
		if len(seen[n]) != 1 || seen[n][0] != v {
			t.Errorf("%q: got %s: %q, want %q once", lines, n, seen[n], v)
		}
	}
	if !s.jwt {
		return
	}
	if len(seen["x-gatehouse-identity"]) != 1 {
		t.Fatalf("%q: got identities %q, want one", lines, seen["x-gatehouse-identity"])
	}
	id, err := s.told.verify(seen["x-gatehouse-identity"][0])
	if err != nil || id.KeyID != s.id || id.Subject != "key:"+s.id || id.Tenant != string(s.tenant) || id.TenantName != "default" ||
		id.Tool != "get_a" || id.Method != "tools/call" || id.Server != "files" || id.RequestID != seen["x-request-id"][0] {
		t.Errorf("%q: got %+v, %v", lines, id, err)
	}
}

func TestA128A129SpoofedIdentities(t *testing.T) {
	for _, identity := range []string{config.IdentityJWT, config.IdentityHeaders} {
		t.Run(identity, func(t *testing.T) {
			s := spoofs(t, identity)
			whole := fmt.Sprintf("Content-Length: %d\r\nConnection: close", len(call("get_a")))
			chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\nX-Gatehouse-Identity: forged\r\nX-Gatehouse-Subject: forged\r\nX-Tenant-Id: forged\r\nAuthorization: forged\r\n\r\n", len(call("get_a")), call("get_a"))
			s.send(t, call("get_a"), whole)
			for _, line := range spoofed("X-Gatehouse-Identity", "X-Gatehouse-Subject", "X-Gatehouse-Tenant", "X-Gatehouse-Tool", "X-Gatehouse-Request-Id", tenantHeader) {
				s.send(t, call("get_a"), line, whole)
			}
			for _, line := range []string{"Connection: Authorization, X-Gatehouse-Identity, X-Tenant-Id", "Proxy-Connection: X-Gatehouse-Identity", "Keep-Alive: X-Gatehouse-Identity", "TE: X-Gatehouse-Identity, trailers"} {
				s.send(t, call("get_a"), line, whole)
			}
			for _, line := range []string{"X-None: 1", "Trailer: X-Gatehouse-Identity, X-Gatehouse-Subject, X-Tenant-Id, Authorization"} {
				s.send(t, chunked, line, "Transfer-Encoding: chunked", "Connection: close")
			}
		})
	}
}

// doubter is a server that holds what it is told against what the client says of itself.
type doubter struct {
	told    *teller
	secrets sync.Map // of the callers
	mu      sync.Mutex
	wrong   []string
}

func (d *doubter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if err := d.judge(r, string(body)); err != nil {
		d.mu.Lock()
		d.wrong = append(d.wrong, err.Error())
		d.mu.Unlock()
	}
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, ":\n\n")
		return
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	echo(w, r)
}

func (d *doubter) judge(r *http.Request, body string) error {
	id, err := d.told.verify(strings.Join(r.Header["X-Gatehouse-Identity"], "|"))
	who := r.Header.Get("Last-Event-Id") // the client's own word, for the test
	leaked := false
	d.secrets.Range(func(secret, _ any) bool {
		leaked = leaked || strings.Contains(fmt.Sprint(r.Header, r.RequestURI, body), secret.(string)) //nolint:forcetypeassert // they are
		return true
	})
	switch {
	case err != nil:
		return err
	case leaked:
		return fmt.Errorf("got a caller's credential in %v", r.Header)
	case id.KeyID != who || id.RequestID != r.Header.Get("X-Request-Id"):
		return fmt.Errorf("got %+v for a request of %s", id, who)
	case (r.Method == http.MethodPost) != (id.Method != "") || (id.Method == "tools/call") != (id.Tool == "get_"+who) || !strings.Contains(body, id.Method):
		return fmt.Errorf("got %+v for %s %s", id, r.Method, body)
	case len(r.Header["Authorization"]) != 1 || r.Header.Get("Authorization") != ourCredential:
		return fmt.Errorf("got %q, want our credential", r.Header["Authorization"])
	}
	return nil
}

// Many callers at once, by every method: each request reaches the server under
// the name of whoever made it, and never with a credential of theirs.
func TestA117EachRequestIsItsCallers(t *testing.T) {
	told, edit := telling(t, config.Forward{Identity: config.IdentityJWT, Authorization: ourCredential})
	server := &doubter{told: told}
	f := protect(t, server, edit)
	other, err := f.tenants.Create(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	const callers, rounds, requests = 6, 15, 8
	var all sync.WaitGroup
	for n := range callers {
		k, key := f.keyOf([]tenant.ID{f.tenant, other.ID}[n%2])
		server.secrets.Store(key[len("gthk_"):], true)
		all.Go(func() {
			for range rounds {
				f.allMethods(k.ID, key)
			}
		})
	}
	all.Wait()
	for _, w := range server.wrong {
		t.Error(w)
	}
	if n := len(f.up.requests()); n != callers*rounds*requests {
		t.Errorf("got %d requests at the server, want all", n)
	}
}

// allMethods makes a request of each kind with a key, whose id goes along.
func (f *fixture) allMethods(id, key string) {
	ask := func(got reply) {
		if got.status != http.StatusOK {
			f.t.Errorf("got %d %s", got.status, got.body)
		}
	}
	for _, body := range []string{call("get_" + id), ping, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, `{"jsonrpc":"2.0","id":1,"method":"resources/list"}`, `{"jsonrpc":"2.0","id":1,"method":"prompts/list"}`} {
		ask(f.post(key, body, "Last-Event-Id", id))
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		ask(f.do(method, key, "", "Last-Event-Id", id, "Mcp-Protocol-Version", "2025-11-25"))
	}
	ask(f.do(http.MethodPost, "", ping, "X-API-Key", key, "Last-Event-Id", id))
}

// What cannot be told is not sent.
func TestCallsThatCannotBeToldAreRefused(t *testing.T) {
	_, edit := telling(t, config.Forward{Identity: config.IdentityJWT})
	var g *gateway.Gateway
	f := protect(t, http.HandlerFunc(echo), edit, func(it *gateway.Gateway) { g = it })
	_, key := f.key()
	if got := f.post(key, call(strings.Repeat("x", 257))); got.status != http.StatusBadRequest || !strings.Contains(got.body, "GH-1313") {
		t.Errorf("a long name: got %d %s, want GH-1313", got.status, got.body)
	}
	if got := f.post(key, `[`+call("get_a")+`,`+strings.Replace(call("get_b"), `"id":1`, `"id":2`, 1)+`]`, "Mcp-Protocol-Version", "2025-03-26"); got.status != http.StatusOK {
		t.Errorf("a batch: got %d %s", got.status, got.body)
	}
	if n := len(f.up.requests()); n != 1 {
		t.Fatalf("got %d requests, want the batch alone", n)
	}
	g.Forward.Signer = broken{}
	got := f.post(key, call("get_a"))
	if got.status != http.StatusInternalServerError || !strings.Contains(got.body, "GH-1901") || strings.Contains(got.body, "is away") {
		t.Errorf("no signature: got %d %s, want GH-1901", got.status, got.body)
	}
	if n := len(f.up.requests()); n != 1 {
		t.Errorf("got %d requests, want nothing sent without an identity", n)
	}
}

type broken struct{}

func (broken) Sign(context.Context, string, any) (string, error) {
	return "", fmt.Errorf("the key is away")
}
