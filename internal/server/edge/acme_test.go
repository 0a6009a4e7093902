package edge

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// zone is a name server for .test: every name is this machine, and updates are
// taken from whoever has the key. RFC 2136
type zone struct {
	address string
	mu      sync.Mutex
	txt     map[string][]string
	updates int
}

const tsigName, tsigKey = "gate.", "c2VjcmV0IG9mIHRoZSB0ZXN0cw=="

func newZone(t *testing.T) *zone {
	t.Helper()
	z := &zone{txt: map[string][]string{}}
	l, pc := bothOf(t)
	z.address = l.Addr().String()
	for _, s := range []*dns.Server{{PacketConn: pc}, {Listener: l}} {
		s.Handler, s.TsigSecret = dns.HandlerFunc(z.serve), map[string]string{tsigName: tsigKey}
		s.MsgAcceptFunc = func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept } // updates too
		go func() { _ = s.ActivateAndServe() }()
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return z
}

// bothOf listens on one port over TCP and UDP. What is free in one may be taken
// in the other.
func bothOf(t *testing.T) (net.Listener, net.PacketConn) {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		pc, err := net.ListenPacket("udp", l.Addr().String())
		if err == nil {
			return l, pc
		}
		_ = l.Close()
	}
	t.Fatal("found no port that is free over TCP and UDP")
	return nil, nil
}

func (z *zone) serve(w dns.ResponseWriter, q *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	a := new(dns.Msg)
	a.SetReply(q)
	a.Authoritative = true
	if q.Opcode == dns.OpcodeUpdate {
		z.update(w, q, a)
	} else if len(q.Question) == 1 {
		z.answer(q.Question[0], a)
	}
	_ = w.WriteMsg(a)
}

func (z *zone) update(w dns.ResponseWriter, q, a *dns.Msg) {
	if q.IsTsig() == nil || w.TsigStatus() != nil {
		a.Rcode = dns.RcodeNotAuth
		return
	}
	for _, rr := range q.Ns {
		txt, ok := rr.(*dns.TXT)
		if !ok {
			continue
		}
		name, text := strings.ToLower(txt.Hdr.Name), strings.Join(txt.Txt, "")
		if txt.Hdr.Class == dns.ClassINET {
			z.txt[name], z.updates = append(z.txt[name], text), z.updates+1
		} else {
			delete(z.txt, name)
		}
	}
	a.SetTsig(tsigName, dns.HmacSHA256, 300, time.Now().Unix())
}

