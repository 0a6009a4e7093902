package edge

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

func with(c tls.Certificate) func(*tls.Config) {
	return func(t *tls.Config) { t.Certificates = []tls.Certificate{c} }
}

func TestClientCertificates(t *testing.T) {
	callers, strangers := newAuthority(t), newAuthority(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, callers.pem())
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, c := range r.TLS.PeerCertificates {
			w.Write([]byte(c.Subject.CommonName))
		}
	})
	for _, required := range []bool{false, true} {
		f, _ := secured(t, config.Server{TLS: config.TLS{ClientCA: ca, ClientRequired: required}}, who)
		if _, body := ask(t, f.via(f.address, with(callers.client(t))), "GET", "https://gate.test/"); body != "a caller" {
			t.Errorf("required %v: got %q, want the caller's certificate", required, body)
		}
		if _, _, err := tryAsk(t, f.via(f.address, func(c *tls.Config) {
			stranger := strangers.client(t)
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &stranger, nil }
		}), "GET", "https://gate.test/"); err == nil {
			t.Errorf("required %v: got an answer for a stranger's certificate", required)
		}
		if _, _, err := tryAsk(t, f.via(f.address, with(callers.client(t, expiring(-1)))), "GET", "https://gate.test/"); err == nil {
			t.Errorf("required %v: got an answer for an expired certificate", required)
		}
		if _, _, err := tryAsk(t, f.via(f.address), "GET", "https://gate.test/"); (err != nil) != required {
			t.Errorf("required %v: got %v without a certificate", required, err)
		}
	}
}

// An authority that was taken out is not trusted any more, on no connection
// and by no ticket of before.
func TestClientAuthorityIsTakenOut(t *testing.T) {
	old, fresh := newAuthority(t), newAuthority(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, append(old.pem(), fresh.pem()...))
	f, _ := secured(t, config.Server{TLS: config.TLS{ClientCA: ca, ClientRequired: true}}, nil)
	c := f.via(f.address, with(old.client(t)), func(c *tls.Config) { c.ClientSessionCache = tls.NewLRUClientSessionCache(4) })
	stays := f.via(f.address, with(fresh.client(t)))
	for _, one := range []*http.Client{c, stays} {
		if res, _ := ask(t, one, "GET", "https://gate.test/"); res.StatusCode != http.StatusOK {
			t.Fatalf("got %d, want 200", res.StatusCode)
		}
	}
	write(t, ca, fresh.pem())
	eventually(t, "the connection of before is refused", func() bool {
		res, body, err := tryAsk(t, c, "GET", "https://gate.test/")
		return err != nil || res.StatusCode == http.StatusForbidden && strings.Contains(body, "GH-1017")
	})
	c.CloseIdleConnections()
	if _, _, err := tryAsk(t, c, "GET", "https://gate.test/"); err == nil {
		t.Error("got an answer on a new connection")
	}
	if res, _ := ask(t, stays, "GET", "https://gate.test/"); res.StatusCode != http.StatusOK {
		t.Errorf("got %d for the authority that stays, want 200", res.StatusCode)
	}
	write(t, ca, []byte("nothing"))
	eventually(t, "a broken file is a problem", func() bool { return len(f.Problems()) == 1 })
	if res, _ := ask(t, stays, "GET", "https://gate.test/"); res.StatusCode != http.StatusOK {
		t.Errorf("got %d with a broken file, want the authorities of before", res.StatusCode)
	}
}

func TestClientAuthoritiesAtStart(t *testing.T) {
	a := newAuthority(t)
	kp := a.pair(t, t.TempDir(), names("gate.test"))
	for _, tls := range []config.TLS{{ClientRequired: true}, {ClientCA: "/nowhere"}, {ClientCA: kp.Key}} {
		tls.Files = []config.KeyPair{kp}
		refused(t, quiet(config.Server{Listen: "127.0.0.1:0", TLS: tls}).Listen(t.Context()), "GH-2031")
	}
}

// Where certificates that nobody vouches for are let in, a handler can still tell
// them from those that an authority does: by today's authorities, on connections
// of yesterday too.
func TestSelfSignedCertificates(t *testing.T) {
	callers, strangers := newAuthority(t), newAuthority(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, callers.pem())
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%d shown, %d vouched for", len(r.TLS.PeerCertificates), len(r.TLS.VerifiedChains))
	})
	f, _ := secured(t, config.Server{TLS: config.TLS{ClientCA: ca, ClientSelfSigned: true}}, who)
	own := f.Config
	vouched, stranger, nobody := f.via(f.address, with(callers.client(t))), f.via(f.address, with(strangers.client(t))), f.via(f.address)
	say := func(what string, c *http.Client, want string) {
		t.Helper()
		res, body, err := tryAsk(t, c, "GET", "https://gate.test/")
		if err == nil && res.StatusCode != http.StatusOK {
			body = res.Status
		}
		if err != nil || body != want {
			t.Errorf("%s: got %q %v, want %s", what, body, err, want)
		}
	}
	say("one of ours", vouched, "1 shown, 1 vouched for")
	say("a stranger's", stranger, "1 shown, 0 vouched for")
	say("one that is over", f.via(f.address, with(callers.client(t, expiring(-1)))), "1 shown, 0 vouched for")
	say("none", nobody, "0 shown, 0 vouched for")

	// Their authority is exchanged: what was vouched for is not any more, though it is let in.
	write(t, ca, strangers.pem())
	eventually(t, "the authorities are read again", func() bool {
		_, body, err := tryAsk(t, vouched, "GET", "https://gate.test/")
		return err == nil && body == "1 shown, 0 vouched for"
	})
	say("the other authority's", stranger, "1 shown, 1 vouched for")

	without := own
	without.TLS.ClientCA = ""
	if err := f.Reload(without, nil); err != nil {
		t.Fatal(err)
	}
	say("without authorities", stranger, "1 shown, 0 vouched for")
	closed := own
	closed.TLS.ClientSelfSigned = false
	if err := f.Reload(closed, nil); err != nil {
		t.Fatal(err)
	}
	say("strict again", stranger, "1 shown, 1 vouched for")
	say("strict again, one of nobody", vouched, "403 Forbidden")
	closed.TLS.ClientCA = ""
	if err := f.Reload(closed, nil); err != nil {
		t.Fatal(err)
	}
	say("where none is asked for, an old connection's counts no more", stranger, "403 Forbidden")
	say("where none is asked for", nobody, "0 shown, 0 vouched for")
}
