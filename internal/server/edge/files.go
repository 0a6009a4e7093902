package edge

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

const (
	maxPEM      = 1 << 20             // bytes of a certificate or key file
	expiresSoon = 14 * 24 * time.Hour // before the end of a certificate people are warned
)

// files are certificates from files. A pair that can no longer be read stays
// as it was, and says so. Whoever changes it holds Edge.reloading; the lock here
// is never held while a file is read, since handshakes wait for it.
type files struct {
	mu    sync.RWMutex
	pairs []*pair
}

// pair is one certificate and its key. It is not changed once it is among the
// files, but replaced.
type pair struct {
	from      config.KeyPair
	cert, key []byte // what loaded was made of
	loaded    *tls.Certificate
	broken    string // why what was read last is not served; empty: it is
}

// load reads every pair, and keeps all or none.
func (f *files) load(from []config.KeyPair, now time.Time) error {
	var fresh []*pair
	for _, kp := range from {
		p, err := (&pair{from: kp}).again(now)
		if err != nil {
			return unusable(kp, err)
		}
		fresh = append(fresh, p)
	}
	f.set(fresh)
	return nil
}

func (f *files) set(pairs []*pair) {
	f.mu.Lock()
	f.pairs = pairs
	f.mu.Unlock()
}

func (f *files) all() []*pair {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.pairs
}

func unusable(kp config.KeyPair, err error) error {
	return &adminapi.Error{Status: http.StatusBadRequest, Code: "GH-2031", Message: fmt.Sprintf("The certificate %s with the key %s cannot be served: %v.", kp.Cert, kp.Key, err)}
}

// again reads the files. It returns p itself when they are what is served.
func (p *pair) again(now time.Time) (*pair, error) {
	if err := private(p.from.Key); err != nil {
		return nil, err
	}
	key, err := readPEM(p.from.Key)
	if err != nil {
		return nil, err
	}
	cert, err := readPEM(p.from.Cert)
	if err != nil {
		return nil, err
	}
	if p.loaded != nil && p.broken == "" && bytes.Equal(cert, p.cert) && bytes.Equal(key, p.key) {
		return p, nil
	}
	c, err := tls.X509KeyPair(cert, key)
	switch {
	case err != nil:
		return nil, bareTLS(err)
	case now.After(c.Leaf.NotAfter):
		return nil, fmt.Errorf("it has expired on %s", c.Leaf.NotAfter.Format(time.DateOnly))
	}
	return &pair{from: p.from, cert: cert, key: key, loaded: &c}, nil
}

// bareTLS keeps what a file holds out of the text: only its kind of fault is told.
func bareTLS(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), "tls: "))
}

func readPEM(path string) ([]byte, error) {
	at, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !at.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", path)
	case at.Size() > maxPEM:
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxPEM)
	}
	return os.ReadFile(path)
}

// look reads what has changed. It returns the pairs that are served anew, and
// those that have just broken.
func (f *files) look(now time.Time) (fresh, broken []string) {
	var pairs []*pair
	for _, p := range f.all() {
		next, err := p.again(now)
		switch {
		case err != nil && p.broken == err.Error():
			next = p
		case err != nil:
			kept := *p
			kept.broken, next = err.Error(), &kept
			broken = append(broken, fmt.Sprintf("%s: %v", p.from.Cert, err))
		case next != p:
			fresh = append(fresh, p.from.Cert)
		}
		pairs = append(pairs, next)
	}
	f.set(pairs)
	return fresh, broken
}

// certificate returns the first pair that a caller can use, by the name it
// asks for among others; nil: there is none.
func (f *files) certificate(hello *tls.ClientHelloInfo) *tls.Certificate {
	for _, p := range f.all() {
		if hello.SupportsCertificate(p.loaded) == nil {
			return p.loaded
		}
	}
	return nil
}

// first is served to callers who ask for no name of ours.
func (f *files) first() *tls.Certificate {
	if all := f.all(); len(all) > 0 {
		return all[0].loaded
	}
	return nil
}

func (f *files) problems(now time.Time) []Problem {
	var all []Problem
	for _, p := range f.all() {
		if p.broken != "" {
			all = append(all, Problem{Kind: ProblemFiles, Text: fmt.Sprintf("%s was changed and cannot be served, so the one before it still is: %s", p.from.Cert, p.broken)})
		}
		all = append(all, timeProblems(p.from.Cert, p.loaded, now)...)
	}
	return all
}

// timeProblems says what is wrong with when a certificate is valid.
func timeProblems(what string, c *tls.Certificate, now time.Time) []Problem {
	switch leaf := c.Leaf; {
	case now.After(leaf.NotAfter):
		return []Problem{{Kind: ProblemExpiry, Severe: true, Text: fmt.Sprintf("%s has expired on %s", what, leaf.NotAfter.Format(time.DateOnly))}}
	case now.Before(leaf.NotBefore):
		return []Problem{{Kind: ProblemExpiry, Text: fmt.Sprintf("%s is not valid before %s", what, leaf.NotBefore.Format(time.RFC3339))}}
	case leaf.NotAfter.Sub(now) < min(expiresSoon, leaf.NotAfter.Sub(leaf.NotBefore)/4): // some live for a week
		return []Problem{{Kind: ProblemExpiry, Text: fmt.Sprintf("%s expires on %s", what, leaf.NotAfter.Format(time.DateOnly))}}
	}
	return nil
}