func (z *zone) answer(q dns.Question, a *dns.Msg) {
	head := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 1}
	soa := &dns.SOA{Hdr: dns.RR_Header{Name: "test.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 1}, Ns: "ns.test.", Mbox: "x.test.", Serial: 1, Minttl: 1}
	switch q.Qtype {
	case dns.TypeA:
		a.Answer = append(a.Answer, &dns.A{Hdr: head, A: net.IPv4(127, 0, 0, 1)})
	case dns.TypeTXT:
		for _, text := range z.txt[strings.ToLower(q.Name)] {
			a.Answer = append(a.Answer, &dns.TXT{Hdr: head, Txt: []string{text}})
		}
	case dns.TypeSOA:
		if q.Name == "test." {
			a.Answer = append(a.Answer, soa)
		}
	}
	if len(a.Answer) == 0 {
		a.Ns = append(a.Ns, soa)
	}
}

// pebble is an ACME server.
type pebble struct {
	*httptest.Server
	t       *testing.T
	dir     string
	handler http.Handler
	zone    *zone
}

// newPebble runs one that answers once it knows where we are.
func newPebble(t *testing.T) *pebble {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	p := &pebble{t: t, dir: t.TempDir(), zone: newZone(t)}
	var mu sync.Mutex
	mu.Lock() // until it knows
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		h := p.handler
		mu.Unlock()
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	p.handler = http.NotFoundHandler()
	mu.Unlock()
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
	write(t, filepath.Join(p.dir, "root.pem"), root)
	return p
}

// asks tells it at which ports to ask, and for how long its certificates live.
func (p *pebble) asks(plain, secure string, lives time.Duration) {
	port := func(address string) int {
		_, text, _ := net.SplitHostPort(address)
		n, _ := strconv.Atoi(text)
		return n
	}
	quiet := stdlog.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	profiles := map[string]ca.Profile{"default": {Description: "x", ValidityPeriod: uint64(lives.Seconds())}}
	authority := ca.New(quiet, store, "", "ecdsa", 0, 1, profiles)
	validator := va.New(quiet, port(plain), port(secure), false, p.zone.address, store)
	front := wfe.New(quiet, store, validator, authority, []string{"pebble.test"}, false, false, 1, 1)
	p.handler = front.Handler()
}

func (p *pebble) config() *config.ACME {
	return &config.ACME{Email: "ops@gate.test", AcceptTOS: true, Directory: p.URL + "/dir", CA: filepath.Join(p.dir, "root.pem")}
}

const nowhere = "127.0.0.1:1"

// certified waits for a certificate and returns it.
func certified(t *testing.T, f *fixture, name string) *x509.Certificate {
	t.Helper()
	var found *x509.Certificate
	for end := time.Now().Add(60 * time.Second); found == nil; time.Sleep(100 * time.Millisecond) {
		c, err := tls.Dial("tcp", f.address, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err == nil {
			found = c.ConnectionState().PeerCertificates[0]
			_ = c.Close()
			continue
		}
		if time.Now().After(end) {
			t.Fatalf("waited in vain for the certificate of %s: %v\n%v\n%s", name, err, f.Problems(), f.log)
		}
	}
	if err := found.VerifyHostname(name); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(found.Issuer.CommonName, "test authority") {
		t.Fatalf("got a certificate of %s, want one of the ACME server", found.Issuer)
	}
	return found
}

func TestACMEOverHTTP(t *testing.T) {
	p := newPebble(t)
	storage := filepath.Join(t.TempDir(), "acme")
	f := opened(t, config.Server{PlainListen: "127.0.0.1:0", TLS: config.TLS{ACME: p.config()}}, func(e *Edge) {
		e.Storage = storage
	})
	p.asks(f.PlainAddresses()[0], nowhere, 90*24*time.Hour)
	f.start(nil)
	certified(t, f, "gate.test")
	eventually(t, "nothing is missing any more", func() bool { return len(f.Problems()) == 0 })
	for _, path := range []string{storage, filepath.Join(storage, "certificates")} {
		if at, err := os.Stat(path); err != nil || at.Mode().Perm() != 0o700 {
			t.Errorf("got %v of %s, want 0700", at.Mode(), path)
		}
	}
	_ = filepath.WalkDir(storage, func(path string, d os.DirEntry, _ error) error {
		if at, err := d.Info(); err == nil && !d.IsDir() && at.Mode().Perm()&0o077 != 0 {
			t.Errorf("got %v of %s, want it private", at.Mode(), path)
		}
		return nil
	})
	if got := raw(t, f.plain, plainRequest("GET", "/.well-known/acme-challenge/guess")); !strings.Contains(got, "308 ") {
		t.Errorf("got %q for a challenge that nobody set, want it treated like any other request", got)
	}
	if err := f.Reload(f.Config, append(f.Domains, "more.test")); err != nil {
		t.Fatal(err)
	}
	certified(t, f, "more.test")
	if err := f.Reload(f.Config, []string{"more.test"}); err != nil {
		t.Fatal(err)
	}
	if all := f.Problems(); len(all) != 0 {
		t.Errorf("got %v, want a name that was taken out not to be missed", all)
	}
	if strings.Contains(f.log.String(), "PRIVATE KEY") {
		t.Error("got a private key in the log")
	}
}

// relay passes connections on, after each was looked at.
func relay(t *testing.T, to string, look func()) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			look()
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
			go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
		}
	}()
	return l.Addr().String()
}

