package gatehouse

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/recent"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

// asker is an IntrospectionVerifier's configuration as it was read, with what
// issuers said lately.
type asker struct {
	fetch        safehttp.Fetcher
	endpoint     string
	id, secret   string
	inBody       bool
	noIssuer     bool
	rules        *jwtRules     // what a token has to be, as far as that is the same for JWTs
	keep, keepNo time.Duration // how long an answer is believed, and a no
	size         int

	yes, no recent.Memory[tokenHash, *opinion] // apart: a flood of garbage drives out no token that is good
	good    recent.Memory[tokenHash, bool]     // tokens that were active when they were last asked about, kept or not
	slots   [2]chan struct{}                   // for strangers, and for tokens that were good
	mu      sync.Mutex
	flights map[tokenHash]*asking
	waiting [2]int // of flights
}

// tokenHash is the SHA-256 of a whole token.
type tokenHash [sha256.Size]byte

// Spread implements [recent.Key].
func (h tokenHash) Spread() uint { return uint(binary.LittleEndian.Uint64(h[:])) }

// asking is a question under way.
type asking struct {
	done chan struct{}
	said *opinion // nil: err says why
	err  error
}

// Bounds of asking.
const (
	maxAnswer    = 64 << 10
	maxAsking    = 32   // questions at once about tokens that nobody knows
	maxAgain     = 16   // and about those that were good: who makes up tokens must not keep them waiting
	maxWaiting   = 1024 // tokens of either kind that are being asked about, or wait for it
	maxCacheFor  = 30 * time.Second
	maxCacheNo   = 10 * time.Second // a token may have been made only now
	askTime      = 10 * time.Second
	defaultNoted = 10_000
)

// ask returns what the issuer says of a token, or said of it lately. Callers
// with the same token wait for one question.
func (a *asker) ask(ctx context.Context, text string, hash tokenHash) (*opinion, error) {
	if said := a.remembered(hash); said != nil {
		return said, nil
	}
	q, err := a.join(text, hash)
	if err != nil {
		return nil, err
	}
	select {
	case <-q.done:
		return q.said, q.err
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for introspection: %w", context.Cause(ctx))
	}
}

// remembered returns what the issuer said of a token not long ago; nil: nothing.
func (a *asker) remembered(hash tokenHash) *opinion {
	now := seconds(a.rules.now())
	for _, memory := range [...]*recent.Memory[tokenHash, *opinion]{&a.yes, &a.no} {
		if said, ok := memory.Get(hash); ok {
			if now < said.until {
				return said
			}
			memory.Remove(hash)
		}
	}
	return nil
}

// join returns the question about a token, and asks it if nobody has. It belongs
// to nobody: whoever asked first may leave.
func (a *asker) join(text string, hash tokenHash) (*asking, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if q := a.flights[hash]; q != nil {
		return q, nil
	}
	if said := a.remembered(hash); said != nil { // answered since the caller looked
		q := &asking{done: make(chan struct{}), said: said}
		close(q.done)
		return q, nil
	}
	kind := 0
	if _, ok := a.good.Get(hash); ok {
		kind = 1
	}
	if a.waiting[kind] >= maxWaiting {
		return nil, away(fmt.Errorf("%d tokens are being asked about already", maxWaiting))
	}
	q := &asking{done: make(chan struct{})}
	a.flights[hash] = q
	a.waiting[kind]++
	go func() {
		defer close(q.done)
		ctx, cancel := context.WithTimeout(context.Background(), askTime)
		defer cancel()
		q.said, q.err = a.learn(ctx, text, hash, a.slots[kind])
		a.mu.Lock()
		delete(a.flights, hash)
		a.waiting[kind]--
		a.mu.Unlock()
	}()
	return q, nil
}

// learn asks about a token, once there is a slot, and notes the answer.
func (a *asker) learn(ctx context.Context, text string, hash tokenHash, slots chan struct{}) (said *opinion, err error) {
	defer func() {
		if r := recover(); r != nil { // no answer may end the process
			said, err = nil, away(fmt.Errorf("reading the answer broke: %v", r))
		}
	}()
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return nil, away(fmt.Errorf("%d questions are under way: %w", cap(slots), ctx.Err()))
	}
	asked := seconds(a.rules.now()) // an answer is as old as its question
	answer, known, err := a.post(ctx, text)
	if err != nil {
		return nil, away(err)
	}
	if !known {
		said = &opinion{refusal: notActive("the issuer answers with status 400: it does not take this for a token")}
	} else {
		said = a.understand(text, answer)
	}
	if said.refusal != nil {
		a.good.Remove(hash)
		said.until = asked + a.keepNo.Seconds()
		a.note(&a.no, hash, said, a.keepNo)
		return said, nil
	}
	said.until = min(asked+a.keep.Seconds(), said.facts.times.exp)
	a.good.Put(hash, true, a.size, nil)
	a.note(&a.yes, hash, said, a.keep)
	return said, nil
}

func (a *asker) note(m *recent.Memory[tokenHash, *opinion], hash tokenHash, said *opinion, keep time.Duration) {
	if keep > 0 {
		m.Put(hash, said, a.size, nil)
	}
}

