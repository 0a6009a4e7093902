package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// TestReloadReachesServersThatAreLeaving takes rights away while the streams of a
// server that has moved still have their grace.
func TestReloadReachesServersThatAreLeaving(t *testing.T) {
	for name, edit := range map[string]func(*config.Config){
		"a tenant that is no longer admitted": func(n *config.Config) { n.Servers[0].Tenants = []string{"acme"} },
		"a server that is gone":               func(n *config.Config) { n.Servers[0].Name = "another" },
	} {
		t.Run(name, func(t *testing.T) {
			first, second := httptest.NewServer(http.HandlerFunc(ticking)), httptest.NewServer(http.HandlerFunc(ticking))
			t.Cleanup(first.Close)
			t.Cleanup(second.Close)
			c := reloadable(t, first.URL+"/mcp", func(n *config.Config) { n.Server.ShutdownGrace = 20 * time.Second })
			stream := c.listen()
			c.changed(func(n *config.Config) { n.Servers[0].URL = second.URL + "/mcp" })
			c.lives(stream)
			c.changed(edit)
			c.ends(stream)
		})
	}
}

// TestCloseTellsServersThatAreLeaving wants streams told at once, also those that
// still have the grace of a reload.
func TestCloseTellsServersThatAreLeaving(t *testing.T) {
	first, second := httptest.NewServer(http.HandlerFunc(ticking)), httptest.NewServer(http.HandlerFunc(ticking))
	t.Cleanup(first.Close)
	t.Cleanup(second.Close)
	c := reloadable(t, first.URL+"/mcp", func(n *config.Config) { n.Server.ShutdownGrace = 20 * time.Second })
	stream := c.listen()
	c.changed(func(n *config.Config) { n.Servers[0].URL = second.URL + "/mcp" })
	c.lives(stream)
	began := time.Now()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v, want the stream told at once", took)
	}
}

// TestNothingIsPutInForceAfterAStop stops while a file is being read.
func TestNothingIsPutInForceAfterAStop(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(ticking))
	t.Cleanup(up.Close)
	c := reloadable(t, up.URL+"/mcp")
	reading, read := make(chan struct{}), make(chan struct{})
	next := *c.current.Load().config
	next.Servers = []config.Upstream{{Name: "another", Path: "/mcp", URL: up.URL + "/mcp"}}
	c.Running.server.Load = func(context.Context) (*config.Config, error) {
		close(reading)
		<-read
		return &next, nil
	}
	before := c.current.Load()
	reloaded, closed := make(chan error, 1), make(chan error, 1)
	go func() { _, err := c.Reload(context.Background(), "test"); reloaded <- err }()
	<-reading
	go func() { closed <- c.Close() }()
	for !c.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	close(read)
	if err := <-reloaded; err == nil {
		t.Error("it was reloaded")
	}
	if c.current.Load() != before {
		t.Error("another configuration is in force after the stop")
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestReloadRefusesWhatItWouldNotObey changes what is read once, when the state is opened.
func TestReloadRefusesWhatItWouldNotObey(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(ticking))
	t.Cleanup(up.Close)
	c := reloadable(t, up.URL+"/mcp")
	for name, edit := range map[string]func(*config.Config){
		"the pepper":         func(n *config.Config) { n.Auth.APIKeys = &config.APIKeys{Pepper: "0123456789abcdef0123456789abcdef"} },
		"the encryption key": func(n *config.Config) { n.Store.EncryptionKey = "x" },
	} {
		if err := c.change(edit); err == nil {
			t.Errorf("%s: got a reload that changes nothing", name)
		}
	}
}

// TestAReloadIsOnRecordAlthoughItsCallerLeft wants the end of a reload in the trail.
func TestAReloadIsOnRecordAlthoughItsCallerLeft(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(ticking))
	t.Cleanup(up.Close)
	c := reloadable(t, up.URL+"/mcp")
	next := *c.current.Load().config
	ctx, leave := context.WithCancel(t.Context())
	c.Running.server.Load = func(context.Context) (*config.Config, error) { leave(); return &next, nil }
	if _, err := c.Reload(ctx, "test"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(c.State.Dir, config.AuditFile))
	if err != nil {
		t.Fatal(err)
	}
	if n := countOf(string(text), `"config.reload"`, `"phase":"`+audit.Result+`"`); n != 1 {
		t.Errorf("got %d results of a reload in the trail, want one", n)
	}
}

// countOf counts the lines that have all the parts.
func countOf(text string, parts ...string) (n int) {
lines:
	for line := range strings.Lines(text) {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				continue lines
			}
		}
		n++
	}
	return n
}
