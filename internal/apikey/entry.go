package apikey

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/right"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// entry is a key in memory. What Verify reads of it never changes.
type entry struct {
	id      cacheKey
	record  *Record  // nil: no key has the id
	nothing [32]byte // what a secret is compared with when record is nil
	active  Active

	epoch  atomic.Uint64 // the entry is true to every change up to this one
	minute atomic.Int64  // of the last use noted, since 1970

	latest atomic.Pointer[Record] // record, or a later one with the same rights
	right  right.Right            // what is watched
}

// newEntry makes the entry of a record that was read during an epoch.
func newEntry(id cacheKey, r *Record, epoch uint64) (*entry, error) {
	e := &entry{id: id, record: r}
	e.latest.Store(r)
	e.epoch.Store(epoch)
	if r == nil {
		return e, nil
	}
	k := &r.Key
	tools, err := policy.Compile(k.Tools)
	if err != nil {
		return nil, fmt.Errorf("rights of key %s: %w", k.ID, err)
	}
	if !k.LastUsed.At.IsZero() {
		e.minute.Store(k.LastUsed.At.Unix() / 60)
	}
	e.active = Active{
		Identity: gatehouse.Identity{
			Tenant: string(k.Tenant), Subject: "key:" + k.Family, KeyID: k.ID, Name: k.Name, Expires: k.Ends(),
		},
		Tools: tools, TenantName: r.TenantName, Limit: k.Limit, Certificate: k.Certificate, entry: e,
	}
	return e, nil
}

// sameRights reports whether b allows what a does. Times are not compared: they
// are judged whenever they matter. Nor is the limit: it is counted by for each
// call, and a stream has made its call already.
func sameRights(a, b *Record) bool {
	return a.Digest == b.Digest && a.Pepper == b.Pepper && a.Key.Tenant == b.Key.Tenant &&
		a.Key.Certificate == b.Key.Certificate && slices.Equal(a.Key.Tools, b.Key.Tools) && slices.Equal(a.Key.Networks, b.Key.Networks)
}

// within reports whether an address is in one of the networks.
func within(networks []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// judge returns why a key is not honoured at now, or nil when it is. The
// sentence for strangers is the same for every reason but one: whoever holds a
// key that was replaced has to learn that there is another.
func judge(r *Record, now time.Time) *gatehouse.Error {
	k := &r.Key
	switch k.State(now) {
	case StateRevoked:
		return notAccepted("key id %s revoked %s by %s (%q); last used %s",
			k.ID, day(k.RevokedAt), orNone(k.RevokedBy), k.Reason, used(k.LastUsed.At, k.RevokedAt, "earlier"))
	case StateExpired:
		return notAccepted("key id %s expired %s ago; rotate: gatehouse key rotate %s", k.ID, span(now.Sub(k.Expires)), k.ID)
	case StateReplaced:
		return gatehouse.Refuse("GH-1012", "Key not accepted: it was replaced by a newer one.",
			fmt.Errorf("key id %s was replaced; its overlap ended %s ago; deploy the new key (id %s)",
				k.ID, span(now.Sub(k.RetireAt)), k.ReplacedBy))
	}
	return judgeTenant(r.TenantState, k.Tenant)
}

// judgeTenant returns why no key of a tenant is honoured, or nil.
func judgeTenant(s tenant.State, id tenant.ID) *gatehouse.Error {
	switch s {
	case tenant.Active:
		return nil
	case tenant.Suspended:
		return gatehouse.Refuse("GH-1013", "Credential not accepted.", fmt.Errorf("tenant %s is suspended", id))
	}
	return notAccepted("tenant %s is %s", id, s)
}

// notAccepted is the refusal that tells strangers nothing; the rest is for operators.
func notAccepted(format string, args ...any) *gatehouse.Error {
	return gatehouse.Refuse("GH-1011", "Credential not accepted.", fmt.Errorf(format, args...))
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// used says when something was last used, seen from a later moment.
func used(last, from time.Time, word string) string {
	if last.IsZero() {
		return "never"
	}
	return span(from.Sub(last)) + " " + word
}

// span writes a duration as people say it, in its largest unit.
func span(d time.Duration) string {
	for _, u := range [...]struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "days"}, {time.Hour, "hours"}, {time.Minute, "min"}} {
		if d >= 2*u.size {
			return fmt.Sprintf("%d %s", d/u.size, u.name)
		}
	}
	return fmt.Sprintf("%d s", max(0, d/time.Second))
}
