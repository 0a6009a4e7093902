package edge

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// vetting is how callers' certificates are verified.
type vetting struct {
	authorities *x509.CertPool // never nil: that would be the system's
	required    bool
	open        bool // certificates that nobody vouches for are let in
}

// verify returns the chains by which a connection's certificate is vouched for.
func (v *vetting) verify(state *tls.ConnectionState) ([][]*x509.Certificate, error) {
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	return state.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: v.authorities, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// vetters holds the vetting of now, read again when its file changes.
type vetters struct {
	mu     sync.RWMutex
	path   string
	must   bool
	open   bool
	text   []byte
	now    *vetting // nil: callers are not asked for certificates
	broken string   // why what was read last is not used; empty: it is
}

func (v *vetters) load(t config.TLS) error {
	if t.ClientCA == "" {
		if t.ClientRequired {
			return authorities(t.ClientCA, errors.New("client certificates are required, but no client_ca says whose"))
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		v.path, v.must, v.open, v.text, v.now, v.broken = "", false, t.ClientSelfSigned, nil, nil, ""
		if t.ClientSelfSigned {
			v.now = &vetting{authorities: x509.NewCertPool(), open: true}
		}
		return nil
	}
	text, pool, err := readPool(t.ClientCA)
	if err != nil {
		return authorities(t.ClientCA, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.path, v.must, v.open, v.text, v.broken = t.ClientCA, t.ClientRequired, t.ClientSelfSigned, text, ""
	v.now = &vetting{authorities: pool, required: t.ClientRequired, open: t.ClientSelfSigned}
	return nil
}

// take takes over what another has loaded. What is the same stays the same, so
// that connections need not be judged anew.
func (v *vetters) take(other *vetters) {
	v.mu.Lock()
	defer v.mu.Unlock()
	same := v.path == other.path && v.must == other.must && v.open == other.open && bytes.Equal(v.text, other.text)
	v.path, v.must, v.open, v.text, v.broken = other.path, other.must, other.open, other.text, other.broken
	if !same {
		v.now = other.now
	}
}

func authorities(path string, err error) error {
	return &adminapi.Error{Status: http.StatusBadRequest, Code: "GH-2031", Message: fmt.Sprintf("The authorities of client certificates in %q cannot be used: %v.", path, err)}
}

func readPool(path string) ([]byte, *x509.CertPool, error) {
	text, err := readPEM(path)
	if err != nil {
		return nil, nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, nil, errors.New("there is no certificate in it")
	}
	return text, pool, nil
}

// look reads the file again. An authority that was taken out is not trusted
// from then on, on no connection. Nobody else changes path meanwhile.
func (v *vetters) look() (fresh, broken string) {
	v.mu.RLock()
	path := v.path
	v.mu.RUnlock()
	if path == "" {
		return "", ""
	}
	text, pool, err := readPool(path)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		if v.broken != err.Error() {
			broken = fmt.Sprintf("%s: %v", path, err)
		}
		v.broken = err.Error()
		return "", broken
	}
	v.broken = ""
	if bytes.Equal(text, v.text) {
		return "", ""
	}
	v.text, v.now = text, &vetting{authorities: pool, required: v.must, open: v.open}
	return path, ""
}

func (v *vetters) current() *vetting {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.now
}

func (v *vetters) problems() []Problem {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.broken == "" {
		return nil
	}
	return []Problem{{Kind: ProblemFiles, Text: fmt.Sprintf("%s was changed and cannot be used, so the authorities before it still are: %s", v.path, v.broken)}}
}

// judge says whether a connection that was let in would be now. What it
// returns of its TLS is what a request may be judged by: whoever vouches for a
// certificate does so now, not when the connection began.
func (v *vetters) judge(p *peer, state *tls.ConnectionState) (now *tls.ConnectionState, ok bool) {
	by := v.current()
	switch {
	case state == nil || len(state.PeerCertificates) == 0:
		return state, by == nil || !by.required
	case by == nil: // certificates are not asked for any more, so none counts
		return state, p.vetted == nil
	case p.vetted == by && !by.open:
		return state, true
	}
	if p.verdict != nil {
		if known := p.verdict.Load(); known != nil && known.by == by {
			return known.state, known.ok
		}
	}
	own := *state
	var err error
	own.VerifiedChains, err = by.verify(state)
	ok = err == nil || by.open
	if p.verdict != nil {
		p.verdict.Store(&verdict{by: by, state: &own, ok: ok})
	}
	return &own, ok
}

// verdict is what became of a connection's certificate.
type verdict struct {
	by    *vetting
	state *tls.ConnectionState
	ok    bool
}
