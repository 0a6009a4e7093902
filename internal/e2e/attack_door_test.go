package e2e

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// allDoors has everything on that a configuration can have.
const allDoors = `version: 1
server:
  public_url: https://mcp.test
  listen: 127.0.0.1:0
  plain_listen: 127.0.0.1:0
  tls: {files: {cert: DIR/cert.pem, key: DIR/key.pem}}
  trusted_proxies: [127.0.0.2]
servers:
  - {name: front, path: /mcp, sse: /sse, url: "UPSTREAM/mcp", forward: {identity: jwt}}
  - {name: other, path: /other, host: b.mcp.test, url: "UPSTREAM/other"}
auth: {api_keys: {}}
policy: {default: allow}
limits: {per_key: 100000/min, failed_auth: {per_ip: 100000/min, ban: 1m}}
store: {sqlite: DIR/state/gatehouse.db}
admin: {listen: 127.0.0.1:0}
`

// Who may knock at a door.
const (
	anybody   = "anybody"  // what is there is public
	caller    = "caller"   // a key is asked for before anything else
	operator  = "operator" // only the listener for operators has it
	ourselves = "socket"   // only the private socket has it, for the account that runs it
)

// doors is every door there is. A new one needs a line, and thought.
var doors = map[string]string{
	"/.well-known/jwks.json":                  anybody,
	"/.well-known/oauth-protected-resource":   anybody, // and with the path of a server after it
	"/.well-known/oauth-authorization-server": anybody, // a copy of what the issuer tells anybody
	"/mcp":           caller,
	"/messages":      caller, // below a path of sse
	"GET /-/live":    operator,
	"GET /-/ready":   operator,
	"GET /-/metrics": operator,

	"/":              ourselves, // 404 of the private socket
	"GET /v1/status": ourselves, "GET /v1/keys": ourselves, "POST /v1/keys": ourselves, "POST /v1/keys/verify": ourselves, "POST /v1/keys/import": ourselves,
	"GET /v1/keys/{id}": ourselves, "PATCH /v1/keys/{id}": ourselves, "POST /v1/keys/{id}/rotate": ourselves, "DELETE /v1/keys/{id}/rotate": ourselves,
	"POST /v1/keys/{id}/revoke": ourselves, "GET /v1/tenants": ourselves, "POST /v1/tenants": ourselves, "GET /v1/tenants/{name}": ourselves,
	"POST /v1/tenants/{name}/suspend": ourselves, "POST /v1/tenants/{name}/resume": ourselves, "DELETE /v1/tenants/{name}": ourselves,
	"GET /v1/audit": ourselves, "GET /v1/db": ourselves, "POST /v1/db/backup": ourselves, "GET /v1/signing-keys": ourselves, "POST /v1/signing-keys/rotate": ourselves,
	"POST /v1/signing-keys/{id}/retire": ourselves, "DELETE /v1/signing-keys": ourselves, "GET /v1/config": ourselves, "POST /v1/config/reload": ourselves,
	"POST /v1/tenants/{name}/link": ourselves, "POST /v1/tenants/{name}/unlink": ourselves, "GET /v1/issuers": ourselves,
	"GET /v1/tokens/revocations": ourselves, "POST /v1/tokens/revocations": ourselves, "DELETE /v1/tokens/revocations/{revocation}": ourselves,
	"GET /v1/tools": ourselves, "GET /v1/tools/diff": ourselves, "POST /v1/tools/approve": ourselves,
	"GET /v1/bans": ourselves, "POST /v1/bans": ourselves, "POST /v1/bans/lift": ourselves,
}

// handlers are the files that hand requests to somebody by path or make an HTTP
// server. Another one is another way in.
var handlers = map[string]string{
	"internal/server/admin/admin.go": "ServeMux", "internal/server/ops/ops.go": "ServeMux",
	"internal/server/authserver/routes.go": "ServeMux",
	"internal/server/edge/http.go":         "Server", "internal/server/edge/edge.go": "Server", "internal/server/server.go": "Server",
}

