package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// upstreams asks the servers behind as a stranger would, who goes around us.
var upstreams = Check{"upstreams", "whether the servers behind answer, speak MCP, and are reached without us", func(ctx context.Context, m *Machine, r *report) {
	if r.noFile(m) {
		return
	}
	type server struct {
		name, url string
		of        *config.Upstream
	}
	var all []server
	for i := range m.Config.Servers {
		if u := &m.Config.Servers[i]; u.URL != "" {
			all = append(all, server{u.Name, u.URL, u})
		}
	}
	for tenant, url := range m.Config.Tenants.Upstream {
		all = append(all, server{"of tenant " + tenant, url, nil})
	}
	slices.SortFunc(all, func(a, b server) int { return strings.Compare(a.name, b.name) })
	seen := make([]meeting, len(all))
	var each sync.WaitGroup
	for i, s := range all {
		sse := s.of != nil && s.of.Transport == config.TransportSSE
		each.Go(func() { seen[i] = m.meet(ctx, s.url, sse) })
	}
	each.Wait()
	for i, s := range all {
		judgeUpstream(r, s.name, s.url, s.of, seen[i])
	}
	if len(all) == 0 {
		r.ok("no server is reached over HTTP")
	}
}}

// meeting is how a server met a stranger.
type meeting struct {
	status int
	served bool // it answered as MCP, without a credential
	kind   string
	err    error
}

func judgeUpstream(r *report, name, url string, u *config.Upstream, at meeting) {
	place := shown(url)
	loopback := config.Loopback(hostOf(url))
	switch {
	case at.err != nil:
		r.fail("GH-2417", "start it, or correct its url", "%s: %s does not answer: %s", name, place, bare(at.err))
	case at.status == http.StatusUnauthorized || at.status == http.StatusForbidden:
		if u != nil && u.Forward.Authorization == "" && u.Forward.UpstreamToken == "" && u.Forward.Identity == config.IdentityNone {
			r.warn("GH-2417", "give it one: servers[].forward.authorization, or forward.identity: jwt if it verifies that", "%s: %s asks for a credential (%d), and gatehouse sends none", name, place, at.status)
			return
		}
		r.ok("%s: %s answers, and asks for a credential of its own", name, place)
	case at.served && loopback:
		r.ok("%s: %s answers and speaks MCP; only this machine reaches it", name, place)
	case at.served:
		r.fail("GH-2110", "bind it to localhost, use a network policy, or have it verify X-Gatehouse-Identity", "%s: %s answers %d without a credential. Anyone on that network bypasses gatehouse", name, place, at.status)
	case at.status >= 300 && at.status < 400:
		r.fail("GH-2417", "correct its url: gatehouse follows no redirect", "%s: %s redirects elsewhere (%d)", name, place, at.status)
	default:
		r.fail("GH-2417", "correct its url: the path of most servers is /mcp", "%s: %s does not speak MCP (status %d, %s)", name, place, at.status, at.kind)
	}
}

// meet asks in both eras, and as the first to say something tells it.
func (m *Machine) meet(ctx context.Context, url string, sse bool) (out meeting) {
	if sse {
		return m.meetEvents(ctx, url)
	}
	for _, version := range []string{mcp.Version20260728, mcp.Version20251125} {
		out = m.ask(ctx, url, version)
		if out.err != nil || out.served || out.status == http.StatusUnauthorized || out.status == http.StatusForbidden {
			return out
		}
	}
	return out
}

var self = map[string]string{"name": "gatehouse-doctor", "version": "1"}

// ask sends what a stranger would begin with in an era.
func (m *Machine) ask(ctx context.Context, url, version string) meeting {
	method, params := "initialize", map[string]any{"protocolVersion": version, "capabilities": map[string]any{}, "clientInfo": self}
	if version == mcp.Version20260728 {
		method, params = "tools/list", map[string]any{"_meta": map[string]any{
			"io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientInfo": self,
			"io.modelcontextprotocol/clientCapabilities": map[string]any{},
		}}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": "doctor", "method": method, "params": params})
	if err != nil {
		return meeting{err: err}
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return meeting{err: err}
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Accept", "application/json, text/event-stream")
	q.Header.Set("Mcp-Protocol-Version", version)
	if version == mcp.Version20260728 {
		q.Header.Set("Mcp-Method", method)
	}
	client := direct(m.Roots)
	res, err := client.Do(q)
	if err != nil {
		return meeting{err: err}
	}
	defer func() { _ = res.Body.Close() }() // it was only read
	out := meeting{status: res.StatusCode, kind: kindOf(res)}
	out.served = res.StatusCode == http.StatusOK && answers(res, out.kind)
	if session := res.Header.Get("Mcp-Session-Id"); session != "" {
		m.leave(ctx, client, url, session, version)
	}
	return out
}

// answers says whether our own question was answered, or refused as JSON-RPC does.
func answers(res *http.Response, kind string) bool {
	text := io.LimitReader(res.Body, maxAnswer)
	if kind != "text/event-stream" {
		body, err := io.ReadAll(text)
		return err == nil && isAnswer(body)
	}
	events := mcp.NewEventReader(text, maxAnswer)
	for {
		e, err := events.Next()
		if err != nil {
			return false
		}
		if isAnswer(e.Data) {
			return true
		}
	}
}

func isAnswer(body []byte) bool {
	e, err := mcp.Peek(body)
	return err == nil && e.Kind == mcp.Response && e.Error == nil && string(e.ID) == `"doctor"`
}

// leave ends the session that a server of the older era began for us.
func (m *Machine) leave(ctx context.Context, client *http.Client, url, session, version string) {
	q, err := http.NewRequestWithContext(ctx, http.MethodDelete, url, nil)
	if err != nil {
		return
	}
	q.Header.Set("Mcp-Session-Id", session)
	q.Header.Set("Mcp-Protocol-Version", version)
	if res, err := client.Do(q); err == nil {
		_ = res.Body.Close() // one that cannot will forget it by itself
	}
}

// meetEvents opens the stream of a server of 2024-11-05.
func (m *Machine) meetEvents(ctx context.Context, url string) meeting {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return meeting{err: err}
	}
	q.Header.Set("Accept", "text/event-stream")
	res, err := direct(m.Roots).Do(q)
	if err != nil {
		return meeting{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	out := meeting{status: res.StatusCode, kind: kindOf(res)}
	if out.kind == "text/event-stream" && res.StatusCode == http.StatusOK {
		e, err := mcp.NewEventReader(io.LimitReader(res.Body, maxAnswer), maxAnswer).Next()
		out.served = err == nil && len(e.Data) > 0
	}
	return out
}

func kindOf(res *http.Response) string {
	kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil {
		return "no content type"
	}
	return fmt.Sprintf("%.60s", kind)
}
