package gateway_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
)

func TestA127CredentialInAnotherPlace(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	type place struct {
		name, target, body string
		lines              []string
		status             int
		code               string
	}
	var places []place
	for _, query := range []string{
		"access_token=" + s.key, "api_key=" + s.key, "apikey=" + s.key, "key=" + s.key, "token=" + s.key, "Authorization=Bearer+" + s.key, "ACCESS_TOKEN=" + s.key,
		"x=" + s.key, s.key, s.key + "=1", "a=1&b=2&c=" + s.key, "x=%67thk_" + s.key[5:], "x=before" + s.key + "after", "access_token=other", "access%5ftoken=other", "bearer=x",
	} {
		places = append(places, place{query, "/mcp?" + query, ping, nil, 401, "GH-1002"}, place{query + " beside a good one", "/mcp?" + query, ping, []string{s.bearer()}, 401, "GH-1002"})
	}
	for _, line := range []string{
		"Cookie: token=" + s.key, "Cookie: Authorization=Bearer " + s.key, "Sec-WebSocket-Protocol: bearer, " + s.key, "Proxy-Authorization: Bearer " + s.key, "X-Auth-Token: " + s.key,
		"X-Access-Token: " + s.key, "Authentication: Bearer " + s.key, "X-Authorization: Bearer " + s.key, "X_Api_Key: " + s.key, "Api-Key: " + s.key, "X-Forwarded-Access-Token: " + s.key,
		"Authorization: Basic " + s.key, "Authorization: " + s.key, "Authorization: Digest " + s.key, "Referer: http://x/?access_token=" + s.key,
	} {
		places = append(places, place{line, "/mcp", ping, []string{line}, 401, "GH-1001"})
	}
	places = append(places,
		place{"a form", "/mcp", "access_token=" + s.key, []string{"Content-Type: application/x-www-form-urlencoded"}, 401, "GH-1001"},
		place{"the body", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"authorization":"Bearer ` + s.key + `"}}}`, nil, 401, "GH-1001"},
		place{"the path", "/mcp/" + s.key, ping, nil, 404, "GH-1305"},
		place{"the path alone", "/" + s.key, ping, nil, 404, "GH-1305"},
		place{"a matrix parameter", "/mcp;token=" + s.key, ping, nil, 400, "GH-1007"},
		place{"an unreadable query", "/mcp?access_token=" + s.key + ";x", ping, nil, 400, "GH-1007"},
		place{"user information", "http://" + s.key + "@" + s.address + "/mcp", ping, nil, 400, "GH-1007"},
	)
	for _, p := range places {
		for _, method := range []string{"POST", "GET"} {
			s.refuses(t, p.status, p.code, func() reply { return s.one(t, s.plain(method, p.target, p.body, p.lines...)) })
			if t.Failed() {
				t.Fatalf("%s in %s", method, p.name)
			}
		}
	}
	got := s.one(t, s.plain("POST", "/mcp", ping, s.bearer(), "Cookie: token="+s.key, "Referer: http://x/?"+s.key, "Proxy-Authorization: Bearer "+s.key, "Sec-WebSocket-Protocol: "+s.key))
	if got.status != http.StatusOK {
		t.Errorf("got %d, want 200: what is not looked at does no harm", got.status)
	}
	for _, q := range s.up.requests() {
		s.clean(t, "a request at the server", fmt.Sprint(q.request.RequestURI, q.request.Header, q.body))
	}
}

// outcome is a call with these lines beside it, as the server saw it.
func (s *siege) outcome(t *testing.T, session string, request func(lines ...string) string, lines ...string) (reply, *http.Request) {
	t.Helper()
	before := s.up.count()
	got := s.one(t, request(append(lines, s.bearer(), sessionHeader+": "+session)...))
	if got.status != http.StatusOK || s.up.count() != before+1 {
		t.Fatalf("%q: got %d %s and %d requests at the server, want 200 and one", lines, got.status, got.body, s.up.count()-before)
	}
	return got, s.up.requests()[before].request
}

// isOurs checks that a request at the server says what we say, once, and
// nothing but what a client may say.
func isOurs(t *testing.T, what any, got reply, q *http.Request) {
	t.Helper()
	for name, values := range q.Header {
		if !strings.HasPrefix(name, "Mcp-Param-") && !strings.Contains(" Accept Accept-Language Content-Type Content-Length User-Agent Last-Event-Id Mcp-Protocol-Version "+
			"Mcp-Method Mcp-Name Traceparent Tracestate X-Request-Id Mcp-Session-Id ", " "+name+" ") {
			t.Errorf("%q: got %s: %q at the server, want no such header", what, name, values)
		}
	}
	if id := q.Header["X-Request-Id"]; len(id) != 1 || id[0] != got.header.Get("X-Request-Id") {
		t.Errorf("%q: got request id %q at the server, want ours", what, id)
	}
	if id := q.Header[sessionHeader]; len(id) != 1 || id[0] != "session-1" {
		t.Errorf("%q: got session %q at the server, want the caller's", what, id)
	}
	if len(q.Trailer) != 0 || len(q.TransferEncoding) != 0 || q.Method != http.MethodPost || q.RequestURI != "/mcp" {
		t.Errorf("%q: got %s %s, %v, trailer %v, want a plain POST", what, q.Method, q.RequestURI, q.TransferEncoding, q.Trailer)
	}
}

func TestA128IdentitySpoofing(t *testing.T) {
	s := besiege(t, &stateful{})
	session := s.begin(t, s.key)
	post := func(lines ...string) string { return s.plain("POST", "/mcp", call("get_a"), lines...) }
	for _, line := range []string{
		"X-Gw-User: admin", "x-gw-user: admin", "X_Gw_User: admin", "X-User: admin", "X_User: admin", "Remote-User: admin", "X-Remote-User: admin", "X-Forwarded-User: admin",
		"X-Forwarded-Email: a@b", "X-Forwarded-Groups: root", "X-Forwarded-Preferred-Username: a", "X-Auth-Request-User: admin", "X-Webauth-User: admin", "X-Authenticated-User: admin",
		"X-Goog-Authenticated-User-Email: a", "Cf-Access-Jwt-Assertion: a", "X-Amzn-Oidc-Data: a", "X-Client-Cert: a", "SSL-Client-Cert: a", "X-Ms-Client-Principal: a", "Impersonate-User: a",
		"X-Request-Id: forged", "x-request-id: forged", "X_Request_Id: forged", "X-Request-Id: forged\r\nX-Request-ID: forged", "X-Correlation-Id: forged", "X-Gatehouse-Key: a",
		"Mcp_Session_Id: session-2", "MCP_SESSION_ID: session-2", "Mcp-Session_Id: session-2", "X-Mcp-Session-Id: session-2", "Mcp_Param_Region: a", "Mcp_Name: drop_b", "Mcp_Method: tools/list",
		"Cookie: session=1", "Set-Cookie: a=b", "Forwarded: for=admin", "Via: 1.1 x", "Server: x", "Origin_: x", "Authorization_: Bearer x", "Accept-Encoding: gzip", "Date: x", "If-None-Match: *",
	} {
		got, seen := s.outcome(t, session, post, line)
		isOurs(t, line, got, seen)
	}
	for _, line := range []string{"X-Request-Id : forged", "X-Request-Id\t: forged", "X‐Request‐Id: forged", "X Request Id: forged", "X-Request-Id\x00: forged", ": forged", "\x0bX-Request-Id: forged", "X-Request-Id: a\x00b", "no colon"} {
		s.stops(t, func() reply { return s.one(t, post(line, s.bearer(), sessionHeader+": "+session)) }, http.StatusBadRequest)
		if t.Failed() {
			t.Fatalf("line %q", line)
		}
	}
	const trailer = "X-Request-Id: forged\r\nMcp-Session-Id: session-2\r\nX-User: admin\r\nAuthorization: Bearer x\r\nContent-Length: 1\r\n\r\n"
	for _, declared := range []string{"Trailer: X-Request-Id, Mcp-Session-Id, X-User, Authorization", "X-None: 1"} {
		got, seen := s.outcome(t, session, func(lines ...string) string {
			return s.plain("POST", "/mcp", fmt.Sprintf("%x\r\n%s\r\n0\r\n%s", len(call("get_a")), call("get_a"), trailer), append(lines, declared, "Transfer-Encoding: chunked")...)
		})
		isOurs(t, declared, got, seen)
	}
	late := fmt.Sprintf("%x\r\n%s\r\n0\r\n%s\r\n\r\n", len(ping), ping, s.bearer())
	s.refuses(t, http.StatusUnauthorized, "GH-1001", func() reply {
		return s.one(t, s.plain("POST", "/mcp", late, "Transfer-Encoding: chunked", "Trailer: Authorization"))
	})
}

func TestA129HopByHop(t *testing.T) {
	s := besiege(t, &stateful{})
	session := s.begin(t, s.key)
	post := func(lines ...string) string { return s.plain("POST", "/mcp", call("get_a"), lines...) }
	for _, line := range []string{
		"Connection: X-Request-Id, Mcp-Session-Id, close", "Connection: Authorization, Content-Type, Content-Length, Host, close", "Connection: close, X-Request-Id\r\nConnection: Mcp-Session-Id",
		"connection: x-request-id,mcp-session-id,close", "Proxy-Connection: X-Request-Id", "Connection: close\r\nKeep-Alive: timeout=1", "TE: trailers, deflate", "Connection: close, TE\r\nTE: trailers",
		"Connection: close, Upgrade\r\nUpgrade: h2c", "Connection: close\r\nTrailer: X-Request-Id", "Proxy-Authenticate: x\r\nProxy-Authorization: Basic x", "Max-Forwards: 0", "Connection: ,,,close,,",
	} {
		got, seen := s.outcome(t, session, post, line)
		isOurs(t, line, got, seen)
		if kind := seen.Header.Get("Content-Type"); kind != "application/json" || seen.ContentLength != int64(len(call("get_a"))) {
			t.Errorf("%q: got %s of %d bytes at the server, want the call", line, kind, seen.ContentLength)
		}
	}
}

// Nobody before us is trusted to say where a request came from or went to.
func TestA130ForwardedHeaders(t *testing.T) {
	s := besiege(t, &stateful{})
	restricted := func(network string) string {
		_, text, err := s.keys.Create(t.Context(), s.tenant, apikey.Spec{Name: "net", Tools: []string{"*"}, Networks: []netip.Prefix{netip.MustParsePrefix(network)}})
		if err != nil {
			t.Fatal(err)
		}
		return "Authorization: Bearer " + text.Reveal()
	}
	far, near := restricted("192.0.2.0/24"), restricted("127.0.0.0/8")
	session := s.begin(t, s.key)
	post := func(lines ...string) string { return s.plain("POST", "/mcp", call("get_a"), lines...) }
	for _, line := range []string{
		"X-Forwarded-For: 192.0.2.7", "X-Forwarded-For: " + strings.Repeat("192.0.2.7, ", 100) + "192.0.2.8", "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: 192.0.2.7", "X-Real-IP: 192.0.2.7",
		"True-Client-IP: 192.0.2.7", "CF-Connecting-IP: 192.0.2.7", "X-Client-IP: 192.0.2.7", "X-Cluster-Client-IP: 192.0.2.7", "Forwarded: for=192.0.2.7;host=evil.test;proto=https", "Fly-Client-IP: 192.0.2.7",
		"X-Forwarded-Host: evil.test", "X-Forwarded-Proto: https", "X-Forwarded-Port: 443", "X-Forwarded-Uri: /other", "X-Forwarded-Prefix: /admin", "X-Forwarded-Method: GET", "X-Forwarded-Server: evil.test",
		"X-Original-URL: /admin", "X-Rewrite-URL: /admin", "X-Original-Method: DELETE", "X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE", "X-Host: evil.test", "X-Forwarded-Scheme: https",
	} {
		mark := s.log.size()
		got, seen := s.outcome(t, session, post, line)
		isOurs(t, line, got, seen)
		s.refuses(t, http.StatusUnauthorized, "GH-1011", func() reply { return s.one(t, s.plain("POST", "/mcp", ping, far, line)) })
		if got := s.one(t, s.plain("POST", "/mcp", ping, near, line)); got.status != http.StatusOK {
			t.Errorf("%s: got %d for a key of this network, want 200", line, got.status)
		}
		if log := s.log.since(mark); strings.Contains(log, "192.0.2.7") || !strings.Contains(log, `"address":"127.0.0.1"`) {
			t.Errorf("%s: got %s in the log, want the address of the connection", line, log)
		}
	}
	s.refuses(t, http.StatusNotFound, "GH-1305", func() reply {
		return s.one(t, s.plain("POST", "/other", ping, s.bearer(), "X-Original-URL: /mcp", "X-Rewrite-URL: /mcp"))
	})
	s.refuses(t, http.StatusForbidden, "GH-1006", func() reply {
		return s.one(t, s.plain("POST", "/mcp", ping, s.bearer(), "Origin: http://evil.test", "X-Forwarded-Host: evil.test", "X-Forwarded-Proto: http"))
	})
}
