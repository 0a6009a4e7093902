package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// ticking answers calls, and opens streams on which it ticks.
func ticking(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for r.Context().Err() == nil {
		_, _ = io.WriteString(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\n")
		_ = http.NewResponseController(w).Flush()
		time.Sleep(10 * time.Millisecond)
	}
}

// changing is a server whose configuration a test can change.
type changing struct {
	*Running
	t    *testing.T
	next atomic.Pointer[config.Config]
	key  string
}

func reloadable(t *testing.T, url string, edits ...func(*config.Config)) *changing {
	t.Helper()
	s := over(t, url)
	for _, edit := range edits {
		edit(s.Config)
	}
	c := &changing{t: t}
	s.Load = func(context.Context) (*config.Config, error) {
		next := c.next.Load()
		if next == nil {
			return nil, config.Mistakes{{Code: "GH-2001", Text: "a mistake in the file"}}
		}
		return next, nil
	}
	c.Running = started(t, s)
	c.key = newKey(t, c.Running).Key
	return c
}

// change reloads a changed copy of the configuration in force.
func (c *changing) change(edit func(*config.Config)) error {
	c.t.Helper()
	next := *c.current.Load().config
	next.Servers = append([]config.Upstream(nil), next.Servers...)
	edit(&next)
	next.Complete()
	c.next.Store(&next)
	_, err := c.Reload(c.t.Context(), "test")
	return err
}

// changed is change that has to work.
func (c *changing) changed(edit func(*config.Config)) {
	c.t.Helper()
	if err := c.change(edit); err != nil {
		c.t.Fatal(err)
	}
}

// listen opens a stream and returns its lines; nil once it has ended.
func (c *changing) listen() *bufio.Reader {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.URL, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+c.key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		c.t.Fatalf("got %d, want a stream", res.StatusCode)
	}
	return bufio.NewReader(res.Body)
}

// lives wants another event on a stream.
func (c *changing) lives(stream *bufio.Reader) {
	c.t.Helper()
	for range 20 { // what was on its way before
		if _, err := stream.ReadString('\n'); err != nil {
			c.t.Fatalf("the stream has ended: %v", err)
		}
	}
}

// ends wants a stream to end within a second.
func (c *changing) ends(stream *bufio.Reader) {
	c.t.Helper()
	over := make(chan struct{})
	go func() { defer close(over); _, _ = io.Copy(io.Discard, stream) }()
	select {
	case <-over:
	case <-time.After(time.Second + 5*time.Second): // for a busy machine
		c.t.Error("the stream is still open")
	}
}

