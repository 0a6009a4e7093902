package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// limited has every limit on, each small.
const limited = `version: 1
server:
  public_url: https://mcp.test
  listen: 127.0.0.1:0
  tls: {files: {cert: DIR/cert.pem, key: DIR/key.pem}}
  trusted_proxies: [127.0.0.2]
servers:
  - {name: front, path: /mcp, sse: /sse, url: "UPSTREAM/mcp"}
  - {name: twin, path: /twin, url: "UPSTREAM/twin"}
auth: {api_keys: {}}
policy: {default: allow}
limits:
  per_key: 10/min
  per_tenant: 60/min
  per_address: 40/min
  per_tool: {"slow_*": 3/min}
  failed_auth: {per_ip: 20/min, ban: 1h}
store: {sqlite: DIR/state/gatehouse.db}
admin: {listen: 127.0.0.1:0}
`

// dodge is a way to call more often than is allowed. Its caller has a tenant,
// a key and an address of its own.
type dodge struct {
	*production
	t     *testing.T
	key   string
	id    string
	local string
	began time.Time
	mu    sync.Mutex
	took  int // calls that were let through
	last  got // that was not
}

// call sends a request and counts it when it got through.
func (d *dodge) call(c *http.Client, method, path, body string, headers ...string) got {
	g := d.ask(c, method, "https://mcp.test"+path, body, headers...)
	d.mu.Lock()
	defer d.mu.Unlock()
	if g.status != http.StatusTooManyRequests {
		d.took++
	} else {
		d.last = g
	}
	return g
}

const pingBody = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

// way is one of them.
type way struct {
	name  string
	limit int
	every time.Duration // one more comes back
	try   func(d *dodge)
}

// waysToLookLikeAnother change what does not make a caller another one.
func waysToLookLikeAnother() []way {
	return []way{
		{"plain", 10, 6 * time.Second, func(d *dodge) {
			for range 30 {
				d.call(d.client(d.from(d.local)), "POST", "/mcp", toolsList, modern(d.key)...)
			}
		}},
		{"an address each, as a stranger says", 10, 6 * time.Second, func(d *dodge) {
			c := d.client(d.from(d.local))
			for i := range 30 {
				d.call(c, "POST", "/mcp", toolsList, append(modern(d.key), fmt.Sprintf("X-Forwarded-For: 203.0.113.%d", i), fmt.Sprintf("Forwarded: for=203.0.113.%d", i))...)
			}
		}},
		{"an address each, as the proxy says", 10, 6 * time.Second, func(d *dodge) {
			c := d.client(d.from("127.0.0.2"))
			for i := range 30 {
				d.call(c, "POST", "/mcp", toolsList, append(modern(d.key), fmt.Sprintf("X-Forwarded-For: 198.51.100.%d", i))...)
			}
		}},
		{"paths, queries and letters", 10, 6 * time.Second, func(d *dodge) {
			c := d.client(d.from(d.local))
			for i := range 10 {
				d.call(c, "POST", "/mcp/", toolsList, modern(d.key)...)
				d.call(c, "POST", fmt.Sprintf("/mcp?x=%d", i), toolsList, modern(d.key)...)
				d.call(c, "POST", "/twin", toolsList, "X-API-Key: "+d.key, "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/list")
				d.call(c, "POST", "/mcp", toolsList, "authorization: bEARER  "+d.key, "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/list")
			}
		}},
		{"_meta, ids, names and agents", 10, 6 * time.Second, func(d *dodge) {
			c := d.client(d.from(d.local))
			for i := range 30 {
				body := strings.Replace(strings.Replace(toolsList, `"name":"t"`, fmt.Sprintf(`"name":"t%d"`, i), 1), `"_meta":{`, fmt.Sprintf(`"_meta":{"progressToken":%d,`, i), 1)
				d.call(c, "POST", "/mcp", body, append(modern(d.key), fmt.Sprintf("User-Agent: a/%d", i), fmt.Sprintf("X-Request-Id: %d", i))...)
			}
		}},
		{"64 at once over one connection of HTTP/2", 10, 6 * time.Second, func(d *dodge) {
			c := d.client(d.from(d.local))
			together(64, func(int) { d.call(c, "POST", "/mcp", toolsList, modern(d.key)...) })
		}},
		{"64 at once, a connection each", 10, 6 * time.Second, func(d *dodge) {
			together(64, func(int) { d.call(d.client(d.from(d.local), alone), "POST", "/mcp", toolsList, modern(d.key)...) })
		}},
	}
}

