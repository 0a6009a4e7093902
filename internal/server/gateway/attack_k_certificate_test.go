package gateway_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
)

// issue makes a certificate; parent nil: one that signs itself.
func issue(t *testing.T, name string, parent *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: parent == nil, BasicConstraintsValid: true, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	by, signer := c, any(key)
	if parent != nil {
		by, signer = parent.Leaf, parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func pool(c *tls.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(c.Leaf)
	return p
}

// pingTLS sends a ping over TLS and returns its status.
func pingTLS(t *testing.T, address, key string, c *tls.Config) int {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+address+"/mcp", strings.NewReader(ping))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Authorization": "Bearer " + key} {
		q.Header.Set(name, value)
	}
	res, err := (&http.Transport{DisableKeepAlives: true, TLSClientConfig: c}).RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// TestA165ACertificateIsASecondFactor presents a key over TLS with its client
// certificate, with another one of the same authority, and with what merely
// looks like it.
func TestA165ACertificateIsASecondFactor(t *testing.T) {
	ca := issue(t, "authority", nil)
	server, mine, other := issue(t, "server", &ca), issue(t, "mine", &ca), issue(t, "other", &ca)
	for _, mode := range []struct {
		name string
		auth tls.ClientAuthType
		good int // status with the right certificate
	}{
		{"verified", tls.VerifyClientCertIfGiven, 200},
		{"only asked for", tls.RequestClientCert, 401}, // nobody has checked it
	} {
		t.Run(mode.name, func(t *testing.T) {
			var g *gateway.Gateway
			f := protect(t, http.HandlerFunc(echo), func(made *gateway.Gateway) { g = made })
			secure, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: mode.auth, ClientCAs: pool(&ca)})
			if err != nil {
				t.Fatal(err)
			}
			f.serve(g, secure)
			k, text, err := f.keys.Create(t.Context(), f.tenant, apikey.Spec{Name: "two factors", Tools: []string{"*"}, Certificate: apikey.ThumbprintOf(mine.Certificate[0])})
			if err != nil {
				t.Fatal(err)
			}
			over := func(shown ...tls.Certificate) int {
				return pingTLS(t, secure.Addr().String(), text.Reveal(), &tls.Config{RootCAs: pool(&ca), Certificates: shown})
			}
			if got := over(mine); got != mode.good {
				t.Errorf("its certificate: got %d, want %d", got, mode.good)
			}
			reached := len(f.up.requests())
			if got := over(other); got != 401 {
				t.Errorf("another certificate: got %d, want 401", got)
			}
			if got := over(); got != 401 {
				t.Errorf("no certificate: got %d, want 401", got)
			}
			for _, headers := range [][]string{nil, {"X-Forwarded-Client-Cert", "Hash=" + k.Certificate.String()[7:]}, {"X-SSL-Client-Cert", "x"}, {"Client-Cert", ":x:"}} {
				got := f.post(text.Reveal(), ping, headers...) // over plain HTTP
				if got.status != 401 || !strings.Contains(got.body, "GH-1011") || strings.Contains(got.body, "certificate") {
					t.Errorf("without TLS, %v: got %d %s", headers, got.status, got.body)
				}
			}
			if n := len(f.up.requests()); n != reached {
				t.Errorf("%d refused calls reached the server", n-reached)
			}
			if log := f.log.String(); !strings.Contains(log, "needs its client certificate") {
				t.Error("the log does not say why")
			}
		})
	}
}

// TestA165TheCertificateIsTheConnections judges by what the caller hands over.
func TestA165TheCertificateIsTheConnections(t *testing.T) {
	f := protect(t, http.HandlerFunc(echo))
	_, text, err := f.keys.Create(t.Context(), f.tenant, apikey.Spec{Name: "x", Certificate: apikey.ThumbprintOf([]byte("der"))})
	if err != nil {
		t.Fatal(err)
	}
	guard := &access.Guard{Keys: f.verifier}
	if _, err := guard.Admit(context.Background(), &gatehouse.Credential{Text: text.Reveal(), Certificate: []byte("der")}); err != nil {
		t.Errorf("got %v", err)
	}
	if c, err := guard.Admit(context.Background(), &gatehouse.Credential{Text: text.Reveal()}); err == nil || c != nil {
		t.Errorf("got %v, %v, want a refusal and no caller", c, err)
	}
}
