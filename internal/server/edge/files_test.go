package edge

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// leaf returns the certificate that a server shows for a name.
func leaf(t *testing.T, address, name string) *x509.Certificate {
	t.Helper()
	c, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

func TestCertificateByName(t *testing.T) {
	a := newAuthority(t)
	f := served(t, config.Server{TLS: config.TLS{Files: []config.KeyPair{
		a.pair(t, t.TempDir(), names("one.test")), a.pair(t, t.TempDir(), names("two.test", "*.wild.test")),
	}}}, nil)
	for name, want := range map[string]string{"one.test": "one.test", "two.test": "two.test", "x.wild.test": "two.test", "TWO.test": "two.test", "other.test": "one.test", "": "one.test"} {
		if got := leaf(t, f.address, name).Subject.CommonName; got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}

func TestTLSProtocols(t *testing.T) {
	f, _ := secured(t, config.Server{}, nil)
	if _, err := tls.Dial("tcp", f.address, &tls.Config{RootCAs: f.pool, ServerName: "gate.test", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("got TLS 1.1, want it refused")
	}
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c, err := tls.Dial("tcp", f.address, &tls.Config{RootCAs: f.pool, ServerName: "gate.test", MinVersion: v, MaxVersion: v, NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.ConnectionState().NegotiatedProtocol; got != "h2" {
			t.Errorf("got %q, want h2", got)
		}
		_ = c.Close()
	}
	if _, body := ask(t, f.via(f.address), "GET", "https://gate.test/"); !strings.HasPrefix(body, "HTTP/2.0") {
		t.Errorf("got %q, want HTTP/2", body)
	}
	one := f.via(f.address, func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} })
	one.Transport.(*http.Transport).ForceAttemptHTTP2 = false
	if _, body := ask(t, one, "GET", "https://gate.test/"); !strings.HasPrefix(body, "HTTP/1.1") {
		t.Errorf("got %q, want HTTP/1.1", body)
	}
}

func TestCertificateFilesAtStart(t *testing.T) {
	a := newAuthority(t)
	good := func() config.KeyPair { return a.pair(t, t.TempDir(), names("gate.test")) }
	mode := func(m os.FileMode) config.KeyPair {
		kp := good()
		if err := os.Chmod(kp.Key, m); err != nil {
			t.Fatal(err)
		}
		return kp
	}
	open := good()
	if err := os.Chmod(filepath.Dir(open.Key), 0o777); err != nil {
		t.Fatal(err)
	}
	foreign := good()
	if err := os.Chown(foreign.Key, 65534, 65534); err != nil && os.Getuid() == 0 {
		t.Fatal(err)
	}
	linked := good()
	link := filepath.Join(t.TempDir(), "key.pem")
	if err := os.Symlink(mode(0o644).Key, link); err != nil {
		t.Fatal(err)
	}
	linked.Key = link
	swapped := good()
	swapped.Key = good().Key
	empty := good()
	write(t, empty.Cert, nil)
	tests := map[string]struct {
		pair config.KeyPair
		want string
	}{
		"A216 others can read":       {mode(0o604), "can be read or changed by others"},
		"A216 its group can read":    {mode(0o640), "can be read or changed by others"},
		"A216 its group can write":   {mode(0o620), "can be read or changed by others"},
		"A216 all can read":          {mode(0o644), "can be read or changed by others"},
		"A216 a link to such":        {linked, "can be read or changed by others"},
		"A216 its directory is open": {open, "put another file in its place"},
		"expired":                    {a.pair(t, t.TempDir(), names("gate.test"), expiring(-time.Minute)), "it has expired"},
		"of another key":             {swapped, "private key does not match"},
		"empty":                      {empty, "failed to find any PEM"},
		"missing":                    {config.KeyPair{Cert: "/nowhere/c.pem", Key: "/nowhere/k.pem"}, "no such file"},
		"a directory":                {config.KeyPair{Cert: t.TempDir(), Key: good().Key}, "is not a file"},
	}
	if os.Getuid() == 0 {
		tests["A216 of another account"] = struct {
			pair config.KeyPair
			want string
		}{foreign, "belongs to another account"}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			refused(t, quiet(config.Server{Listen: "127.0.0.1:0", TLS: config.TLS{Files: []config.KeyPair{tt.pair}}}).Listen(t.Context()), "GH-2031", tt.want)
		})
	}
}

