package wellknown_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/server/wellknown"
)

type keys struct{ err error }

func (k keys) JWKS(context.Context) ([]byte, string, error) {
	if k.err != nil {
		return nil, "", k.err
	}
	return []byte(`{"keys":[]}`), `"tag"`, nil
}

func ask(t *testing.T, k wellknown.Keys, method string, headers ...string) (*http.Response, string) {
	t.Helper()
	s := httptest.NewServer(&wellknown.JWKS{Keys: k, Log: slog.New(slog.DiscardHandler)})
	defer s.Close()
	q, err := http.NewRequest(method, s.URL+wellknown.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	res, err := s.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestKeysArePublic(t *testing.T) {
	for _, headers := range [][]string{nil, {"Authorization", "Bearer wrong"}, {"Origin", "https://elsewhere.example"}, {"Host", "evil.example"}} {
		res, body := ask(t, keys{}, http.MethodGet, headers...)
		h := res.Header
		if res.StatusCode != 200 || body != `{"keys":[]}` || h.Get("Content-Type") != "application/jwk-set+json" || h.Get("Etag") != `"tag"` ||
			h.Get("Cache-Control") != "public, max-age=300" || h.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%v: got %d %s %v", headers, res.StatusCode, body, h)
		}
	}
	for _, tag := range []string{`"tag"`, `W/"tag"`, `"other", "tag"`, "*"} {
		if res, body := ask(t, keys{}, http.MethodGet, "If-None-Match", tag); res.StatusCode != 304 || body != "" || res.Header.Get("Etag") != `"tag"` {
			t.Errorf("%s: got %d %q, want 304", tag, res.StatusCode, body)
		}
	}
	if res, _ := ask(t, keys{}, http.MethodGet, "If-None-Match", `"tagged"`); res.StatusCode != 200 {
		t.Errorf("another tag: got %d, want 200", res.StatusCode)
	}
	if res, body := ask(t, keys{}, http.MethodHead); res.StatusCode != 200 || body != "" || res.ContentLength != 11 {
		t.Errorf("HEAD: got %d, %d bytes and %q", res.StatusCode, res.ContentLength, body)
	}
	if res, _ := ask(t, keys{}, http.MethodOptions, "Origin", "https://elsewhere.example", "Access-Control-Request-Method", "GET"); res.StatusCode != 204 || res.Header.Get("Access-Control-Allow-Methods") != "GET, HEAD" {
		t.Errorf("OPTIONS: got %d %v", res.StatusCode, res.Header)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		if res, body := ask(t, keys{}, method); res.StatusCode != 405 || body != "" {
			t.Errorf("%s: got %d %q, want 405", method, res.StatusCode, body)
		}
	}
}

func TestKeysThatAreAwayAreNotCached(t *testing.T) {
	var log bytes.Buffer
	away := &gatehouse.Error{Code: "GH-1902", Status: 503, Description: "away"}
	s := &wellknown.JWKS{Keys: keys{away}, Log: slog.New(slog.NewTextHandler(&log, nil))}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, wellknown.Path, nil))
	if w.Code != 503 || w.Header().Get("Cache-Control") != "no-store" || w.Body.Len() != 0 || !strings.Contains(log.String(), "GH-1902") {
		t.Errorf("got %d %v %q and %s in the log", w.Code, w.Header(), w.Body, &log)
	}
	if res, _ := ask(t, keys{&gatehouse.Error{Code: "GH-1305", Status: 404}}, http.MethodGet); res.StatusCode != 404 || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("no keys: got %d %v, want 404", res.StatusCode, res.Header)
	}
}

// A body that never comes holds nothing: the connection ends by itself.
func TestBodiesAreNotWaitedFor(t *testing.T) {
	s := httptest.NewServer(&wellknown.JWKS{Keys: keys{}, Log: slog.New(slog.DiscardHandler)})
	defer s.Close()
	for _, method := range []string{"GET", "POST"} {
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(c, method+" "+wellknown.Path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 ") {
			t.Errorf("%s: got %q, %v, want an answer and the end", method, answer, err)
		}
	}
}
