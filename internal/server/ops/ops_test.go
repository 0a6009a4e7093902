package ops_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/server/ops"
)

// asked returns the answer to a request for a path under a name.
func asked(d *ops.Door, method, host, path string) *httptest.ResponseRecorder {
	q := httptest.NewRequest(method, path, nil)
	q.Host = host
	w := httptest.NewRecorder()
	d.Handler().ServeHTTP(w, q)
	return w
}

func door(local bool, blocking ...string) *ops.Door {
	m := ops.NewMetrics("test")
	m.Request("files", "tools/call", "ok", time.Millisecond)
	return &ops.Door{
		Health:  func() ([]string, []string) { return blocking, []string{"a warning"} },
		Metrics: m, Log: slog.New(slog.DiscardHandler), Local: local,
	}
}

// TestA110OperatorsPagesAreNoWebPages has a web page reach a door on loopback by
// a name of its own that leads there.
func TestA110OperatorsPagesAreNoWebPages(t *testing.T) {
	for _, path := range []string{"/-/live", "/-/ready", "/-/metrics"} {
		for host, want := range map[string]int{
			"127.0.0.1:9090": http.StatusOK, "[::1]:9090": http.StatusOK, "localhost": http.StatusOK, "LocalHost:9090": http.StatusOK,
			"rebound.example:9090": http.StatusMisdirectedRequest, "127.0.0.1.nip.example": http.StatusMisdirectedRequest, "": http.StatusMisdirectedRequest,
		} {
			if got := asked(door(true), http.MethodGet, host, path); got.Code != want || want != http.StatusOK && strings.Contains(got.Body.String(), "warning") {
				t.Errorf("%s as %q: got %d %s, want %d", path, host, got.Code, got.Body, want)
			}
		}
		if got := asked(door(false), http.MethodGet, "gatehouse.monitoring.svc:9090", path); got.Code != http.StatusOK {
			t.Errorf("%s beyond loopback: got %d, want 200", path, got.Code)
		}
		if got := asked(door(true), http.MethodPost, "localhost", path); got.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: got %d for a POST, want 405", path, got.Code)
		}
	}
}

func TestReadiness(t *testing.T) {
	if got := asked(door(true), http.MethodGet, "localhost", "/-/ready"); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), "degraded") {
		t.Errorf("got %d %s, want 200 with the warning", got.Code, got.Body)
	}
	if got := asked(door(true, "audit: full"), http.MethodGet, "localhost", "/-/ready"); got.Code != http.StatusServiceUnavailable || !strings.Contains(got.Body.String(), "audit: full") {
		t.Errorf("got %d %s, want 503 with the reason", got.Code, got.Body)
	}
	if got := asked(door(true, "audit: full"), http.MethodGet, "localhost", "/-/live"); got.Code != http.StatusOK {
		t.Errorf("got %d, want a process that answers alive", got.Code)
	}
	if got := asked(door(true), http.MethodGet, "localhost", "/-/metrics").Body.String(); !strings.Contains(got, `gatehouse_requests_total{code="ok",method="tools/call",server="files"} 1`) {
		t.Errorf("got %s, want the request counted", got)
	}
}
