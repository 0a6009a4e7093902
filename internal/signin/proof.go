package signin

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/discovery"
	"github.com/gatehouse-mcp/gatehouse/internal/jws"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// binding says whether the token of a sign-in is bound to a key of ours, so that
// whoever steals it can do nothing with it. RFC 9449
type binding struct {
	key      *jws.Prover // nil: it is not, unless the authorization server asks for it
	algs     []string    // of a key that has to be made then; none: any
	required bool        // the server takes no other token
}

// bind decides it for a sign-in. A server that says nothing of proofs may not
// know the scheme DPoP, and a token that is bound would be of no use there. Where
// both know it, it is used.
func (c *Client) bind(p *place, ch challenge, as *discovery.Metadata) (*binding, error) {
	b := &binding{algs: as.DPoPAlgorithms, required: p.DPoPOnly || ch.proof && !ch.bearer}
	takes := b.required || ch.proof || len(p.DPoPAlgorithms) > 0
	if !takes || !b.required && len(as.DPoPAlgorithms) == 0 {
		return b, nil
	}
	alg := ""
	for _, one := range jws.ProofAlgorithms() {
		if alg == "" && listed(as.DPoPAlgorithms, one) && listed(p.DPoPAlgorithms, one) && listed(ch.algs, one) {
			alg = one
		}
	}
	if alg == "" && b.required {
		return nil, fail(CodeProof, "%s takes only tokens that are bound to a key (DPoP), and the algorithms for it that %s and the server name have none in common with ours, %s.",
			c.Server, as.Issuer, strings.Join(jws.ProofAlgorithms(), ", "))
	}
	if alg == "" {
		return b, nil
	}
	var err error
	if b.key, err = jws.NewProver(alg); err != nil {
		return nil, because(CodeProof, err, "No key can be made.")
	}
	return b, nil
}

// listed says whether a list has an algorithm. One that is empty says nothing.
func listed(algs []string, alg string) bool { return len(algs) == 0 || slices.Contains(algs, alg) }

// demanded makes a key where the authorization server has just asked for proofs,
// which nobody had said.
func (b *binding) demanded() error {
	for _, one := range jws.ProofAlgorithms() {
		if listed(b.algs, one) {
			var err error
			b.key, err = jws.NewProver(one)
			return err
		}
	}
	return fail(CodeProof, "The authorization server asks for DPoP proofs, and names no algorithm for them that can be used.")
}

// judge holds a token to what it should be bound to, and returns the key that it is
// bound to; nil: none. RFC 9449 §5
func (b *binding) judge(t *tokenAnswer) (*jws.Prover, error) {
	switch {
	case strings.EqualFold(t.Type, schemeDPoP) && b.key != nil:
		return b.key, nil
	case strings.EqualFold(t.Type, schemeDPoP):
		return nil, fail(CodeProof, "The token is bound to a key (DPoP), and not to one of ours: it cannot be used.")
	case !strings.EqualFold(t.Type, schemeBearer):
		return nil, fail(CodeToken, "The token is of type %q, and only Bearer and DPoP can be used.", plainText(t.Type))
	case b.required: // it would be sent, be refused, and be there to steal
		return nil, fail(CodeProof, "The server takes only tokens that are bound to a key (DPoP), and the authorization server gives one that is not.")
	}
	return nil, nil
}

const (
	schemeBearer = "Bearer"
	schemeDPoP   = "DPoP" // RFC 9449 §7.1
)

// peers is what servers want in the next proof. The nonce of an authorization
// server is not that of a server, even where both are at one origin. RFC 9449 §8, §9
type peers struct {
	mu    sync.Mutex
	wants map[string]wanted // by role and origin
}

type wanted struct {
	nonce string        // empty: none
	ahead time.Duration // of the server's clock
}

const (
	asIssuer   = "issuer "
	asResource = "resource "
)

func (p *peers) at(who string) wanted {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wants[who]
}

// heard takes from an answer what the next proof needs, which every answer may say
// anew (RFC 9449 §8.2). fault is the error that is in it. It says whether another
// proof may help, and what should be in that one: once for each fault.
func (p *peers) heard(who string, h http.Header, fault string, tried *[]string, now time.Time) (w wanted, again bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w = p.wants[who]
	said := h.Values("DPoP-Nonce")
	fresh := len(said) == 1 && nonceText(said[0])
	if fresh {
		w.nonce = said[0]
	}
	switch fault {
	case oauth.UseDPoPNonce:
		again = fresh
	case oauth.InvalidDPoPProof: // our clock may be wrong, or something in between has sent the proof twice
		again = true
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			w.ahead = date.Sub(now)
		}
	}
	if p.wants == nil {
		p.wants = map[string]wanted{}
	}
	p.wants[who] = w
	if !again || slices.Contains(*tried, fault) {
		return w, false
	}
	*tried = append(slices.Clip(*tried), fault)
	return w, true
}

// nonceText says whether a text can be a nonce, of a length that leaves a proof
// short enough for a header. RFC 9449 §8.1
func nonceText(s string) bool {
	return s != "" && len(s) <= 2<<10 && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) < 0
}

// prove makes a proof for one request. token is what it is sent with; empty: none.
// RFC 9449 §4.2
func (c *Client) prove(key *jws.Prover, w wanted, method string, to *url.URL, token string) (string, error) {
	p := jws.Proof{Method: method, URL: jws.Target(to), Issued: float64(c.now().Add(w.ahead).Unix()), Nonce: w.nonce}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		p.Hash = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	text, err := key.Prove(p)
	if err != nil {
		return "", because(CodeProof, err, "The request cannot be proved to be ours.")
	}
	return text, nil
}

// Heard takes from the answer to a request with the credential what the next one
// needs, and returns with what to repeat the request, once for each fault of a proof:
// when it was refused for that alone, and so before anything was done. nil: not at
// all. RFC 9449 §9
func (c *Credential) Heard(res *http.Response) *Credential {
	if c == nil || c.key == nil || rootOf(res.Request.URL) != c.origin {
		return nil
	}
	fault := ""
	if res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusBadRequest {
		fault = readChallenge(res.Header).fault
	}
	once := *c
	w, again := c.of.peers.heard(asResource+c.origin, res.Header, fault, &once.tried, c.of.now())
	if !again {
		return nil
	}
	once.wants = &w
	return &once
}

// rootOf is the origin of a URL as it is written.
func rootOf(u *url.URL) string { return u.Scheme + "://" + u.Host }
