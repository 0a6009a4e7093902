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
	authorities *x509.CertPool
	required    bool
}

// vetters holds the vetting of now, read again when its file changes.
type vetters struct {
	mu     sync.RWMutex
	path   string
	must   bool
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
		v.path, v.must, v.text, v.now, v.broken = "", false, nil, nil, ""
		v.mu.Unlock()
		return nil
	}
	text, pool, err := readPool(t.ClientCA)
	if err != nil {
		return authorities(t.ClientCA, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.path, v.must, v.text, v.broken = t.ClientCA, t.ClientRequired, text, ""
	v.now = &vetting{authorities: pool, required: t.ClientRequired}
	return nil
}

// take takes over what another has loaded. What is the same stays the same, so
// that connections need not be judged anew.
func (v *vetters) take(other *vetters) {
	v.mu.Lock()
	defer v.mu.Unlock()
	same := v.path == other.path && v.must == other.must && bytes.Equal(v.text, other.text)
	v.path, v.must, v.text, v.broken = other.path, other.must, other.text, other.broken
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
	v.text, v.now = text, &vetting{authorities: pool, required: v.must}
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

// still says whether a connection that was let in would be now.
func (v *vetters) still(p *peer, state *tls.ConnectionState) bool {
	now := v.current()
	if state == nil || now == nil || p.vetted == now {
		return true
	}
	if len(state.PeerCertificates) == 0 {
		return !now.required
	}
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: now.authorities, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err == nil
}
