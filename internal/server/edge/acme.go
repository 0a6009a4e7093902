package edge

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/libdns/rfc2136"
	"go.uber.org/zap"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

const (
	dnsTTL   = time.Minute     // of the record that answers a challenge
	dnsDelay = 3 * time.Second // for secondary name servers to follow the one that is updated
)

// acme gets certificates by itself, and new ones before they expire. RFC 8555
type acme struct {
	cache  *certmagic.Cache
	magic  *certmagic.Config
	issuer *certmagic.ACMEIssuer
	ctx    context.Context // ends what is under way

	mu     sync.Mutex
	names  []string
	failed map[string]string // why the last try for a name failed
}

// openACME makes everything ready. Nothing is asked for yet: the challenges are
// answered by listeners that have to be served first.
func (e *Edge) openACME() error {
	c := e.Config.TLS.ACME
	if c == nil {
		return nil
	}
	names, err := acmeNames(e.Config, e.Domains)
	if err != nil {
		return unwilling(err)
	}
	a := &acme{names: names, failed: map[string]string{}, ctx: e.background}
	template, err := e.issuer(c)
	if err != nil {
		return unwilling(err)
	}
	if err := os.MkdirAll(e.Storage, 0o700); err != nil {
		return unwilling(err)
	}
	if err := os.Chmod(e.Storage, 0o700); err != nil { // private keys lie there
		return unwilling(err)
	}
	log := zap.New(zapCore{e.Log.With("part", "acme")})
	template.Logger = log
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return a.magic, nil },
		RenewCheckInterval: e.renewEvery, Logger: log,
	})
	a.magic = certmagic.New(a.cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: e.Storage}, Logger: log, OnEvent: a.event,
		DefaultServerName: names[0],
		OCSP:              certmagic.OCSPConfig{DisableStapling: true}, // nobody is asked about us who need not be
	})
	a.issuer = certmagic.NewACMEIssuer(a.magic, template)
	a.magic.Issuers = []certmagic.Issuer{a.issuer}
	e.acme = a
	return nil
}

func unwilling(err error) error {
	return &adminapi.Error{Status: http.StatusBadRequest, Code: "GH-2034", Message: fmt.Sprintf("Certificates cannot be had from an ACME server: %v.", err)}
}

// issuer says whom to ask, and how to answer.
func (e *Edge) issuer(c *config.ACME) (certmagic.ACMEIssuer, error) {
	i := certmagic.ACMEIssuer{CA: cmp.Or(c.Directory, certmagic.LetsEncryptProductionCA), Email: c.Email, Agreed: c.AcceptTOS}
	if !c.AcceptTOS {
		return i, errors.New("its terms of service have not been agreed to; read them, and say accept_tos: true")
	}
	if e.Storage == "" {
		return i, errors.New("there is no directory to keep them in")
	}
	if c.CA != "" {
		_, pool, err := readPool(c.CA)
		if err != nil {
			return i, err
		}
		i.TrustedRoots = pool
	}
	if c.DNS != nil {
		i.DNS01Solver = &certmagic.DNS01Solver{DNSManager: certmagic.DNSManager{
			DNSProvider: &rfc2136.Provider{Server: c.DNS.Server, KeyName: c.DNS.KeyName, KeyAlg: c.DNS.Algorithm, Key: c.DNS.Key.Reveal()},
			TTL:         dnsTTL, PropagationDelay: dnsDelay,
			Resolvers: []string{c.DNS.Server}, // it knows its own zones best
		}}
		return i, nil
	}
	return i, e.challenges(&i)
}

// challenges tells certmagic which of our listeners answer, so that it opens
// none of its own.
func (e *Edge) challenges(i *certmagic.ACMEIssuer) error {
	i.DisableHTTPChallenge, i.DisableTLSALPNChallenge = true, true
	for _, g := range e.gates {
		a, ok := g.from.Addr().(*net.TCPAddr)
		if ok && g.refuse {
			i.DisableHTTPChallenge, i.AltHTTPPort, i.ListenHost = false, a.Port, hostOf(a)
		}
	}
	for _, g := range e.gates {
		a, ok := g.from.Addr().(*net.TCPAddr)
		if !ok || g.refuse || !i.DisableHTTPChallenge && i.ListenHost != hostOf(a) {
			continue // one host can be named, and plain HTTP is enough
		}
		i.DisableTLSALPNChallenge, i.AltTLSALPNPort, i.ListenHost = false, a.Port, hostOf(a)
	}
	if i.DisableHTTPChallenge && i.DisableTLSALPNChallenge {
		return errors.New("no listener of ours can be asked: listen on a port, or answer by tls.acme.dns")
	}
	return nil
}