// TestA123EveryRouteHasAClass reads the sources: a path that is served and not
// in doors, or in doors and not served, fails.
func TestA123EveryRouteHasAClass(t *testing.T) {
	route := regexp.MustCompile(`^((GET|HEAD|POST|PUT|PATCH|DELETE) )?/[-a-z.{}/_0-9]*$`)
	found, made := map[string]bool{}, map[string]string{}
	for _, path := range sources(t, ".go") {
		if strings.HasSuffix(path, "_test.go") || !strings.HasPrefix(path, "internal/server/") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root(t), path), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING && route.MatchString(text) {
					found[text] = true
				}
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "http" && slices.Contains([]string{"NewServeMux", "Server", "Handle", "HandleFunc", "ListenAndServe", "Serve"}, n.Sel.Name) {
					made[path] = strings.TrimPrefix(n.Sel.Name, "New")
				}
			}
			return true
		})
	}
	for text := range found {
		if doors[text] == "" && !slices.Contains([]string{"/.", "/./", "/../", "//", "/x", "/-._~", "/proc", "/.well-known/"}, text) && !strings.HasPrefix(text, "/proc/") && !strings.HasPrefix(text, "/sys/") {
			t.Errorf("%q looks like a path that is served: give it a class in doors", text)
		}
	}
	for text, class := range doors {
		if !found[text] && text != "/mcp" {
			t.Errorf("%q (%s) is served nowhere", text, class)
		}
	}
	for path, what := range made {
		if handlers[path] == "" {
			t.Errorf("%s makes an http.%s: another way in", path, what)
		}
	}
}

// foreign are doors that others have, or that we must never have.
func foreign() []string {
	return strings.Fields(`/sse/message /message /messages /mcp/sse /mcp/messages /ws /mcp/ws /mcp-connect/1 /api /api/v1/tools /rpc /jsonrpc /tools/call
		/-/live /-/ready /-/metrics /metrics /v1/status /v1/keys /v1/keys/import /v1/tenants /v1/db/backup /v1/audit /v1/config /v1/config/reload /v1/bans /v1/signing-keys
		/debug/pprof/ /debug/pprof/heap /debug/pprof/goroutine /debug/vars /config /health /admin /console /status /.env /.git/config /index.html /MCP /mcp2 /other/mcp
		/.well-known/oauth-protected-resource /.well-known/openid-configuration /.well-known/acme-challenge/x /authorize /token /register`)
}