// post sends the question. It returns the answer's JSON, and false if the issuer
// takes the text for no token. RFC 7662 §2.1
func (a *asker) post(ctx context.Context, text string) ([]byte, bool, error) {
	form := url.Values{"token": {text}, "token_type_hint": {"access_token"}}
	if a.inBody {
		form.Set("client_id", a.id)
		form.Set("client_secret", a.secret)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, false, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	// Asking twice changes nothing. This header is not sent: it tells the client to
	// ask again when a connection that was kept turns out to be closed.
	r.Header["Idempotency-Key"] = []string{}
	if !a.inBody && a.id != "" {
		r.SetBasicAuth(url.QueryEscape(a.id), url.QueryEscape(a.secret)) // RFC 6749 §2.3.1
	}
	res, err := a.fetch.Do(r)
	switch {
	case err != nil:
		return nil, false, err
	case res.Status == http.StatusBadRequest:
		return nil, false, nil
	case res.Status == http.StatusUnauthorized || res.Status == http.StatusForbidden:
		return nil, false, fmt.Errorf("the issuer does not accept us as client %q: %w", a.id, &safehttp.StatusError{Status: res.Status})
	case res.Status != http.StatusOK:
		return nil, false, &safehttp.StatusError{Status: res.Status}
	case !res.JSON():
		return nil, false, fmt.Errorf("the answer is %.80q, not JSON", res.Type)
	}
	return res.Body, true, nil
}

// away is the refusal while an issuer cannot be asked.
func away(cause error) *Error {
	return &Error{
		Code: "GH-1120", Status: 503,
		Description: "The issuer of the token cannot be asked at present; try again later.",
		Cause:       fmt.Errorf("introspection (%s): %w", safehttp.Reason(cause), cause),
	}
}

// compile reads the configuration, or says which field is wrong.
func (v *IntrospectionVerifier) compile() (*asker, error) {
	a := &asker{
		endpoint: v.Endpoint, id: v.ClientID, secret: v.ClientSecret, inBody: v.SecretInBody, noIssuer: v.InsecureNoIssuer,
		fetch: safehttp.Fetcher{Client: v.HTTP, Max: maxAnswer}, slots: [2]chan struct{}{make(chan struct{}, maxAsking), make(chan struct{}, maxAgain)}, flights: map[tokenHash]*asking{},
	}
	for _, set := range []func(*asker) error{v.compileWhat, v.compileWhere, v.compileClient, v.compileCache} {
		if err := set(a); err != nil {
			return nil, fmt.Errorf("IntrospectionVerifier.%s", strings.TrimPrefix(err.Error(), "JWTVerifier."))
		}
	}
	return a, nil
}

func (v *IntrospectionVerifier) compileWhere(a *asker) error {
	if v.Endpoint == "" {
		return errors.New("Endpoint is empty")
	}
	if v.HTTP == nil {
		var err error
		if a.fetch.Client, err = (safehttp.Policy{KeepAlive: true}).Client(); err != nil {
			return err
		}
	}
	if err := a.fetch.Check(v.Endpoint); err != nil {
		return fmt.Errorf("Endpoint: %w", err)
	}
	return nil
}

func (v *IntrospectionVerifier) compileClient(*asker) error {
	switch {
	case v.Anonymous && (v.ClientID != "" || v.ClientSecret != "" || v.SecretInBody):
		return errors.New("Anonymous is set, and so is ClientID, ClientSecret or SecretInBody")
	case !v.Anonymous && v.ClientID == "":
		return errors.New("ClientID is empty: the endpoint has to know us (RFC 7662 §2.1)")
	case !v.Anonymous && v.ClientSecret == "":
		return errors.New("ClientSecret is empty")
	}
	return nil
}

func (v *IntrospectionVerifier) compileWhat(a *asker) error {
	// What a token has to be is read as for JWTs, with the same words for what is wrong.
	as := &JWTVerifier{
		Issuer: v.Issuer, AlsoIssuers: v.AlsoIssuers, Keys: fixedKeys{},
		Audience: v.Audience, Audiences: v.Audiences, InsecureNoAudience: v.InsecureNoAudience, Clients: v.Clients, Claims: v.Claims,
		Reject: v.Reject, Require: v.Require, Leeway: v.Leeway, MaxLife: v.MaxLife, RequireIssued: v.RequireIssued,
		RequireDPoP: v.RequireDPoP, RequireMTLS: v.RequireMTLS, DPoP: v.DPoP, CacheSize: -1, Now: v.Now,
	}
	var err error
	if a.rules, err = as.compile(); err != nil {
		return err
	}
	for _, p := range v.Prefixes {
		if p == "" {
			return errors.New("Prefixes has an empty one, which every text begins with")
		}
	}
	return nil
}

func (v *IntrospectionVerifier) compileCache(a *asker) error {
	switch {
	case v.CacheFor > maxCacheFor:
		return fmt.Errorf("CacheFor is %s, and at most %s: a token that is revoked has to end", v.CacheFor, maxCacheFor)
	case v.CacheFor == 0:
		a.keep = maxCacheFor
	default:
		a.keep = max(v.CacheFor, 0)
	}
	a.keepNo = min(a.keep, maxCacheNo)
	switch {
	case v.CacheSize < 0:
		return errors.New("CacheSize is negative: CacheFor is what turns the cache off")
	}
	a.size = cmp.Or(v.CacheSize, defaultNoted)
	return nil
}
