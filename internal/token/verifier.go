// Package token judges the access tokens of identity providers: whose they are,
// for which tenant they speak, whether they were revoked here, and for how long
// what they let their callers do may go on.
package token

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/recent"
	"github.com/gatehouse-mcp/gatehouse/internal/right"
)

// Verifier judges the tokens that are presented to one protected server. Its
// settings do not change: a change of the configuration is another Verifier, that
// succeeds this one. Open it before it is used.
//
// What was accepted is remembered under the SHA-256 of the whole token, so that
// no part of it can stand for another token. Each server has a memory of its own:
// what is for one audience is never looked up for another.
type Verifier struct {
	Issuers []Issuer
	Rights  *Rights // required: one for all Verifiers of a process
	Tenancy Tenancy

	// Unclaimed says what is wrong with a token that no issuer takes, in the words
	// of its provider. Its error may be a *gatehouse.Error; nil: ours is used.
	Unclaimed gatehouse.Verifier

	Capacity int              // tokens kept in memory; zero: 100,000
	Now      func() time.Time // nil: time.Now

	opened bool
	by     map[string]*Issuer // by iss
	known  recent.Memory[key, *entry]
	next   atomic.Pointer[Verifier] // which has succeeded this one; nil: none has
}

const defaultCapacity = 100_000

// key is the SHA-256 of a token.
type key [sha256.Size]byte

// Spread takes some bits of the hash, which nobody can choose.
func (k key) Spread() uint { return uint(binary.LittleEndian.Uint32(k[:])) }

// Active is a token that was accepted, and who came with it. It is shared by
// every request of the token: nobody may change it.
type Active struct {
	gatehouse.Identity        // Tenant is the id of one of our tenants
	TenantName         string // its name
	IssuerName         string // as configured
	ID                 string // issuer and subject: unique over all issuers

	entry *entry
}

// entry is a token in memory.
type entry struct {
	active      Active
	facts       facts
	key         key
	claim       string                // what the token says of its tenant
	again       *gatehouse.Credential // what its issuer has to be asked about again while it is used; nil: it is signed
	ends        time.Time             // with the leeway; zero: it does not end by itself
	remembered  bool                  // it may be found by its key
	boundSender bool                  // whoever presents it has to prove that it is theirs

	home    atomic.Pointer[home]
	checked atomic.Int64  // when the issuer's verifier last accepted it, in nanoseconds since 1970
	clean   atomic.Uint64 // what version of the revocations leaves it be
	placed  atomic.Uint64 // what version of the directory has its tenant
	asking  atomic.Bool   // its issuer is being asked again
	over    atomic.Bool   // its right was ended
	right   right.Right
}

// home is by whose settings an entry is judged.
type home struct {
	verifier *Verifier
	issuer   *Issuer
}

// Open checks the settings. It returns what is wrong with them.
func (v *Verifier) Open() error {
	if v.Rights == nil || v.Rights.Revoked == nil || v.Rights.Tenants == nil {
		return errors.New("tokens cannot be judged without revocations and tenants")
	}
	v.by = map[string]*Issuer{}
	names := map[string]bool{}
	for n := range v.Issuers {
		i := &v.Issuers[n]
		if err := i.check(); err != nil {
			return err
		}
		if names[i.Name] {
			return fmt.Errorf("two issuers are called %s", i.Name)
		}
		names[i.Name] = true
		for _, iss := range i.Values {
			if other, taken := v.by[iss]; taken {
				return fmt.Errorf("iss %q is that of %s and of %s", iss, other.Name, i.Name)
			}
			v.by[iss] = i
		}
	}
	v.opened = true
	return nil
}

// Verify judges a token. Every refusal is, or has in it, a *gatehouse.Error: those of the
// issuers' verifiers, and GH-1101 (unreadable), GH-1103 (no issuer of ours),
// GH-1106 (opaque, and nobody can be asked), GH-1109 (over), GH-1117 (of nobody),
// GH-1130 (revoked), GH-1013, GH-1206 and GH-1207 (its tenant), and 503 GH-1902
// when nobody knows what was revoked. Where the issuer did accept the token it is a
// [*Refused].
func (v *Verifier) Verify(ctx context.Context, c *gatehouse.Credential) (*Active, error) {
	if !v.opened {
		return nil, errors.New("the verifier of tokens was not opened")
	}
	if len(c.Text) == 0 || len(c.Text) > maxText {
		return nil, gatehouse.Refuse("GH-1101", "The token is malformed.", fmt.Errorf("it has %d bytes, want 1 to %d", len(c.Text), maxText))
	}
	now := v.now()
	k := keyOf(c.Text)
	e, ok := v.known.Get(k)
	if !ok || !e.presentable(c) {
		return v.judge(ctx, c, k, nil, now)
	}
	switch why := e.judge(ctx, now); {
	case why != nil && (why.Code == codeRevoked || why.Code == codeAway):
		return nil, refused(why, &e.active.Identity)
	case why != nil: // it may be good for something else now: another tenant, or the leeway
		v.end(e, why)
	case e.boundSender && !e.over.Load() && !e.due(now):
		// The last that is looked at: a proof is good for one look.
		if err := e.home.Load().issuer.Bound(ctx, c, &e.active.Identity); err != nil {
			return nil, err
		}
		return &e.active, nil
	case !e.over.Load() && !e.due(now):
		return &e.active, nil
	}
	return v.judge(ctx, c, k, e, now)
}

const (
	codeRevoked = "GH-1130"
	codeAway    = "GH-1902"
	schemeDPoP  = "DPoP" // RFC 9449 §7.1
)

