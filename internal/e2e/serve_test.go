package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// production is a running `gatehouse serve` with TLS.
type production struct {
	*program
	Listen  string `json:"listen"`
	Plain   string `json:"plain_listen"`
	Admin   string `json:"admin"`
	Config  string `json:"config"`
	PID     int    `json:"pid"`
	Servers []struct{ Name, URL string }

	dir  string // of the configuration, the state and the certificate
	file string // the configuration
	pool *x509.CertPool
}

// certificate writes a certificate of names and addresses, and its key, to cert.pem and key.pem.
func certificate(t testing.TB, dir string, names ...string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	pool := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(leaf)
	return pool
}

// write puts a file in place at once, readable by us alone.
func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// serve starts `gatehouse serve` over a configuration. In it, DIR stands for a
// directory of its own, which has cert.pem and key.pem for mcp.test and
// b.mcp.test, and GATEHOUSE for the program. When the test ends it must end well, without a panic.
func serve(t testing.TB, yaml string, env ...string) *production {
	t.Helper()
	p := &production{dir: stateDir(t)}
	p.file = filepath.Join(p.dir, "gatehouse.yaml")
	p.pool = certificate(t, p.dir, "mcp.test", "b.mcp.test", "127.0.0.1", "localhost")
	p.configure(t, yaml)
	p.launch(t, env...)
	return p
}

// configure writes the configuration; while the program runs, it takes effect by itself.
func (p *production) configure(t testing.TB, yaml string) {
	t.Helper()
	yaml = strings.ReplaceAll(yaml, "GATEHOUSE", gatehouseBinary(t))
	write(t, p.file, strings.ReplaceAll(yaml, "DIR", p.dir))
}

// reloaded waits until another configuration is in force than when the program
// started. A call that is under way meanwhile may be cut, so none is made to find out.
func (p *production) reloaded(t testing.TB) {
	t.Helper()
	eventually(t, "the configuration is reloaded", func() bool { return strings.Contains(p.stderr.String(), `"msg":"reloaded"`) })
}

// launch starts the program; after it was stopped, again.
func (p *production) launch(t testing.TB, env ...string) {
	t.Helper()
	cmd := exec.Command(gatehouseBinary(t), "serve", "--json", "-c", p.file)
	cmd.Env = append(append(os.Environ(), "HOME="+p.dir), env...)
	p.program = start(t, cmd)
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			if err := p.stop(); err != nil {
				t.Errorf("ended with %v, want exit 0", err)
			}
		}
		for _, bad := range []string{"panic:", "goroutine 1 ["} {
			if strings.Contains(p.stderr.String(), bad) {
				t.Errorf("standard error has %q", bad)
			}
		}
	})
	select {
	case <-p.stdout.line:
	case err := <-p.done:
		p.done <- err
		t.Fatalf("gatehouse serve ended before it was ready: %v", err)
	case <-time.After(patience):
		t.Fatal("gatehouse serve is not ready")
	}
	if err := json.Unmarshal([]byte(p.stdout.String()), p); err != nil {
		t.Fatalf("got %q, want one line of JSON: %v", p.stdout.String(), err)
	}
}

// client reaches the listener under every name of the certificate.
func (p *production) client(edits ...func(*http.Transport)) *http.Client {
	way := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: p.pool},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", p.Listen)
		},
		ForceAttemptHTTP2: true,
	}
	for _, edit := range edits {
		edit(way)
	}
	p.t.Cleanup(way.CloseIdleConnections)
	return &http.Client{Transport: way, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// got is an answer, read to its end.
type got struct {
	status int
	header http.Header
	body   string
}

// ask sends a request; headers are "Name: value".
func (p *production) ask(c *http.Client, method, url, body string, headers ...string) got {
	p.t.Helper()
	q, err := http.NewRequestWithContext(p.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		q.Header.Set("Content-Type", "application/json")
		q.Header.Set("Accept", "application/json, text/event-stream")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		q.Header.Set(name, value)
	}
	res, err := c.Do(q)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return got{res.StatusCode, res.Header, string(text)}
}

// run runs a command over the installation and returns what it printed.
func (p *production) run(args ...string) string {
	p.t.Helper()
	cmd := exec.Command(gatehouseBinary(p.t), append(args, "-c", p.file)...)
	cmd.Env = p.cmd.Env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		p.t.Fatalf("gatehouse %s: %v\n%s%s", strings.Join(args, " "), err, &out, &errs)
	}
	return out.String()
}

// fails runs a command that has to fail, and returns what it said.
func (p *production) fails(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command(gatehouseBinary(t), args...)
	cmd.Env = p.cmd.Env
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("gatehouse %s ended with 0", strings.Join(args, " "))
	}
	noRace(t, string(out))
	return string(out)
}

// plainClient reaches the listener for plain HTTP.
func (p *production) plainClient() *http.Client {
	return p.client(func(way *http.Transport) {
		way.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", p.Plain)
		}
	})
}

// key makes a key and returns its id and text.
func (p *production) key(args ...string) (id, text string) {
	p.t.Helper()
	var k struct{ ID, Key string }
	if err := json.Unmarshal([]byte(p.run(append([]string{"key", "create", "--json"}, args...)...)), &k); err != nil {
		p.t.Fatal(err)
	}
	return k.ID, k.Key
}

// trail returns the audit trail so far.
func (p *production) trail() []map[string]any {
	p.t.Helper()
	f, err := os.Open(filepath.Join(p.dir, "state", "audit.jsonl"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var all []map[string]any
	torn := "" // by a kill: the next line has to say so
	for s := bufio.NewScanner(f); s.Scan(); {
		var e map[string]any
		if err := json.Unmarshal(s.Bytes(), &e); err != nil && torn == "" {
			torn = s.Text()
			continue
		}
		if torn != "" && e["action"] != "audit.torn" {
			p.t.Fatalf("%s: it is not whole, and the line after it is %v", torn, e)
		}
		torn = ""
		all = append(all, e)
	}
	if torn != "" {
		p.t.Fatalf("%s: it is not whole", torn)
	}
	return all
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}
