package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// over returns a server over a new state, in front of an MCP server at url.
func over(t *testing.T, url string) *Server {
	t.Helper()
	return &Server{
		Config: &config.Config{
			Server: config.Server{Listen: "127.0.0.1:0", ShutdownGrace: time.Second}, Auth: config.Auth{APIKeys: &config.APIKeys{}}, Policy: config.Policy{Default: config.Allow},
			Servers: []config.Upstream{{Name: "test", URL: url}},
		},
		State:   State{Dir: filepath.Join(t.TempDir(), "state")},
		Options: Options{Log: slog.New(slog.DiscardHandler), By: "test"},
	}
}

// started runs a server until the test ends.
func started(t *testing.T, s *Server) *Running {
	t.Helper()
	r, err := s.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return r
}

// newKey makes a key through the admin door.
func newKey(t *testing.T, r *Running) *adminapi.Key {
	t.Helper()
	k, err := (&adminapi.Client{Transport: r.Admin}).CreateKey(t.Context(), adminapi.NewKey{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const list = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`

// call sends a call of the older era with a key.
func call(t *testing.T, url, key string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// endless answers with a stream that never ends by itself.
func endless(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, ": open\n\n")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func TestCloseEndsStreamsAndGivesEverythingBack(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(endless))
	defer up.Close()
	s := over(t, up.URL+"/mcp")
	r := started(t, s)
	res := call(t, r.URL, newKey(t, r).Key)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("got %d, want a stream", res.StatusCode)
	}
	body := bufio.NewReader(res.Body)
	if _, err := body.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := r.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v, want less than five seconds", took)
	}
	if _, err := io.ReadAll(body); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("stream: got %v, want its end", err)
	}
	if _, err := os.Stat(filepath.Join(s.State.Dir, adminapi.Socket)); err == nil {
		t.Error("the socket is still there")
	}
	again := started(t, s) // the lock and the database are free
	if again.URL == "" {
		t.Error("no URL")
	}
}

func TestStartRefuses(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	open := filepath.Join(t.TempDir(), "open")
	if err := os.MkdirAll(open, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(open, "file"), nil, 0o600), os.Chmod(open, 0o750)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		edit func(*Server)
		code string
		says string
	}{
		{"a port in use", func(s *Server) { s.Config.Server.Listen = busy.Addr().String() }, "GH-2301", "--listen"},
		{"an address that is not ours", func(s *Server) {
			c := &s.Config.Server
			c.Listen, c.PublicURL, c.TLS.TerminatedByProxy = "192.0.2.1:0", "https://x.example", true
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		}, "GH-2403", "192.0.2.1"},
		{"a state that others may enter", func(s *Server) { s.State.Dir = open }, "GH-2002", "chmod 700"},
		{"a state that is a file", func(s *Server) { s.State.Dir = file }, "GH-2002", "--state"},
		{"a database that is none", func(s *Server) {
			if err := os.MkdirAll(s.State.Dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(s.State.DatabasePath(), []byte(strings.Repeat("not a database\n", 99)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "GH-2002", "damaged"},
		{"a program that is not there", func(s *Server) {
			s.Config.Servers[0] = config.Upstream{Name: "x", Stdio: &config.Stdio{Command: []string{"no-such-program"}}}
		}, "GH-2302", "not found"},
		{"a program in a relative directory of PATH", func(s *Server) {
			s.Config.Servers[0] = config.Upstream{Name: "x", Stdio: &config.Stdio{Command: []string{"go"}}}
			s.Environ = []string{"PATH=.:bin"}
		}, "GH-2302", "relative"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := over(t, "http://127.0.0.1:1/mcp")
			tt.edit(s)
			r, err := s.Start(t.Context())
			var e *adminapi.Error
			if !errors.As(err, &e) || e.Code != tt.code || !strings.Contains(e.Message, tt.says) || r != nil {
				t.Errorf("got %v and %v, want %s saying %q", r, err, tt.code, tt.says)
			}
		})
	}
}

func TestStartRefusesAnUnfinishedConfiguration(t *testing.T) {
	s := over(t, "http://127.0.0.1:1/mcp")
	s.Config.Policy.Default = ""
	if _, err := s.Start(t.Context()); !errors.As(err, &config.Mistakes{}) {
		t.Errorf("got %v, want mistakes", err)
	}
}

func TestOneServerForOneState(t *testing.T) {
	s := over(t, "http://127.0.0.1:1/mcp")
	started(t, s)
	_, err := s.Start(t.Context())
	var e *adminapi.Error
	if !errors.As(err, &e) || e.Code != "GH-2303" {
		t.Fatalf("got %v, want GH-2303", err)
	}
	if _, err := s.State.Forget(); !errors.As(err, &e) || e.Code != "GH-2303" {
		t.Errorf("forget: got %v, want GH-2303", err)
	}
	if _, err := adminapi.Dial(t.Context(), s.State.Dir); err != nil {
		t.Errorf("the first server's socket is gone: %v", err)
	}
}

func TestForgetRemovesOnlyItsOwn(t *testing.T) {
	s := over(t, "http://127.0.0.1:1/mcp")
	if err := started(t, s).Close(); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(s.State.Dir, "mine.txt")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	removed, err := s.State.Forget()
	if err != nil || !slices.Contains(removed, s.State.DatabasePath()) {
		t.Fatalf("got %v, %v", removed, err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("somebody else's file: %v", err)
	}
	if s.State.Exists() {
		t.Error("the database is still there")
	}
}

// TestA110_HostsAreLoopbackOnly: by default the server goes by this machine's names.
func TestA110_HostsAreLoopbackOnly(t *testing.T) {
	r := started(t, over(t, "http://127.0.0.1:1/mcp"))
	for host, want := range map[string]int{
		r.Address: 401, "localhost:9": 401, "[::1]:9": 401, "evil.test": 421, "localhost.evil.test": 421, "192.0.2.1": 421,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL, strings.NewReader(list))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("Host %q: got %d, want %d", host, res.StatusCode, want)
		}
	}
}

// TestA174_AdminIsNotOnThePort: what manages keys is on the socket and nowhere else.
func TestA174_AdminIsNotOnThePort(t *testing.T) {
	r := started(t, over(t, "http://127.0.0.1:1/mcp"))
	key := newKey(t, r).Key
	for _, path := range []string{"/v1/keys", "/v1/status", "/debug/pprof/", "/debug/vars", "/metrics", "/config"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.Address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", path, res.StatusCode)
		}
	}
	info, err := os.Stat(filepath.Join(r.State.Dir, adminapi.Socket))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: got %v, %v, want mode 0600", info, err)
	}
}

func TestChangesOverTheSocketTakeEffectAtOnce(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(endless))
	defer up.Close()
	r := started(t, over(t, up.URL+"/mcp"))
	way, err := adminapi.Dial(t.Context(), r.State.Dir)
	if err != nil {
		t.Fatal(err)
	}
	c := &adminapi.Client{Transport: way}
	k, err := c.CreateKey(t.Context(), adminapi.NewKey{Name: "socket"})
	if err != nil {
		t.Fatal(err)
	}
	res := call(t, r.URL, k.Key)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("got %d, want a stream", res.StatusCode)
	}
	if _, err := c.RevokeKey(t.Context(), k.ID, adminapi.Revoke{}); err != nil {
		t.Fatal(err)
	}
	if got := call(t, r.URL, k.Key).StatusCode; got != http.StatusUnauthorized {
		t.Errorf("right after the revocation: got %d, want 401", got)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _, _ = io.Copy(io.Discard, res.Body) }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the open stream did not end")
	}
	if s, err := c.Status(t.Context()); err != nil || !s.Running || s.PID != os.Getpid() || s.URL != r.URL {
		t.Errorf("status: got %+v, %v", s, err)
	}
}

func TestWaitReportsABrokenListener(t *testing.T) {
	r := started(t, over(t, "http://127.0.0.1:1/mcp"))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := r.Wait(ctx); err != nil {
		t.Errorf("asked to end: got %v, want nil", err)
	}
	r.failed <- errors.New("broken")
	if err := r.Wait(t.Context()); err == nil {
		t.Error("got nil, want the listener's error")
	}
}