func hostOf(a *net.TCPAddr) string {
	if a.IP == nil || a.IP.IsUnspecified() {
		return ""
	}
	return a.IP.String()
}

// acmeNames are the names that need a certificate: those that the
// configuration lists, or else all that are ours and that one can be had for.
func acmeNames(c config.Server, domains []string) ([]string, error) {
	names := slices.Clone(c.TLS.ACME.Domains)
	if len(names) == 0 {
		for name := range settingsOf(c, domains).names {
			if _, err := netip.ParseAddr(name); err != nil && name != "localhost" {
				names = append(names, name)
			}
		}
	}
	for i, name := range names {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if names[i] = name; !certmagic.SubjectQualifiesForCert(name) {
			return nil, fmt.Errorf("%q is no name that a certificate could be for", name)
		}
		if strings.HasPrefix(name, "*.") && c.TLS.ACME.DNS == nil {
			return nil, fmt.Errorf("%s can only be proven by tls.acme.dns", name) // RFC 8555 §8.4
		}
	}
	if len(names) == 0 {
		return nil, errors.New("there is no name to ask for; give public_url or tls.acme.domains")
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// startACME asks for what is missing. It does not wait: what is there already
// is served meanwhile.
func (e *Edge) startACME() {
	if a := e.acme; a != nil {
		_ = a.magic.ManageAsync(a.ctx, a.names) // it reports failures by its log and events
	}
}

func (e *Edge) closeACME() {
	if e.acme != nil {
		e.acme.cache.Stop()
	}
}

// reloadACME takes other names.
func (e *Edge) reloadACME(c config.Server, domains []string) error {
	a := e.acme
	if a == nil {
		return nil
	}
	names, err := acmeNames(c, domains)
	if err != nil {
		return unwilling(err)
	}
	a.mu.Lock()
	var gone []certmagic.SubjectIssuer
	for _, name := range a.names {
		if !slices.Contains(names, name) {
			gone = append(gone, certmagic.SubjectIssuer{Subject: name})
			delete(a.failed, name)
		}
	}
	a.names = names
	a.mu.Unlock()
	a.cache.RemoveManaged(gone)
	_ = a.magic.ManageAsync(a.ctx, names)
	return nil
}

// sameACME says whether two configurations differ in nothing but the names.
func sameACME(a, b *config.ACME) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	x.Domains, y.Domains = nil, nil
	return reflect.DeepEqual(x, y)
}

// event hears of what certmagic does.
func (a *acme) event(_ context.Context, event string, data map[string]any) error {
	name, _ := data["identifier"].(string)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch event {
	case "cert_failed":
		a.failed[name] = fmt.Sprint(data["error"])
	case "cert_obtained":
		delete(a.failed, name)
	}
	return nil
}

// certificate is that of a name, or the one that answers a challenge.
func (a *acme) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return a.magic.GetCertificate(hello)
}

// answersACME answers a challenge that came over plain HTTP. RFC 8555 §8.3
func (e *Edge) answersACME(w http.ResponseWriter, r *http.Request) bool {
	if e.acme == nil || !certmagic.LooksLikeHTTPChallenge(r) {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	e.acme.mu.Lock()
	ours := slices.Contains(e.acme.names, strings.ToLower(host))
	e.acme.mu.Unlock()
	return ours && e.acme.issuer.HandleHTTPChallenge(w, r)
}

func (a *acme) problems(now time.Time) []Problem {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []Problem
	for _, name := range a.names {
		found := a.cache.AllMatchingCertificates(name)
		why := a.failed[name]
		if len(found) == 0 {
			text := "waiting for the certificate of " + name
			if why != "" {
				text += ": " + why
			}
			all = append(all, Problem{Kind: ProblemACME, Severe: true, Text: text})
			continue
		}
		best := latest(found)
		for _, p := range timeProblems("the certificate of "+name, &best.Certificate, now) {
			if why != "" {
				p.Text += ", and could not be renewed: " + why
			}
			all = append(all, p)
		}
	}
	return all
}

// ends are when the certificates end, each name's last one.
func (a *acme) ends() []time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []time.Time
	for _, name := range a.names {
		if found := a.cache.AllMatchingCertificates(name); len(found) > 0 {
			all = append(all, latest(found).Leaf.NotAfter)
		}
	}
	return all
}

func latest(found []certmagic.Certificate) *certmagic.Certificate {
	best := slices.MaxFunc(found, func(x, y certmagic.Certificate) int { return x.Leaf.NotAfter.Compare(y.Leaf.NotAfter) })
	return &best
}