// waysByTheProtocol put calls where they might not be counted.
func waysByTheProtocol() []way {
	return []way{
		{"batches", 0, 6 * time.Second, func(d *dodge) { // more at once than ever fit
			c := d.client(d.from(d.local))
			for range 5 {
				var all []string
				for i := range 16 {
					all = append(all, strings.Replace(pingBody, "1,", fmt.Sprintf("%d,", i), 1))
				}
				d.call(c, "POST", "/mcp", "["+strings.Join(all, ",")+"]", "Authorization: Bearer "+d.key, "Mcp-Protocol-Version: 2025-03-26")
			}
		}},
		{"small batches", 3, 18 * time.Second, func(d *dodge) {
			c := d.client(d.from(d.local))
			for range 20 {
				d.call(c, "POST", "/mcp", "["+pingBody+","+strings.Replace(pingBody, "1,", "2,", 1)+","+strings.Replace(pingBody, "1,", "3,", 1)+"]", "Authorization: Bearer "+d.key, "Mcp-Protocol-Version: 2025-03-26")
			}
		}},
		{"GET and DELETE", 10, 6 * time.Second, func(d *dodge) {
			c := d.client(d.from(d.local))
			for range 15 {
				d.call(c, "GET", "/mcp", "", append([]string{"Mcp-Protocol-Version: 2025-11-25"}, "Authorization: Bearer "+d.key, "Accept: text/event-stream")...)
				d.call(c, "DELETE", "/twin", "", append([]string{"Mcp-Protocol-Version: 2025-11-25"}, "Authorization: Bearer "+d.key)...)
			}
		}},
		{"messages of the older door", 10, 6 * time.Second, func(d *dodge) {
			c := d.client(d.from(d.local))
			s := d.stream(d.t, c, d.key)
			d.took = 1 // the stream
			for range 30 {
				if g := d.ask(c, "POST", "https://mcp.test"+s.endpoint, pingBody, "Authorization: Bearer "+d.key); g.status != http.StatusAccepted {
					d.t.Errorf("got %d %s, want 202", g.status, g.body)
				}
			}
			eventually(d.t, "30 answers", func() bool { return strings.Count(s.String(), `"id":1`) == 30 })
			d.took += strings.Count(s.String(), `"result"`)
		}},
		{"a tool, however it is written", 3, 20 * time.Second, func(d *dodge) {
			c := d.client(d.from(d.local))
			for i := range 3 {
				d.call(c, "POST", "/mcp", toolCall("slow_a", `{}`), toolHeaders(d.key, "slow_a")...)
				d.call(c, "POST", "/mcp", strings.Replace(toolCall("slow_a", `{}`), `"slow_a"`, `"\u0073low_a"`, 1), toolHeaders(d.key, "slow_a")...)
				d.call(c, "POST", "/mcp", toolCall(fmt.Sprintf("slow_%d", i), `{}`), toolHeaders(d.key, fmt.Sprintf("slow_%d", i))...)
			}
		}},
	}
}