// use calls a tool and returns the status.
func (c *changing) use(tool string) int {
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q}}`, tool)
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.URL, strings.NewReader(body))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Authorization", "Bearer "+c.key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode
}

func deny(tools ...string) func(*config.Config) {
	return func(c *config.Config) {
		c.Policy = config.Policy{Default: config.Allow, Rules: []config.Rule{{Name: "no", Tools: tools, Effect: config.Deny}}}
	}
}

func TestReloadDropsNoStream(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(ticking))
	t.Cleanup(up.Close)
	c := reloadable(t, up.URL+"/mcp")
	stream := c.listen()
	c.lives(stream)
	for i := range 5 {
		c.changed(func(n *config.Config) {
			n.Limits.Concurrent.PerKey = 10 + i
			n.Server.MaxBody = int64(1<<20 + i)
			deny(fmt.Sprintf("tool_%d", i))(n)
		})
		c.lives(stream)
	}
	c.next.Store(nil)
	if _, err := c.Reload(t.Context(), "test"); err == nil {
		t.Error("a broken file was loaded")
	}
	c.lives(stream)
	if _, warnings := c.health(); len(warnings) != 1 || !strings.Contains(warnings[0], "a mistake in the file") {
		t.Errorf("got %q, want the mistake", warnings)
	}
	if got := c.use("tool_4"); got != http.StatusForbidden {
		t.Errorf("got %d by the rules before the broken file, want 403", got)
	}
}

func TestReloadEndsWhatIsNoLongerAllowed(t *testing.T) {
	for name, edit := range map[string]func(*config.Config){
		"a tenant that the server no longer admits": func(n *config.Config) { n.Servers[0].Tenants = []string{"acme"} },
		"a server that is gone":                     func(n *config.Config) { n.Servers[0].Name = "another"; n.Servers[0].Path = "/another" },
	} {
		t.Run(name, func(t *testing.T) {
			up := httptest.NewServer(http.HandlerFunc(ticking))
			t.Cleanup(up.Close)
			c := reloadable(t, up.URL+"/mcp")
			stream := c.listen()
			c.changed(edit)
			c.ends(stream)
			if got := c.use("echo"); got != http.StatusForbidden && got != http.StatusNotFound {
				t.Errorf("got %d afterwards, want 403 or 404", got)
			}
		})
	}
}

func TestReloadGivesStreamsOfAMovedServerTheirGrace(t *testing.T) {
	first, second := httptest.NewServer(http.HandlerFunc(ticking)), httptest.NewServer(http.HandlerFunc(ticking))
	t.Cleanup(first.Close)
	t.Cleanup(second.Close)
	c := reloadable(t, first.URL+"/mcp", func(n *config.Config) { n.Server.ShutdownGrace = 300 * time.Millisecond })
	stream := c.listen()
	c.changed(func(n *config.Config) { n.Servers[0].URL = second.URL + "/mcp" })
	c.lives(stream)
	if got := c.use("echo"); got != http.StatusOK {
		t.Errorf("got %d at the new place, want 200", got)
	}
	c.changed(deny("echo")) // holds for what is still at the old place too
	if got := c.use("echo"); got != http.StatusForbidden {
		t.Errorf("got %d, want 403", got)
	}
	c.ends(stream)
}

// TestA156NoCallIsJudgedByOldRules has callers at work while rules change back
// and forth: once a reload has returned, nobody gets by what it forbids.
func TestA156NoCallIsJudgedByOldRules(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(ticking))
	t.Cleanup(up.Close)
	c := reloadable(t, up.URL+"/mcp")
	var phase atomic.Int64 // odd from the end of a reload that forbids to the beginning of one that allows
	var work sync.WaitGroup
	stop := make(chan struct{})
	for range 8 {
		work.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				before := phase.Load()
				status := c.use("danger")
				if before%2 == 1 && phase.Load() == before && status == http.StatusOK {
					t.Error("a call was let through by rules that no longer hold")
				}
			}
		})
	}
	for range 60 {
		c.changed(deny("danger"))
		phase.Add(1)
		time.Sleep(2 * time.Millisecond)
		phase.Add(1)
		c.changed(deny("other"))
	}
	close(stop)
	work.Wait()
}

// TestReloadSaysInItsOwnWordsThatAFileIsGone has the admin door tell it too.
func TestReloadSaysInItsOwnWordsThatAFileIsGone(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(ticking))
	t.Cleanup(up.Close)
	c := reloadable(t, up.URL+"/mcp")
	c.Running.server.Load = func(context.Context) (*config.Config, error) {
		return config.Load("/no/such/file.yaml", config.Outside{})
	}
	_, err := (&adminapi.Client{Transport: c.Admin}).ReloadConfiguration(t.Context())
	var refused *adminapi.Error
	if !errors.As(err, &refused) || refused.Code != "GH-2001" || !strings.Contains(refused.Message, "/no/such/file.yaml") {
		t.Errorf("got %v, want GH-2001 with the file's name", err)
	}
}

func TestReloadRefusesWhatNeedsARestart(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(ticking))
	t.Cleanup(up.Close)
	c := reloadable(t, up.URL+"/mcp")
	stream := c.listen()
	for name, edit := range map[string]func(*config.Config){
		"store":           func(n *config.Config) { n.Store.SQLite = "/elsewhere/gatehouse.db" },
		"auth.dpop_nonce": func(n *config.Config) { n.Auth.DPoPNonce = !n.Auth.DPoPNonce },
		"admin":           func(n *config.Config) { n.Admin.Listen = "127.0.0.1:0" },
		"audit.file":      func(n *config.Config) { n.Audit.File = "/elsewhere/audit.jsonl" },
		"server.listen":   func(n *config.Config) { n.Server.Listen = "127.0.0.1:1" },
		"a server that fails": func(n *config.Config) {
			n.Servers[0] = config.Upstream{Name: "x", Stdio: &config.Stdio{Command: []string{"/no/such/program"}}}
		},
	} {
		var refused *adminapi.Error
		var mistakes config.Mistakes
		err := c.change(edit)
		if !errors.As(err, &refused) && !errors.As(err, &mistakes) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
		c.lives(stream)
		if got := c.use("echo"); got != http.StatusOK {
			t.Errorf("%s: got %d afterwards, want 200", name, got)
		}
	}
}

func TestA171NothingIsReloadedUnwritten(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(ticking))
	t.Cleanup(up.Close)
	c := reloadable(t, up.URL+"/mcp")
	if err := c.Trail.Close(); err != nil {
		t.Fatal(err)
	}
	var refused *adminapi.Error
	if err := c.change(deny("echo")); !errors.As(err, &refused) || refused.Code != "GH-1903" {
		t.Errorf("got %v, want GH-1903", err)
	}
	if got := c.current.Load().config.Policy.Rules; got != nil {
		t.Errorf("got %v in force, want nothing changed", got)
	}
	if blocking, _ := c.health(); len(blocking) == 0 {
		t.Error("it says that it is ready")
	}
	if err := c.Close(); !errors.Is(err, audit.ErrUnwritable) {
		t.Errorf("got %v, want it said that the end is not on record", err)
	}
}