// TestA123EveryDoor crawls a production configuration: what is not listed is
// not there, what is listed asks for what its class says.
func TestA123EveryDoor(t *testing.T) {
	t.Parallel()
	up := newDouble(t, nil)
	p := serve(t, strings.ReplaceAll(allDoors, "UPSTREAM", up.URL))
	_, key := p.key("--name", "crawl")
	c := p.client()
	methods := strings.Fields("GET HEAD POST PUT PATCH DELETE OPTIONS TRACE PROPFIND")
	for _, method := range methods {
		body := ""
		if method == http.MethodPost {
			body = toolsList
		}
		for _, at := range []string{"https://mcp.test/mcp", "https://mcp.test/mcp/", "https://mcp.test/sse", "https://mcp.test/sse/messages?session=x", "https://b.mcp.test/other"} {
			if got := p.ask(c, method, at, body); got.status != http.StatusUnauthorized {
				t.Errorf("%s %s: got %d without a key, want 401", method, at, got.status)
			}
			if method == http.MethodGet && strings.HasSuffix(at, "/sse") {
				continue // a stream
			}
			if got := p.ask(c, method, at, body, "Authorization: Bearer "+key); !slices.Contains([]string{"GET", "POST", "DELETE"}, method) && got.status != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: got %d with a key, want 405", method, at, got.status)
			}
		}
		for _, path := range foreign() {
			for _, at := range []string{"https://mcp.test" + path, "https://b.mcp.test" + path} {
				for _, headers := range [][]string{nil, modern(key)} {
					if got := p.ask(c, method, at, body, headers...); got.status != http.StatusNotFound && (got.status != http.StatusMisdirectedRequest || !strings.HasPrefix(at, "https://b.")) {
						t.Errorf("%s %s: got %d %.100s, want 404", method, at, got.status, got.body)
					}
				}
			}
		}
		// Each host has its own servers only.
		for _, at := range []string{"https://b.mcp.test/mcp", "https://mcp.test/other", "https://b.mcp.test/sse", "https://localhost/other"} {
			if got := p.ask(c, method, at, body, modern(key)...); got.status != http.StatusNotFound && got.status != http.StatusMisdirectedRequest {
				t.Errorf("%s %s: got %d, want 404", method, at, got.status)
			}
		}
		want := http.StatusMethodNotAllowed
		if method == http.MethodGet || method == http.MethodHead {
			want = http.StatusOK
		}
		if got := p.ask(c, method, "https://mcp.test/.well-known/jwks.json", body); got.status != want && method != http.MethodOptions {
			t.Errorf("%s of the public keys: got %d, want %d", method, got.status, want)
		}
		operatorsCrawl(t, p, method, want)
		plainCrawl(t, p, method, key)
	}
	if n := up.count(); n != 2 { // GET and DELETE of /mcp, whose answers are the server's business
		for _, q := range up.requests() {
			if q.method == "PUT" || q.method == "TRACE" || !strings.HasPrefix(q.uri, "/mcp") && !strings.HasPrefix(q.uri, "/other") {
				t.Errorf("got %s %s at the server", q.method, q.uri)
			}
		}
	}
	socketCrawl(t, p)
	p.lives(t, key)
}

// operatorsCrawl asks the listener for operators.
func operatorsCrawl(t *testing.T, p *production, method string, want int) {
	t.Helper()
	c := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, path := range append(foreign(), "/", "/mcp", "/sse", "/.well-known/jwks.json", "/-/", "/-/livex") {
		got := p.ask(c, method, "http://"+p.Admin+path, "")
		switch {
		case doors["GET "+path] == operator && got.status != want:
			t.Errorf("%s %s for operators: got %d, want %d", method, path, got.status, want)
		case doors["GET "+path] != operator && got.status < 300:
			t.Errorf("%s %s for operators: got %d, want nothing there", method, path, got.status)
		}
	}
}

// plainCrawl asks where plain HTTP is refused.
func plainCrawl(t *testing.T, p *production, method, key string) {
	t.Helper()
	c := p.plainClient()
	for _, path := range []string{"/", "/mcp", "/sse", "/-/live", "/v1/keys", "/.well-known/jwks.json", "/.well-known/acme-challenge/x", "/debug/pprof/"} {
		if got := p.ask(c, method, "http://mcp.test"+path, ""); got.status != http.StatusPermanentRedirect && got.status != http.StatusForbidden {
			t.Errorf("%s %s over plain HTTP: got %d, want a redirect or 403", method, path, got.status)
		}
		if got := p.ask(c, method, "http://mcp.test"+path, "", "Authorization: Bearer "+key); got.status != http.StatusForbidden {
			t.Errorf("%s %s with a key over plain HTTP: got %d, want 403", method, path, got.status)
		}
	}
}

// socketCrawl asks the private socket for what it must not have.
func socketCrawl(t *testing.T, p *production) {
	t.Helper()
	socket := ""
	for _, s := range unixSockets(t, p) {
		socket = s
	}
	way := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	defer way.CloseIdleConnections()
	c := &http.Client{Transport: way, Timeout: patience}
	if got := p.ask(c, "GET", "http://gatehouse/v1/status", ""); got.status != http.StatusOK {
		t.Fatalf("got %d %s of the socket's status, want 200", got.status, got.body)
	}
	for _, path := range strings.Fields("/ /v1 /v1/ /v2/keys /mcp /sse /-/metrics /debug/pprof/ /debug/vars /v1/audit/x /v1/exec /v1/keys/x/text") {
		for _, method := range strings.Fields("GET POST PUT DELETE") {
			if got := p.ask(c, method, "http://gatehouse"+path, ""); got.status < 400 || got.status >= 500 {
				t.Errorf("%s %s at the socket: got %d, want nothing there", method, path, got.status)
			}
		}
	}
}