// A caller's certificate may be required: the ACME server, which has none, is
// still answered. Nobody gets further that way.
func TestACMEOverTLS(t *testing.T) {
	p := newPebble(t)
	callers := newAuthority(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, callers.pem())
	f := opened(t, config.Server{TLS: config.TLS{ACME: p.config(), ClientCA: ca, ClientRequired: true}}, func(e *Edge) {
		e.Storage = t.TempDir()
	})
	looked := make(chan string, 64)
	p.asks(nowhere, relay(t, f.address, func() { // as the ACME server would, while a challenge waits
		c, err := tls.Dial("tcp", f.address, &tls.Config{ServerName: "gate.test", InsecureSkipVerify: true, NextProtos: []string{acmeProtocol}, MaxVersion: tls.VersionTLS12})
		if err != nil {
			looked <- err.Error()
			return
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = io.WriteString(c, plainRequest("GET", "/"))
		got, _ := io.ReadAll(c)
		looked <- string(got)
	}), 90*24*time.Hour)
	f.start(nil)
	c := certified(t, f, "gate.test")
	if got := <-looked; got != "" {
		t.Errorf("got %q by the protocol of challenges, want a handshake and nothing behind it", got)
	}
	f.pool = x509.NewCertPool()
	f.pool.AddCert(c)
	if _, _, err := tryAsk(t, f.via(f.address), "GET", "https://gate.test/"); err == nil {
		t.Error("got an answer without a client certificate")
	}
	if n := f.reached(); n != 0 {
		t.Errorf("got %d requests at the handler, want none", n)
	}
}

func TestACMEOverDNS(t *testing.T) {
	p := newPebble(t)
	p.asks(nowhere, nowhere, 90*24*time.Hour)
	c := p.config()
	c.Domains = []string{"*.wild.test"}
	c.DNS = &config.DNS{Server: p.zone.address, KeyName: "gate", Algorithm: "hmac-sha256", Key: config.Secret(tsigKey)}
	storage := t.TempDir()
	f := served(t, config.Server{TLS: config.TLS{ACME: c}}, nil, func(e *Edge) { e.Storage = storage })
	shown := certified(t, f, "any.wild.test")
	if kept, err := Issued(t.Context(), storage, c, "*.wild.test"); err != nil || !kept.Equal(shown) {
		t.Errorf("got %v, %v as what is kept", kept, err)
	}
	p.zone.mu.Lock()
	defer p.zone.mu.Unlock()
	if p.zone.updates == 0 || len(p.zone.txt) != 0 {
		t.Errorf("got %d updates, and %v left behind", p.zone.updates, p.zone.txt)
	}
	if strings.Contains(f.log.String(), tsigKey) {
		t.Error("got the key of the name server in the log")
	}
}

// Certificates are renewed before they end, and a restart needs no ACME server.
func TestACMERenewalAndRestart(t *testing.T) {
	p := newPebble(t)
	conf := config.Server{PlainListen: "127.0.0.1:0", TLS: config.TLS{ACME: p.config()}}
	storage := t.TempDir()
	f := opened(t, conf, func(e *Edge) {
		e.Storage, e.renewEvery = storage, 500*time.Millisecond
	})
	p.asks(f.PlainAddresses()[0], nowhere, 30*time.Second)
	f.start(nil)
	first := certified(t, f, "gate.test")
	var second *x509.Certificate
	for end := time.Now().Add(60 * time.Second); second == nil; time.Sleep(200 * time.Millisecond) {
		if c := certified(t, f, "gate.test"); c.SerialNumber.Cmp(first.SerialNumber) != 0 {
			second = c
		}
		if time.Now().After(end) {
			t.Fatalf("waited in vain for a renewal\n%s", f.log)
		}
	}
	if !first.NotAfter.After(time.Now()) {
		t.Error("got the renewal after the end of the first, want it before")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	p.handler = http.NotFoundHandler()
	f = served(t, conf, nil, func(e *Edge) { e.Storage = storage })
	certified(t, f, "gate.test")
}

// What cannot be had is waited for, and everything else is served.
func TestACMEServerIsAway(t *testing.T) {
	a := newAuthority(t)
	root := filepath.Join(t.TempDir(), "root.pem")
	write(t, root, a.pem())
	f := served(t, config.Server{TLS: config.TLS{
		Files: []config.KeyPair{a.pair(t, t.TempDir(), names("file.test"))},
		ACME:  &config.ACME{AcceptTOS: true, Directory: "https://127.0.0.1:1/dir", CA: root, Domains: []string{"gate.test"}},
	}}, nil, func(e *Edge) { e.Storage = t.TempDir() })
	f.pool = a.pool
	if _, body := ask(t, f.via(f.address), "GET", "https://file.test/"); !strings.HasPrefix(body, "HTTP/2.0") {
		t.Errorf("got %q for the name that has a file, want an answer", body)
	}
	eventually(t, "the missing certificate is a problem with a reason", func() bool {
		all := f.Problems()
		return len(all) == 1 && all[0].Severe && all[0].Kind == ProblemACME && strings.Contains(all[0].Text, "gate.test") && strings.Contains(all[0].Text, "connection refused")
	})
}

func TestACMEConfiguration(t *testing.T) {
	good := config.ACME{AcceptTOS: true, Directory: "https://127.0.0.1:1/dir", Domains: []string{"gate.test"}}
	for want, edit := range map[string]func(*config.Server, *Edge){
		"accept_tos":               func(c *config.Server, _ *Edge) { c.TLS.ACME.AcceptTOS = false },
		"no directory":             func(_ *config.Server, e *Edge) { e.Storage = "" },
		"no such file":             func(c *config.Server, _ *Edge) { c.TLS.ACME.CA = "/nowhere" },
		"no listener":              func(c *config.Server, _ *Edge) { c.Listen = "unix:" + filepath.Join(t.TempDir(), "s") },
		"can only be proven by":    func(c *config.Server, _ *Edge) { c.TLS.ACME.Domains = []string{"*.test"} },
		"no name to ask for":       func(c *config.Server, _ *Edge) { c.TLS.ACME.Domains = nil },
		"is no name that a certif": func(c *config.Server, _ *Edge) { c.TLS.ACME.Domains = []string{"a b"} },
	} {
		acme := good
		c := config.Server{Listen: "127.0.0.1:0", TLS: config.TLS{ACME: &acme}}
		e := quiet(c)
		e.Storage = t.TempDir()
		edit(&c, e)
		e.Config = c
		refused(t, e.Listen(t.Context()), "GH-2034", want)
	}
}
