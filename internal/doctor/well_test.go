package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/clients"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/idp"
	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

// lab is a machine on which all is well, and the servers that it leans on.
type lab struct {
	*Machine
	t       *testing.T
	dir     string
	handler http.HandlerFunc // of everything that is asked over HTTPS; nil: all is well
	ca      *x509.Certificate
	caKey   *ecdsa.PrivateKey
	front   *httptest.Server // our own authorization server
	idp     *httptest.Server
	behind  *httptest.Server
	behave  http.HandlerFunc // of the server behind; nil: it speaks MCP
	more    string           // of the file
}

// resolver knows the names that it has.
type resolver map[string]string

// LookupNetIP implements Resolver.
func (r resolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if at, ok := r[host]; ok {
		return []netip.Addr{netip.MustParseAddr(at)}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func write(t *testing.T, path, text string, mode fs.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir()}
	l.front = httptest.NewTLSServer(http.HandlerFunc(l.serveFront))
	l.idp = httptest.NewTLSServer(http.HandlerFunc(l.serveFront))
	t.Cleanup(l.idp.Close)
	l.behind = httptest.NewServer(http.HandlerFunc(l.serveBehind))
	t.Cleanup(l.front.Close)
	t.Cleanup(l.behind.Close)
	l.caKey, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	l.ca = l.certificate("Test CA", nil, time.Now().Add(time.Hour*24*365), true)
	roots := x509.NewCertPool()
	roots.AddCert(l.front.Certificate())
	roots.AddCert(l.ca)
	state := filepath.Join(l.dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(l.dir, "home")
	if err := os.MkdirAll(filepath.Join(home, ".cursor"), 0o700); err != nil {
		t.Fatal(err)
	}
	l.Machine = &Machine{
		File: filepath.Join(l.dir, "gatehouse.yaml"), State: state, Database: filepath.Join(state, "gatehouse.db"), Trail: filepath.Join(state, "audit.jsonl"),
		Environ: []string{"PEPPER=0123456789012345678901234567890123456789"}, Now: time.Now, Roots: roots,
		Resolver: resolver{"mcp.example.com": "192.0.2.1"},
		System:   &clients.System{OS: "linux", Home: home, Dir: home, Getenv: func(string) string { return "" }, Exists: func(p string) bool { _, err := os.Lstat(p); return err == nil }},
		Inspect: func(context.Context) (*Database, error) {
			return &Database{Schema: 9, Known: 9, Bytes: 4096, Tenants: 1, Keys: 2}, nil
		},
		Verify: func(context.Context) (*Verified, error) { return &Verified{Files: 1}, nil },
		Gather: func(_ context.Context, _ *config.Issuer, f *idp.Facts) (bool, error) {
			*f = idp.Facts{Resource: f.Resource, Metadata: "https://idp", CodeChallenges: []string{"S256"}, Registration: true, ClientMetadata: true, IssParameter: true, KeysURL: "https://idp/keys", Keys: []string{"ES256"}}
			return true, nil
		},
		Accounts: func(context.Context) (string, []signin.Account, error) { return "", nil, fs.ErrNotExist },
		Program:  func(string) bool { return false },
		Resolve:  func(program, _ string) (string, error) { return "/usr/bin/" + program, nil },
		Account:  func(string) error { return nil },
		Free:     func(string) (uint64, error) { return 50 << 30, nil },
		Files:    func() (uint64, error) { return 65536, nil },
		Writable: func(string) error { return nil },
		Synced:   func() (bool, error) { return true, nil },
		Bounds:   func(int) (Bounds, error) { return Bounds{1 << 30, 512}, nil },
		Switch:   func(string) ([]byte, error) { return nil, fs.ErrNotExist },
		Issued:   func(context.Context, string) (*x509.Certificate, error) { return l.front.Certificate(), nil },
		CAA: func(_ context.Context, name string) ([]CAA, error) {
			return map[string][]CAA{"example.com": {{"issue", "ca.example; validationmethods=http-01"}}}[name], nil
		},
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, l.front.Listener.Addr().String())
		},
		Listen: func(context.Context, string) error { return nil },
	}
	write(t, l.Database, "rows", 0o600)
	write(t, l.Trail, "{}\n", 0o600)
	write(t, filepath.Join(state, "seal.key"), strings.Repeat("k3y", 20)+"\n", 0o600)
	l.pair("mcp.example.com", time.Now().Add(90*24*time.Hour))
	return l
}

