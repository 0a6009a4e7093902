package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	rng "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// world is everything that a run has: Gatehouse, what stands behind it, who
// calls, and what is known of all of them.
type world struct {
	s       *settings
	dir     string
	file    string // the configuration
	listen  string
	program string // this one
	mounted bool   // the trail is on a small disk of its own

	report     *report
	book       *book
	ledger     *ledger
	trail      *trail
	house      *house
	behind     map[string]*behind
	ear        *net.UnixConn
	identities *identities
	streams    *streams
	citizens   chan *citizen // who have nothing to do
	canary     *caller       // and its key: nothing happens to either
	good       *key
	rules      rules     // in force, or about to be
	base       measure   // of a first life that has done everything once
	measures   []measure // at rest, of the current life
	dump       bool      // Gatehouse is to say in the end what its goroutines do

	number string // of the listener's certificate
	ca     *x509.Certificate
	sign   *ecdsa.PrivateKey
	pool   *x509.CertPool

	mu   sync.Mutex
	left []*session // abandoned by their callers
	seed *rng.Rand  // of the callers; the plan has its own
}

// open makes a directory and all that is needed before the first start.
func open(ctx context.Context, s *settings) (_ *world, err error) {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return nil, err
	}
	r := newReport(s)
	w := &world{
		s: s, dir: dir, file: filepath.Join(dir, "gatehouse.yaml"), report: r, book: newBook(s.slack, r.fail),
		ledger: newLedger("one", "two", "three"), behind: map[string]*behind{}, streams: &streams{},
		rules: rules{Denied: map[string]string{}, PerKey: "6000/min", Streams: 60, Extra: true, Strict: s.seed%2 == 0},
		seed:  rng.New(rng.NewPCG(s.seed, 2)), //nolint:gosec // of a seed, on purpose
	}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	w.house = &house{w: w}
	w.trail = newTrail(w)
	if w.program, err = self(); err != nil {
		return nil, err
	}
	if w.listen, err = freeAddress(); err != nil {
		return nil, err
	}
	if err := errors.Join(os.Mkdir(w.trailDir(), 0o700), w.certify()); err != nil {
		return nil, err
	}
	// A disk of its own can be filled without harm to others. Only root can have one.
	w.mounted = syscall.Mount("tmpfs", w.trailDir(), "tmpfs", 0, "size=48m,mode=0700") == nil
	if err := w.house.build(ctx); err != nil {
		return nil, err
	}
	w.identities = &identities{issuer: "https://" + w.listen, client: w.client(true, "127.0.0.1")}
	return w, errors.Join(w.openBehind(), w.write(w.rules))
}

// close leaves nothing behind.
func (w *world) close() {
	for _, b := range w.behind {
		b.close()
	}
	if w.ear != nil {
		_ = w.ear.Close()
	}
	if w.s.keep {
		w.report.print("left in %s\n", w.dir)
		return
	}
	if w.mounted {
		_ = syscall.Unmount(w.trailDir(), syscall.MNT_DETACH)
	}
	_ = os.RemoveAll(w.dir)
}

// dice returns randomness for one caller.
func (w *world) dice() *rng.Rand {
	w.mu.Lock()
	defer w.mu.Unlock()
	return rng.New(rng.NewPCG(w.seed.Uint64(), w.seed.Uint64())) //nolint:gosec // as above
}

// certify makes an authority, once, and a certificate for the listener.
func (w *world) certify() error {
	if w.ca == nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "soak"}, NotBefore: time.Now().Add(-time.Hour),
			NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			return err
		}
		if w.ca, err = x509.ParseCertificate(der); err != nil {
			return err
		}
		w.sign, w.pool = key, x509.NewCertPool()
		w.pool.AddCert(w.ca)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "gatehouse"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().AddDate(0, 3, 0), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, w.ca, key.Public(), w.sign)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	w.number = template.SerialNumber.String()
	return errors.Join(
		replace(filepath.Join(w.dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))),
		replace(filepath.Join(w.dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
	)
}

// client returns a client that comes from an address of its own: so one caller's
// wrong keys are not another's.
func (w *world) client(two bool, from string) *http.Client {
	dial := &net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	t := &http.Transport{
		DialContext: dial.DialContext, TLSClientConfig: &tls.Config{RootCAs: w.pool},
		ForceAttemptHTTP2: two, MaxIdleConnsPerHost: 4, IdleConnTimeout: 20 * time.Second, DisableCompression: true,
	}
	if !two {
		t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{} // HTTP/1.1 only
	}
	return &http.Client{Transport: t, Timeout: 0, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// serial returns the number of the certificate that new connections are shown.
func (w *world) serial(ctx context.Context) (string, error) {
	d := &tls.Dialer{Config: &tls.Config{RootCAs: w.pool}}
	conn, err := d.DialContext(ctx, "tcp", w.listen)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String(), nil //nolint:forcetypeassert // of a tls.Dialer
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func orElse(err error, text string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%s", text)
}
