package edge

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	a.key, a.cert = sign(t, nil, func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
		c.Subject.CommonName = "test authority"
	})
	a.pool.AddCert(a.cert)
	return a
}

func sign(t testing.TB, by *authority, edits ...func(*x509.Certificate)) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	c := &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, edit := range edits {
		edit(c)
	}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, made
}

func names(list ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: list[0]}
		for _, n := range list {
			if ip := net.ParseIP(n); ip != nil {
				c.IPAddresses = append(c.IPAddresses, ip)
			} else {
				c.DNSNames = append(c.DNSNames, n)
			}
		}
	}
}

func expiring(in time.Duration) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.NotAfter = time.Now().Add(in)
		c.NotBefore = c.NotAfter.Add(-90 * 24 * time.Hour)
	}
}

// issue returns a certificate and its key as PEM.
func (a *authority) issue(t testing.TB, edits ...func(*x509.Certificate)) (cert, key []byte) {
	t.Helper()
	k, c := sign(t, a, edits...)
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// pair writes a certificate and its key to files.
func (a *authority) pair(t testing.TB, dir string, edits ...func(*x509.Certificate)) config.KeyPair {
	t.Helper()
	cert, key := a.issue(t, edits...)
	kp := config.KeyPair{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	write(t, kp.Cert, cert)
	write(t, kp.Key, key)
	return kp
}

// client returns a certificate for a caller.
func (a *authority) client(t testing.TB, edits ...func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	cert, key := a.issue(t, append([]func(*x509.Certificate){names("a caller")}, edits...)...)
	c, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

func write(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// logged gathers the log.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// burnt is one call of Edge.Burnt.
type burnt struct {
	from netip.Addr
	keys []string
}

// fixture is an edge that serves a trivial handler.
type fixture struct {
	*Edge
	t       testing.TB
	log     *logged
	address string
	plain   string
	pool    *x509.CertPool

	mu    sync.Mutex
	burnt []burnt
	seen  int // requests that reached the handler
}

// hello answers with who is asking, and reads bodies.
func (f *fixture) hello(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.seen++
	f.mu.Unlock()
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 1<<20))
	a, source := f.Address(r)
	_, _ = io.WriteString(w, r.Proto+" "+a.String()+" "+source)
}

func (f *fixture) reached() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

func (f *fixture) burns() []burnt {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]burnt(nil), f.burnt...)
}

// served runs an edge until the test ends. handler nil: hello.
func served(t testing.TB, c config.Server, handler http.Handler, edits ...func(*Edge)) *fixture {
	t.Helper()
	f := opened(t, c, edits...)
	f.start(handler)
	return f
}

// opened is an edge that listens, and does not serve yet.
func opened(t testing.TB, c config.Server, edits ...func(*Edge)) *fixture {
	t.Helper()
	f := &fixture{t: t, log: &logged{}}
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	f.Edge = &Edge{
		Config: c, Domains: []string{"gate.test", "127.0.0.1"}, PollFiles: 20 * time.Millisecond,
		Log: slog.New(slog.NewJSONHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Burnt: func(_ *http.Request, _ string, from netip.Addr, keys []string) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.burnt = append(f.burnt, burnt{from, keys})
		},
	}
	for _, edit := range edits {
		edit(f.Edge)
	}
	if err := f.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.address = f.Addresses()[0]
	if all := f.PlainAddresses(); len(all) > 0 {
		f.plain = all[0]
	}
	return f
}

// start serves until the test ends.
func (f *fixture) start(handler http.Handler) {
	if handler == nil {
		handler = http.HandlerFunc(f.hello)
	}
	ended := make(chan error, 1)
	go func() { ended <- f.Serve(context.WithoutCancel(f.t.Context()), handler) }()
	f.t.Cleanup(func() {
		if err := f.Close(); err != nil {
			f.t.Errorf("close: %v", err)
		}
		if err := <-ended; err != nil {
			f.t.Errorf("serve: %v", err)
		}
	})
}

// secured is an edge with TLS, for gate.test and 127.0.0.1.
func secured(t testing.TB, c config.Server, handler http.Handler, edits ...func(*Edge)) (*fixture, *authority) {
	t.Helper()
	a := newAuthority(t)
	c.TLS.Files = append(c.TLS.Files, a.pair(t, t.TempDir(), names("gate.test", "127.0.0.1")))
	f := served(t, c, handler, edits...)
	f.pool = a.pool
	return f, a
}

// via returns a client that goes to an address whatever the URL says.
func (f *fixture) via(address string, edits ...func(*tls.Config)) *http.Client {
	config := &tls.Config{RootCAs: f.pool}
	for _, edit := range edits {
		edit(config)
	}
	tr := &http.Transport{
		TLSClientConfig: config, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			if path, ok := strings.CutPrefix(address, "unix:"); ok {
				return (&net.Dialer{}).DialContext(ctx, "unix", path)
			}
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		},
	}
	f.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{
		Transport: tr, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask makes a request and returns the answer with its body.
func ask(t testing.TB, c *http.Client, method, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	res, body, err := tryAsk(t, c, method, url, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

func tryAsk(t testing.TB, c *http.Client, method, url string, headers ...string) (*http.Response, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Add(name, value)
	}
	res, err := c.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

// raw sends bytes over a new connection and returns all that comes back.
func raw(t testing.TB, address, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(15 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		return ""
	}
	got, _ := io.ReadAll(c)
	return string(got)
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("waited in vain: %s", what)
}
