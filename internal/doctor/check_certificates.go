package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// expiring is when a certificate's end is worth a word.
const expiring = 14 * 24 * time.Hour

// certificates looks at the files of TLS, or at who would give them to us.
var certificates = Check{"certificates", "TLS: validity, chain, names and the key's mode; or whether ACME answers", func(ctx context.Context, m *Machine, r *report) {
	if r.noFile(m) {
		return
	}
	t := &m.Config.Server.TLS
	for _, p := range t.Files {
		m.judgePair(r, p)
	}
	if t.ACME != nil {
		m.judgeACME(ctx, r, t.ACME)
	}
	if t.ClientCA != "" {
		m.judgeClientCA(r, t.ClientCA)
	}
	switch {
	case t.On():
	case t.TerminatedByProxy && len(m.Config.Server.TrustedProxies) == 0:
		r.warn("GH-2005", "list the proxy: server.trusted_proxies", "a proxy ends TLS, and X-Forwarded-For of nobody is believed: the addresses that are logged and limited are the proxy's, and failed sign-ins would ban it")
	case t.TerminatedByProxy:
		r.ok("a proxy ends TLS; its certificate is seen from outside: gatehouse check URL")
	default:
		r.ok("plain HTTP, which only loopback may have")
	}
}}

func (m *Machine) judgePair(r *report, p config.KeyPair) {
	if info, err := os.Stat(p.Key); err == nil {
		if who := others(p.Key, info); who != "" {
			r.fail("GH-2031", closing("chmod 600 ", p.Key), "%s can be read by %s", p.Key, who)
		}
	}
	pair, err := tls.LoadX509KeyPair(p.Cert, p.Key)
	if err != nil {
		r.fail("GH-2031", "give server.tls.files a PEM chain, the server's certificate first, and the key that belongs to it", "%s: %v", p.Cert, err)
		return
	}
	leaf, now := pair.Leaf, m.Now()
	switch left := leaf.NotAfter.Sub(now); {
	case now.Before(leaf.NotBefore):
		r.fail("GH-2031", "see that the clock is right, or wait", "%s is not valid before %s", p.Cert, day(leaf.NotBefore))
	case left <= 0:
		r.fail("GH-2031", "renew it; the file is read again by itself", "%s ended on %s", p.Cert, day(leaf.NotAfter))
	case left < expiring:
		r.warn("GH-2031", "renew it; the file is read again by itself", "%s ends on %s", p.Cert, day(leaf.NotAfter))
	default:
		r.ok("%s is valid until %s", p.Cert, day(leaf.NotAfter))
	}
	m.judgeNames(r, p.Cert, leaf)
	m.judgeChain(r, p.Cert, &pair)
}

// judgeNames wants every host that we go by in some certificate.
func (m *Machine) judgeNames(r *report, file string, leaf *x509.Certificate) {
	if len(m.Config.Server.TLS.Files) > 1 && leaf.VerifyHostname(hostOf(m.Config.Server.PublicURL)) != nil {
		return // it may be another host's; the first that fits does
	}
	for _, h := range m.hosts() {
		if h.public && leaf.VerifyHostname(h.host) != nil && len(m.Config.Server.TLS.Files) == 1 {
			r.fail("GH-2031", "have a certificate issued that has the name", "%s is not for %s (%s), but for %s", file, h.host, h.setting, fmt.Sprint(leaf.DNSNames))
		}
	}
}

func (m *Machine) judgeChain(r *report, file string, pair *tls.Certificate) {
	between := x509.NewCertPool()
	for _, raw := range pair.Certificate[1:] {
		if c, err := x509.ParseCertificate(raw); err == nil {
			between.AddCert(c)
		}
	}
	at := m.Now()
	if at.After(pair.Leaf.NotAfter) || at.Before(pair.Leaf.NotBefore) {
		at = pair.Leaf.NotAfter.Add(-time.Second) // which was said already
	}
	_, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: m.Roots, Intermediates: between, CurrentTime: at})
	unknown, is := errors.AsType[x509.UnknownAuthorityError](err)
	switch {
	case err == nil:
	case is && unknown.Cert != nil && len(pair.Certificate) == 1 && !slices.Equal(pair.Leaf.RawIssuer, pair.Leaf.RawSubject):
		r.warn("GH-2031", "put the certificates of those in between into the file, after the server's own (fullchain.pem)", "%s has no chain: this machine does not know who issued it, and neither will clients", file)
	default:
		r.warn("GH-2031", "clients have to trust its issuer, or get one from an authority that they know (server.tls.acme)", "%s is not trusted by this machine: %v", file, err)
	}
}

func (m *Machine) judgeClientCA(r *report, file string) {
	text, err := os.ReadFile(file)
	if err != nil || !x509.NewCertPool().AppendCertsFromPEM(text) {
		r.fail("GH-2031", "name a PEM file of authorities", "server.tls.client_ca %s cannot be used", file)
		return
	}
	r.ok("certificates of callers are judged by %s", file)
}

type answer struct {
	status  int
	body    []byte
	members map[string]any
}

func (a *answer) has(member string) bool { return a.members[member] != nil }

// get fetches something small.
func get(ctx context.Context, client *http.Client, url string) (*answer, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	q.Header.Set("Accept", "application/json")
	res, err := client.Do(q)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // it was only read
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	return &answer{res.StatusCode, body, object(body)}, nil
}

func day(t time.Time) string { return t.UTC().Format("2 Jan 2006") }
