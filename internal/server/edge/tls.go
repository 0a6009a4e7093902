package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

const acmeProtocol = "acme-tls/1" // RFC 8737 §6.2

// tls is how callers' connections are encrypted: Go's defaults, from 1.2 on.
func (e *Edge) tls() *tls.Config {
	c := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: e.certificate,
	}
	if e.acme != nil {
		c.NextProtos = append(c.NextProtos, acmeProtocol)
	}
	return c
}

// handshake is the configuration of one connection's handshake.
func (e *Edge) handshake(c *conn) *tls.Config {
	base := e.base
	v := e.vetters.current()
	if v == nil {
		return base
	}
	// A ticket would carry yesterday's verdict on a certificate into tomorrow.
	own := base.Clone()
	own.SessionTicketsDisabled = true
	own.ClientCAs, own.ClientAuth = v.authorities, tls.VerifyClientCertIfGiven
	switch {
	case v.required:
		own.ClientAuth = tls.RequireAndVerifyClientCert
	case v.open:
		// The handshake shows that the other end has the key. Who vouches for it is
		// looked at with each request, and no authorities are named: clients keep a
		// certificate back that is of none of those.
		own.ClientCAs, own.ClientAuth = nil, tls.RequestClientCert
	}
	own.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if e.acme != nil && challenging(hello) {
			return base, nil // the ACME server has no certificate of ours, and gets no further
		}
		return nil, nil
	}
	c.peer.vetted = v
	return own
}

// challenging says whether an ACME server wants to see a challenge answered. RFC 8737 §3
func challenging(hello *tls.ClientHelloInfo) bool {
	return slices.Equal(hello.SupportedProtos, []string{acmeProtocol})
}

// certificate chooses what is shown to a caller: the file that fits, then
// ACME's, then the first file.
func (e *Edge) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if e.acme != nil && challenging(hello) {
		return e.acme.certificate(hello)
	}
	if c := e.files.certificate(hello); c != nil {
		return c, nil
	}
	if e.acme != nil {
		if c, err := e.acme.certificate(hello); err == nil {
			return c, nil
		}
	}
	if c := e.files.first(); c != nil {
		return c, nil
	}
	return nil, errors.New("there is no certificate for this name")
}

// Kinds of problems: labels of a metric.
const (
	ProblemFiles  = "certificate_files"
	ProblemExpiry = "certificate_expiry"
	ProblemACME   = "acme"
)

// Problem is something that an operator has to see to, while callers are served.
type Problem struct {
	Kind   string // one of the above
	Severe bool   // callers are turned away for it
	Text   string
}

// Problems are what is wrong with the certificates now.
func (e *Edge) Problems() []Problem {
	all := append(e.files.problems(e.now()), e.vetters.problems()...)
	if e.acme != nil {
		all = append(all, e.acme.problems(e.now())...)
	}
	return all
}

// Expiry is the end of the certificate that ends first; zero: there is none.
func (e *Edge) Expiry() time.Time {
	var ends []time.Time
	for _, p := range e.files.all() {
		ends = append(ends, p.loaded.Leaf.NotAfter)
	}
	if e.acme != nil {
		ends = append(ends, e.acme.ends()...)
	}
	if len(ends) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(ends, time.Time.Compare)
}

// watch reads files when they change. Their content is compared, so links that
// are turned elsewhere count too.
func (e *Edge) watch(ctx context.Context) {
	tick := time.NewTicker(e.PollFiles)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		e.reloading.Lock()
		fresh, broken := e.files.look(e.now())
		f, b := e.vetters.look()
		e.reloading.Unlock()
		for _, what := range append(fresh, f) {
			if what != "" {
				e.Log.Info("certificate file read again", "file", what)
			}
		}
		for _, what := range append(broken, b) {
			if what != "" {
				e.Log.Error("certificate file cannot be used; the one before it stays", "code", "GH-2031", "problem", what)
			}
		}
	}
}

// Reload takes a changed configuration: certificates, their authorities,
// trusted proxies, names, HSTS. It refuses, and changes nothing, when a part
// differs that needs a restart, or a file cannot be used. Domains are as
// Edge.Domains.
func (e *Edge) Reload(c config.Server, domains []string) error {
	e.reloading.Lock()
	defer e.reloading.Unlock()
	if err := e.fixed(c); err != nil {
		return err
	}
	f, v, err := load(c.TLS, e.now())
	if err != nil {
		return err
	}
	if err := e.reloadACME(c, domains); err != nil {
		return err
	}
	e.files.set(f.pairs)
	e.vetters.take(v)
	e.Config, e.Domains = c, domains
	e.settings.Store(settingsOf(c, domains))
	return nil
}

// Rehearse is Reload, but changes nothing.
func (e *Edge) Rehearse(c config.Server) error {
	e.reloading.Lock()
	defer e.reloading.Unlock()
	if err := e.fixed(c); err != nil {
		return err
	}
	return CheckFiles(c, e.now())
}

// CheckFiles says why the certificates of a configuration, or the authorities of
// its callers', cannot be used.
func CheckFiles(c config.Server, now time.Time) error {
	_, _, err := load(c.TLS, now)
	return err
}

// load reads every file that a configuration names.
func load(c config.TLS, now time.Time) (*files, *vetters, error) {
	f, v := &files{}, &vetters{}
	if err := f.load(c.Files, now); err != nil {
		return nil, nil, err
	}
	if err := v.load(c); err != nil {
		return nil, nil, err
	}
	return f, v, nil
}

// fixed refuses a configuration that needs a restart, and names the parts.
func (e *Edge) fixed(c config.Server) error {
	var all []string
	old := e.Config
	for _, part := range []struct {
		name string
		same bool
	}{
		{"server.listen", c.Listen == old.Listen},
		{"server.plain_listen", c.PlainListen == old.PlainListen},
		{"server.tls, as a whole", c.TLS.On() == old.TLS.On()},
		{"server.tls.terminated_by_proxy", c.TLS.TerminatedByProxy == old.TLS.TerminatedByProxy},
		{"server.tls.acme", sameACME(c.TLS.ACME, old.TLS.ACME)},
	} {
		if !part.same {
			all = append(all, part.name)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return &adminapi.Error{Status: http.StatusConflict, Code: "GH-2033", Message: fmt.Sprintf(
		"Cannot change while running: %s. Restart Gatehouse for it.", strings.Join(all, ", "))}
}
