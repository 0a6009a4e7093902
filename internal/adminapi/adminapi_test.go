package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestParseExpiry(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"days", "90d", "2027-02-21T12:00:00Z"},
		{"weeks", "2w", "2026-12-07T12:00:00Z"},
		{"hours", "12h", "2026-11-24T00:00:00Z"},
		{"never", "never", "0001-01-01T00:00:00Z"},
		{"a day, to its end", "2027-02-21", "2027-02-22T00:00:00Z"},
		{"today, to its end", "2026-11-23", "2026-11-24T00:00:00Z"},
		{"a moment elsewhere", "2027-02-21T12:00:00+02:00", "2027-02-21T10:00:00Z"},
		{"nothing", "", ""},
		{"no time at all", "0d", ""},
		{"the past", "2026-11-22", ""},
		{"a negative duration", "-1h", ""},
		{"a negative number of days", "-1d", ""},
		{"too far", "200y", ""},
		{"beyond an int64", "99999999999999999999w", ""},
		{"beyond a duration", "15251w", ""},
		{"beyond 100 years", "2226-01-01", ""},
		{"words", "tomorrow", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseExpiry(tt.text, noon)
			if tt.want == "" {
				if err == nil {
					t.Errorf("got %v, want an error", got)
				}
				return
			}
			if err != nil || got.Format(time.RFC3339) != tt.want {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

// FuzzParseExpiry: what is accepted lies ahead, within a century, or is never.
func FuzzParseExpiry(f *testing.F) {
	for _, s := range []string{"90d", "never", "2027-02-21", "2027-02-21T12:00:00Z", "1h30m", "-1d", "9w"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		end, err := ParseExpiry(text, noon)
		if err != nil || end.IsZero() {
			return
		}
		if !end.After(noon) || end.After(noon.Add(maxDuration)) {
			t.Errorf("ParseExpiry(%q): got %v, outside its bounds", text, end)
		}
		if d, err := ParseDuration(text); err == nil && (d < 0 || d > maxDuration) {
			t.Errorf("ParseDuration(%q): got %v, outside its bounds", text, d)
		}
	})
}

// serve opens a door in dir that answers like h.
func serve(t *testing.T, dir string, h http.Handler) {
	t.Helper()
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
}

func TestSocketIsPrivateAndReachable(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("d", 120)) // beyond sockaddr_un
	for _, dir := range []string{t.TempDir(), long} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := Dial(t.Context(), dir); !errors.Is(err, ErrNotRunning) {
			t.Fatalf("before: got %v, want ErrNotRunning", err)
		}
		// A killed server leaves its socket behind.
		stale, err := Listen(dir)
		if err != nil {
			t.Fatal(err)
		}
		_ = stale.(*listener).UnixListener.Close()
		if _, err := Dial(t.Context(), dir); !errors.Is(err, ErrNotRunning) {
			t.Fatalf("stale: got %v, want ErrNotRunning", err)
		}
		serve(t, dir, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"pid":7}`) }))
		info, err := os.Stat(filepath.Join(dir, Socket))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("got %v, %v, want mode 0600", info, err)
		}
		way, err := Dial(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := (&Client{Transport: way}).Status(t.Context()); err != nil || s.PID != 7 {
			t.Errorf("got %v, %v, want pid 7", s, err)
		}
	}
}

// handlerTransport answers without a network.
type handlerTransport struct{ h http.HandlerFunc }

func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	t.h(w, r)
	return w.Result(), nil
}

func TestClientReadsRefusals(t *testing.T) {
	tests := []struct {
		name, body string
		want       string
		typed      bool
	}{
		{"of ours", `{"error":{"code":"GH-2401","message":"no such key"}}`, "GH-2401: no such key", true},
		{"of somebody else", `<html>`, "status 404", false},
		{"without a code", `{"error":{}}`, "status 404", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &Client{Transport: handlerTransport{func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(404)
				_, _ = io.WriteString(w, tt.body)
			}}}
			_, err := c.Key(t.Context(), "x")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			var e *Error
			if got := errors.As(err, &e); got != tt.typed || (got && e.Status != 404) {
				t.Errorf("got %#v, want typed=%v with status 404", e, tt.typed)
			}
		})
	}
}

func TestClientAsksForADryRun(t *testing.T) {
	var got http.Header
	var path string
	c := &Client{DryRun: true, Transport: handlerTransport{func(w http.ResponseWriter, r *http.Request) {
		got, path = r.Header, r.URL.EscapedPath()
		_ = json.NewEncoder(w).Encode(Key{})
	}}}
	if _, err := c.RevokeKey(context.Background(), "../tenants/x", Revoke{}); err != nil {
		t.Fatal(err)
	}
	if got.Get(DryRunHeader) != "true" {
		t.Errorf("got header %q, want true", got.Get(DryRunHeader))
	}
	if want := "/v1/keys/..%2Ftenants%2Fx/revoke"; path != want {
		t.Errorf("got path %s, want %s", path, want)
	}
}
