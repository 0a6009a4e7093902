package e2e

import (
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
)

// redirects are where the clients of these tests want people sent back to. Where
// they listen the port is another, each time.
var redirects = []string{
	redirectURI,
	"http://127.0.0.1:6276/oauth/callback", // MCP Inspector
	"http://localhost:3334/oauth/callback", // mcp-remote
}

// vendor is the host of those who make clients, on this machine: it has a
// document about each, at https://ADDRESS/NAME.
type vendor struct {
	at string

	mu    sync.Mutex
	asked map[string]int
}

// vendor starts one under the certificate of the front, which no system trusts.
func (f *front) vendor(t testing.TB) *vendor {
	t.Helper()
	v := &vendor{asked: map[string]int{}}
	pair, err := tls.LoadX509KeyPair(filepath.Join(f.dir, "cert.pem"), filepath.Join(f.dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(v)
	_ = s.Listener.Close()
	if s.Listener, err = net.Listen("tcp", freeAddress(t)); err != nil {
		t.Fatal(err)
	}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	t.Cleanup(s.Close)
	v.at = s.URL
	return v
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	v.asked[r.URL.Path]++
	v.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"client_id": v.at + r.URL.Path, "client_name": "A client of " + r.URL.Path[1:], "redirect_uris": redirects,
		"token_endpoint_auth_method": "none", "application_type": "native",
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
	})
}

// times says how often a document was fetched.
func (v *vendor) times(name string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.asked["/"+name]
}