// load reads the file again, and has a server run with it.
func (l *lab) load() *lab {
	l.t.Helper()
	text := fmt.Sprintf(`version: 1
server: {public_url: %q, listen: "127.0.0.1:8443", tls: {files: [{cert: cert.pem, key: key.pem}]}}
servers:
  - {name: notes, url: %q}
  - {name: files, path: /files, stdio: {command: [files-server], user: nobody}}
auth:
  api_keys: {pepper: "${PEPPER}"}
  issuers: [{preset: oidc, issuer: %q, private: [127.0.0.1], clients: any}]
  embedded: {accounts: true, issuer: %q}
policy: {default: deny, rules: [{name: all, tools: ["*"]}]}
store: {sqlite: state/gatehouse.db}
%s`, "https://mcp.example.com", l.behind.URL+"/mcp", l.idp.URL, l.front.URL, l.more)
	write(l.t, l.File, text, 0o600)
	c, err := config.Load(l.File, config.Outside{Lookup: func(name string) (string, bool) {
		for _, kv := range l.Environ {
			if v, ok := strings.CutPrefix(kv, name+"="); ok {
				return v, true
			}
		}
		return "", false
	}})
	l.Config, l.Mistakes = c, nil
	if wrong, ok := err.(config.Mistakes); ok { //nolint:errorlint // it is what Load returns
		if l.Mistakes = wrong; l.more == "" && l.Environ != nil {
			l.t.Fatal(wrong)
		}
		return l
	}
	if err != nil {
		l.t.Fatal(err)
	}
	l.Config.Auth.Issuers[0].CA = write(l.t, filepath.Join(l.dir, "ca.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.front.Certificate().Raw})), 0o600)
	l.Hash = c.Hash()
	l.Status = &adminapi.Status{Running: true, PID: 4711, Version: "v1", Config: l.Hash, Listen: []string{"127.0.0.1:8443"}, Ready: true}
	l.URLs = []string{"https://mcp.example.com/mcp", "https://mcp.example.com/files"}
	return l
}

func (l *lab) serveFront(w http.ResponseWriter, q *http.Request) {
	if l.handler != nil {
		l.handler(w, q)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"issuer": l.front.URL, "authorization_endpoint": l.front.URL + "/authorize", "token_endpoint": l.front.URL + "/token", "jwks_uri": l.front.URL + "/keys",
		"response_types_supported": []string{"code"}, "newOrder": l.front.URL + "/order",
		"meta": map[string]any{"caaIdentities": []string{"ca.example"}},
	})
}

func (l *lab) serveBehind(w http.ResponseWriter, q *http.Request) {
	if l.behave != nil {
		l.behave(w, q)
		return
	}
	var m struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
	}
	body, _ := io.ReadAll(q.Body)
	_ = json.Unmarshal(body, &m)
	w.Header().Set("Content-Type", "application/json")
	if m.Method != "initialize" { // it is of the older era
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25"}}`, m.ID)
}

// certificate makes one, of the CA unless it is that.
func (l *lab) certificate(name string, key *ecdsa.PrivateKey, ends time.Time, isCA bool) *x509.Certificate {
	l.t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-1000 * time.Hour), NotAfter: ends,
		IsCA: isCA, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	parent, public := l.ca, l.caKey.Public()
	if isCA {
		parent = c
	} else {
		c.DNSNames, public = []string{name}, key.Public()
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, parent, public, l.caKey)
	if err != nil {
		l.t.Fatal(err)
	}
	out, err := x509.ParseCertificate(raw)
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

// pair writes the server's certificate and key.
func (l *lab) pair(name string, ends time.Time) {
	l.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		l.t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		l.t.Fatal(err)
	}
	c := l.certificate(name, key, ends, false)
	write(l.t, filepath.Join(l.dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})), 0o644)
	write(l.t, filepath.Join(l.dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), 0o600)
}