// keyOf hashes a token. The copy on the stack spares one on the heap.
func keyOf(text string) key {
	var room [2048]byte
	if len(text) <= len(room) {
		return sha256.Sum256(room[:copy(room[:], text)])
	}
	return sha256.Sum256([]byte(text))
}

// presentable says whether a remembered token may go without being verified as a
// whole: it is nobody's in particular and was presented plainly, or that it is
// the sender's can be judged by itself.
func (e *entry) presentable(c *gatehouse.Credential) bool {
	if e.boundSender {
		return e.home.Load().issuer.Bound != nil
	}
	return c.Scheme != schemeDPoP && len(c.Proofs) == 0
}

// judge has a token verified by its issuer, and finds out the rest. Earlier is
// what is remembered of it; nil: nothing.
func (v *Verifier) judge(ctx context.Context, c *gatehouse.Credential, k key, earlier *entry, now time.Time) (*Active, error) {
	if err := v.Rights.ready(ctx, now); err != nil {
		return nil, err
	}
	form := FormOf(c.Text)
	id, issuer, err := v.ask(ctx, c, form)
	if err != nil {
		if earlier != nil && final(err) && !ofSender(err) {
			v.end(earlier, asRefusal(err)) // its issuer says no: what is open ends too
		}
		return nil, err
	}
	e, err := v.newEntry(c, k, form, id, issuer, now)
	if err != nil {
		return nil, err
	}
	if earlier != nil {
		if earlier.over.Load() || !earlier.same(e) {
			v.end(earlier, changed())
			e.facts.seen = earlier.facts.seen // it is the same token
		} else { // go on with the one that is watched
			earlier.checked.Store(now.UnixNano())
			e = earlier
		}
	} else if known, ok := v.known.Get(k); ok { // it was presented in another way then
		e.facts.seen = known.facts.seen
	}
	if why := e.judge(ctx, now); why != nil {
		return nil, refused(why, &e.active.Identity)
	}
	if e != earlier && e.remembered {
		limit := v.Capacity
		if limit <= 0 {
			limit = defaultCapacity
		}
		v.known.Put(k, e, limit, func() bool { return v.next.Load() == nil })
	}
	return &e.active, nil
}

// newEntry makes what is remembered of a token that its issuer accepted.
func (v *Verifier) newEntry(c *gatehouse.Credential, k key, form Form, id *gatehouse.Identity, i *Issuer, now time.Time) (*entry, error) {
	if id.Subject == "" {
		return nil, gatehouse.Refuse("GH-1117", "The token does not say who it is for in a way that is understood here.", errors.New("it has no subject"))
	}
	if v.by[id.Issuer] != i {
		return nil, fmt.Errorf("the verifier of issuer %s returned an identity of %.200q", i.Name, id.Issuer)
	}
	e := &entry{
		active: Active{Identity: *id, IssuerName: i.Name, ID: id.Issuer + " " + id.Subject},
		key:    k, claim: id.Tenant,
	}
	if form != FormJWT || i.IntrospectsSigned {
		e.again = &gatehouse.Credential{Scheme: c.Scheme, Text: c.Text, Certificate: c.Certificate, Presented: c.Presented}
	}
	// A bound token comes with a proof each time. Claims that nobody can see may bind it.
	toKey, grant, via := aside(id.Claims)
	e.boundSender = c.Scheme == schemeDPoP || len(c.Proofs) > 0 || toKey
	e.remembered = !e.boundSender || i.Bound != nil
	if !id.Expires.IsZero() {
		e.ends = id.Expires.Add(i.leeway())
	}
	placed := v.Rights.Tenants.Version()
	one, why := v.Tenancy.resolve(v.Rights.Tenants, i, e.claim)
	if why != nil {
		return nil, refused(why, id)
	}
	e.active.Tenant, e.active.TenantName = string(one.ID), one.Name
	e.facts = facts{issuers: i.Values, Identity: &e.active.Identity, tenant: string(one.ID), grant: grant, via: via, fingerprint: fingerprint(c.Text, form), seen: now}
	e.active.entry = e
	e.home.Store(&home{v, i})
	e.placed.Store(placed)
	e.clean.Store(unjudged)
	e.checked.Store(now.UnixNano())
	return e, nil
}

const unjudged = ^uint64(0) // no version of anything

// end ends what a token stands for, and forgets it.
func (v *Verifier) end(e *entry, why *gatehouse.Error) {
	e.over.Store(true)
	v.Rights.watched.End(&e.right, why)
	v.known.Remove(e.key)
}

// changed ends what may still be good, but for something else.
func changed() *gatehouse.Error {
	return &gatehouse.Error{Code: "GH-1014", Status: 503, Description: "The rights of this token have changed. Try again."}
}

// final says whether an error is the issuer's word, not its absence.
func final(err error) bool {
	e, ok := errors.AsType[*gatehouse.Error](err)
	return ok && e.Status < 500
}

// ofSender says whether an error is about how a token was sent, not about the
// token: whoever has no more than a copy of a bound one gets such, and so does
// its owner who is to use another nonce. RFC 9449 §7.1, §9
func ofSender(err error) bool {
	e, ok := errors.AsType[*gatehouse.Error](err)
	return ok && (e.Code == "GH-1114" || e.Code == "GH-1115" || e.Code == "GH-1116")
}

func asRefusal(err error) *gatehouse.Error {
	if e, ok := errors.AsType[*gatehouse.Error](err); ok {
		return e
	}
	return &gatehouse.Error{Code: "GH-1901", Status: 500, Description: "Something went wrong here.", Cause: err}
}

func (v *Verifier) now() time.Time {
	if v.Now == nil {
		return time.Now()
	}
	return v.Now()
}
