package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// redirects are where the clients of these tests want people sent back to. Where
// they listen the port is another, each time.
var redirects = []string{
	redirectURI,
	"http://127.0.0.1:6276/oauth/callback", // MCP Inspector
	"http://localhost:3334/oauth/callback", // mcp-remote
}

// vendor is the host of those who make clients, on this machine: it has a
// document about each, at https://ADDRESS/NAME. One whose name ends with -key
// signs with the vendor's key.
type vendor struct {
	at  string
	key *ecdsa.PrivateKey

	mu    sync.Mutex
	asked map[string]int
}

// vendor starts one under the certificate of the front, which no system trusts.
func (f *front) vendor(t testing.TB) *vendor {
	t.Helper()
	v := &vendor{asked: map[string]int{}}
	var err error
	if v.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
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
	about := map[string]any{
		"client_id": v.at + r.URL.Path, "client_name": "A client of " + r.URL.Path[1:], "redirect_uris": redirects,
		"token_endpoint_auth_method": "none", "application_type": "native",
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
	}
	if strings.HasSuffix(r.URL.Path, "-key") {
		about["token_endpoint_auth_method"] = "private_key_jwt"
		about["jwks"] = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: v.key.Public(), Algorithm: "ES256", Use: "sig"}}}
	}
	_ = json.NewEncoder(w).Encode(about)
}

// signer is who signs with the vendor's key.
func (v *vendor) signer(t *testing.T, name string) known {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(v.key)
	if err != nil {
		t.Fatal(err)
	}
	return known{id: v.at + "/" + name + "-key", secret: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), method: "private_key_jwt"}
}

// times says how often the document of a client was fetched.
func (v *vendor) times(k known) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.asked[strings.TrimPrefix(k.id, v.at)]
}
