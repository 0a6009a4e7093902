package authserver

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/seal"
)

func newServer(t *testing.T) *Server {
	t.Helper()
	key, err := seal.Derive(strings.Repeat("k", seal.MinKey))
	if err != nil {
		t.Fatal(err)
	}
	return &Server{
		Issuer: "https://mcp.acme.test", Name: "Acme Notes", Seal: key, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Address: func(*http.Request) (netip.Addr, bool) { return netip.MustParseAddr("192.0.2.1"), false },
	}
}

func TestA026NobodyFramesAPage(t *testing.T) {
	s := newServer(t)
	for _, target := range []string{"/auth/nothing", "/nowhere"} {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		if got := w.Header().Get("Content-Security-Policy"); w.Code != 404 || !strings.Contains(got, "frame-ancestors 'none'") || !strings.Contains(got, "default-src 'none'") {
			t.Errorf("%s: got %d %q", target, w.Code, got)
		}
		if !bytes.Contains(w.Body.Bytes(), []byte("GH-1426")) {
			t.Errorf("%s: got %s", target, w.Body)
		}
	}
}