// unixSockets are the sockets below the state.
func unixSockets(t *testing.T, p *production) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(p.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type()&os.ModeSocket != 0 {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestA127EveryDoorRefusesKeysInOtherPlaces puts a key of its own into each
// place where a credential must not be, at each door: it is refused even beside
// a good one where it is in the URL, it is told nowhere, and nothing is asked of
// the server behind.
func TestA127EveryDoorRefusesKeysInOtherPlaces(t *testing.T) {
	t.Parallel()
	up := newDouble(t, nil)
	p := serve(t, strings.ReplaceAll(allDoors, "UPSTREAM", up.URL))
	_, good := p.key("--name", "good")
	_, key := p.key("--name", "misplaced")
	secret := key[len("gthk_")+13 : len(key)-6]
	c, c1, burnt := p.client(), p.client(old), 0
	for _, door := range []string{"POST /mcp", "GET /mcp", "DELETE /mcp", "GET /sse", "POST /sse/messages?session=x"} {
		method, path, _ := strings.Cut(door, " ")
		body := ""
		if method == http.MethodPost {
			body = toolsList
		}
		join := "?"
		if strings.Contains(path, "?") {
			join = "&"
		}
		for _, query := range []string{"access_token=" + key, "api_key=" + key, "token=" + key, "x=" + key, key, "x=%67thk_" + key[5:], "access_token=other"} {
			for _, headers := range [][]string{nil, modern(good)} {
				got := p.ask(c, method, "https://mcp.test"+path+join+query, body, headers...)
				if got.status != http.StatusUnauthorized || !strings.Contains(got.body, "GH-1002") || strings.Contains(fmt.Sprint(got.header, got.body), secret) {
					t.Errorf("%s with the query %.20s: got %d %s, want 401 GH-1002", door, query, got.status, got.body)
				}
				burnt++
			}
		}
		for _, header := range []string{"Cookie: token=" + key, "Cookie: access_token=" + key, "Sec-WebSocket-Protocol: bearer, " + key, "Proxy-Authorization: Bearer " + key, "X-Auth-Token: " + key, "Referer: https://x.test/?access_token=" + key} {
			for name, c := range map[string]*http.Client{"HTTP/2": c, "HTTP/1.1": c1} {
				if got := p.ask(c, method, "https://mcp.test"+path, body, header); got.status != http.StatusUnauthorized || !strings.Contains(got.body, "GH-1001") {
					t.Errorf("%s over %s with %.20s: got %d %s, want 401 GH-1001", door, name, header, got.status, got.body)
				}
			}
		}
		form := p.ask(c, method, "https://mcp.test"+path, "access_token="+key, "Content-Type: application/x-www-form-urlencoded")
		if form.status != http.StatusUnauthorized {
			t.Errorf("%s with a form: got %d, want 401", door, form.status)
		}
	}
	if n := up.count(); n != 0 {
		t.Errorf("got %d requests at the server, want none: %v", n, up.requests())
	}
	p.lookFor(t, secret)
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	told := 0
	for _, e := range p.trail() {
		if e["code"] == "GH-1002" {
			told += many(e)
		}
	}
	if told != burnt {
		t.Errorf("the trail tells of %d burnt keys, want %d", told, burnt)
	}
}

// many is how many alike an event stands for.
func many(e map[string]any) int {
	if n, ok := e["count"].(float64); ok && n > 1 {
		return int(n)
	}
	return 1
}