// A215: what is broken is not taken, and says so; what is mended is.
func TestA215CertificateFilesChange(t *testing.T) {
	a := newAuthority(t)
	dir := t.TempDir()
	kp := a.pair(t, dir, names("first.test"))
	f := served(t, config.Server{TLS: config.TLS{Files: []config.KeyPair{kp}}}, nil)
	shown := func() string { return leaf(t, f.address, "x.test").Subject.CommonName }
	problem := func(kind string) bool {
		for _, p := range f.Problems() {
			if p.Kind == kind {
				return true
			}
		}
		return false
	}
	if shown() != "first.test" || len(f.Problems()) != 0 {
		t.Fatalf("got %s and %v, want the first and no problem", shown(), f.Problems())
	}
	a.pair(t, dir, names("second.test"))
	eventually(t, "the new pair is served", func() bool { return shown() == "second.test" })

	cert, key := a.issue(t, names("third.test"))
	write(t, kp.Cert, cert) // the key is still the second's
	eventually(t, "the mismatch is a problem", func() bool { return problem(ProblemFiles) })
	if got := shown(); got != "second.test" {
		t.Errorf("got %s meanwhile, want second.test", got)
	}
	if !strings.Contains(f.log.String(), "GH-2031") {
		t.Error("got nothing in the log")
	}
	write(t, kp.Key, key)
	eventually(t, "the mended pair is served", func() bool { return shown() == "third.test" && !problem(ProblemFiles) })

	if err := os.Chmod(kp.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an open key is a problem", func() bool { return problem(ProblemFiles) })
	if err := os.Chmod(kp.Key, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is none any more", func() bool { return !problem(ProblemFiles) })

	a.pair(t, dir, names("expired.test"), expiring(-time.Second))
	eventually(t, "an expired one is a problem", func() bool { return problem(ProblemFiles) })
	if got := shown(); got != "third.test" {
		t.Errorf("got %s, want third.test", got)
	}
	a.pair(t, dir, names("soon.test"), expiring(13*24*time.Hour))
	eventually(t, "the end is near", func() bool { return shown() == "soon.test" && problem(ProblemExpiry) })
	for _, p := range f.Problems() {
		if p.Severe {
			t.Errorf("got %v as severe, want a warning", p)
		}
	}
}

// Clusters and certbot turn links instead of writing files.
func TestA215CertificateLinksTurn(t *testing.T) {
	a := newAuthority(t)
	root := t.TempDir()
	for _, v := range []string{"v1", "v2"} {
		dir := filepath.Join(root, v)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		a.pair(t, dir, names(v+".test"))
	}
	data := filepath.Join(root, "data")
	if err := os.Symlink("v1", data); err != nil {
		t.Fatal(err)
	}
	f := served(t, config.Server{TLS: config.TLS{Files: []config.KeyPair{{Cert: filepath.Join(data, "cert.pem"), Key: filepath.Join(data, "key.pem")}}}}, nil)
	if err := os.Symlink("v2", data+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(data+".new", data); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the link's new end is served", func() bool { return leaf(t, f.address, "x.test").Subject.CommonName == "v2.test" })
}

func TestServedCertificateExpires(t *testing.T) {
	a := newAuthority(t)
	now := time.Now()
	f := served(t, config.Server{TLS: config.TLS{Files: []config.KeyPair{a.pair(t, t.TempDir(), names("gate.test"))}}}, nil,
		func(e *Edge) { e.Now = func() time.Time { return now }; e.PollFiles = time.Hour })
	now = now.Add(91 * 24 * time.Hour)
	if all := f.Problems(); len(all) != 1 || !all[0].Severe || all[0].Kind != ProblemExpiry {
		t.Errorf("got %v, want that it has expired", all)
	}
}

func TestReload(t *testing.T) {
	f, a := secured(t, config.Server{TLS: config.TLS{HSTS: time.Hour}}, nil)
	c := f.Config
	c.TLS.Files = []config.KeyPair{a.pair(t, t.TempDir(), names("new.test"))}
	c.TLS.HSTS = 2 * time.Hour
	if err := f.Reload(c, []string{"new.test"}); err != nil {
		t.Fatal(err)
	}
	res, _ := ask(t, f.via(f.address), "GET", "https://new.test/")
	if got := res.Header.Get("Strict-Transport-Security"); got != "max-age=7200" {
		t.Errorf("got %q, want two hours", got)
	}
	bad := c
	bad.TLS.Files = append([]config.KeyPair{{Cert: "/nowhere", Key: "/nowhere"}}, c.TLS.Files...)
	bad.TLS.HSTS = 3 * time.Hour
	refused(t, f.Reload(bad, nil), "GH-2031")
	if res, _ := ask(t, f.via(f.address), "GET", "https://new.test/"); res.Header.Get("Strict-Transport-Security") != "max-age=7200" {
		t.Error("got half of a refused configuration, want none of it")
	}
	moved := c
	moved.Listen, moved.TLS.Files, moved.TLS.TerminatedByProxy = "127.0.0.1:1", nil, true
	refused(t, f.Reload(moved, nil), "GH-2033", "server.listen", "server.tls, as a whole", "server.tls.terminated_by_proxy")
}