// waysByOtherKeys have more than one key at hand.
func waysByOtherKeys() []way {
	return []way{
		{"the key after it", 10, 6 * time.Second, func(d *dodge) {
			c := d.client(d.from(d.local))
			for range 4 {
				for range 8 {
					d.call(c, "POST", "/mcp", toolsList, modern(d.key)...)
				}
				var next struct{ ID, Key string }
				if err := json.Unmarshal([]byte(d.run("key", "rotate", d.id, "--overlap", "1h", "--json")), &next); err != nil {
					d.t.Fatal(err)
				}
				d.id, d.key = next.ID, next.Key
			}
		}},
		{"other keys of the tenant", 60, time.Second, func(d *dodge) {
			for i := range 10 {
				_, key := d.production.key("--name", fmt.Sprintf("k%d", i), "--tenant", d.tenant())
				for j := range 12 {
					d.call(d.client(d.from(fmt.Sprintf("127.9.%d.%d", i, j+1)), alone), "POST", "/mcp", toolsList, modern(key)...)
				}
			}
		}},
		{"keys of many tenants from one address", 40, 1500 * time.Millisecond, func(d *dodge) {
			c := d.client(d.from(d.local))
			for i := range 8 {
				d.run("tenant", "create", fmt.Sprintf("%s-%d", d.tenant(), i))
				_, key := d.production.key("--name", "k", "--tenant", fmt.Sprintf("%s-%d", d.tenant(), i))
				for range 9 {
					d.call(c, "POST", "/mcp", toolsList, modern(key)...)
				}
			}
		}},
		{"keys of many tenants from one /64", 40, 1500 * time.Millisecond, func(d *dodge) {
			c := d.client(d.from("127.0.0.2"))
			for i := range 8 {
				d.run("tenant", "create", fmt.Sprintf("%s-%d", d.tenant(), i))
				_, key := d.production.key("--name", "k", "--tenant", fmt.Sprintf("%s-%d", d.tenant(), i))
				for j := range 9 {
					d.call(c, "POST", "/mcp", toolsList, append(modern(key), fmt.Sprintf("X-Forwarded-For: 2001:db8:1:2:%x::%x", i, j))...)
				}
			}
		}},
	}
}

// TestA162NoWayAroundTheLimits tries to call more often than is allowed, by
// every way that looks like somebody or something else.
func TestA162NoWayAroundTheLimits(t *testing.T) {
	t.Parallel()
	up := newDouble(t, nil)
	p := serve(t, strings.ReplaceAll(limited, "UPSTREAM", up.URL))
	ways := slices.Concat(waysToLookLikeAnother(), waysByTheProtocol(), waysByOtherKeys())
	for i, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			d := &dodge{production: p, t: t, local: fmt.Sprintf("127.0.1.%d", i+1)}
			p.run("tenant", "create", fmt.Sprintf("w%d", i))
			d.id, d.key = p.key("--name", "dodge", "--tenant", fmt.Sprintf("w%d", i))
			before := up.count()
			d.began = time.Now()
			w.try(d)
			if room := w.limit + 1 + int(time.Since(d.began)/w.every); d.took > room || d.took < w.limit {
				t.Errorf("got %d calls through, want %d", d.took, w.limit)
			}
			if h := d.last.header; h != nil && (h.Get("Retry-After") == "" || !strings.Contains(d.last.body, "GH-1501")) {
				t.Errorf("got %v %s, want Retry-After and GH-1501", h, d.last.body)
			}
			if n := up.count() - before; n > d.took+3 { // the ends of streams and sessions are told too
				t.Errorf("got %d requests at the server, want at most the %d that got through", n, d.took)
			}
		})
	}
	t.Run("an address of a /64 that is banned", func(t *testing.T) { bansA64(t, p) })
}

func (d *dodge) tenant() string {
	_, name, _ := strings.Cut(d.local, "127.0.1.")
	var i int
	_, _ = fmt.Sscan(name, &i)
	return fmt.Sprintf("w%d", i-1)
}

// together runs n at once.
func together(n int, do func(i int)) {
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		all.Go(func() { <-begin; do(i) })
	}
	close(begin)
	all.Wait()
}

func bansA64(t *testing.T, p *production) {
	c := p.client(p.from("127.0.0.2"))
	n, began := 0, time.Now()
	for i := range 60 {
		got := p.ask(c, "POST", "https://mcp.test/mcp", toolsList, append(modern("gthk_000000000000_"+strings.Repeat("0", 49)), fmt.Sprintf("X-Forwarded-For: 2001:db8:7:7:%x::1", i))...)
		if got.status == http.StatusUnauthorized {
			n++
		}
	}
	if back := int(time.Since(began) / (3 * time.Second)); n < 20 || n > 21+back {
		t.Errorf("got %d of 60 attempts from one /64 judged, want 20", n)
	}
}
