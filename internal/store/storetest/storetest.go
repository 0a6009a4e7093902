// Package storetest is what every database has to pass, all of it.
package storetest

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// part is one behaviour.
type part struct {
	name string
	test func(*testing.T, *store.DB)
}

// suite is every behaviour, a line each.
var suite = []part{
	{"a tenant is created, found and listed", tenantLife},
	{"a tenant's name is free again once it is deleted, its id never", testA121RecycledTenant},
	{"the default tenant is there and stays", defaultTenant},
	{"one of many wins a tenant's name", tenantRace},
	{"deleting a tenant revokes its keys and no others", tenantDelete},
	{"a key comes back as it went in", keyRoundTrip},
	{"a key's id is taken for good", keyIDs},
	{"a key needs a tenant that lives", keyTenant},
	{"tenants are kept apart", apart},
	{"an update changes what it names", update},
	{"a revocation keeps its first reason", revoke},
	{"a rotation copies rights and lifetime", rotate},
	{"a rotation is refused when it makes no sense", rotateRefused},
	{"one of many rotates a key", rotateRace},
	{"a rotation is cancelled while it lasts", cancel},
	{"a cancellation is refused when it makes no sense", cancelRefused},
	{"either a rotation is cancelled or its successor rotated", cancelRace},
	{"a revocation holds whatever happens beside it", revokeRotateRace},
	{"a tenant has no more keys than it may", bounded},
	{"many who make keys at once stay within the bound", boundedRace},
	{"an expired key comes back within the bound only", boundedReturn},
	{"the revision moves with every change", revision},
	{"changes are named", changes},
	{"many changes are not named one by one", manyChanges},
	{"concurrent changes are all seen by following the revision", follow},
	{"the last use is kept and moves no revision", uses},
	{"a secret is made once", secret},
	{"a tenant has links that no other has", tenantLinks},
	{"one of many gets a link", tenantLinkRace},
	{"a revocation comes back as it went in", revocationRoundTrip},
	{"a later revocation of the same reaches as far as either", revocationMerge},
	{"of many marks at once the newest stays", revocationRace},
	{"revocations are followed, and swept", revocationChanges},
	{"a signing key comes, moves and goes", signingLife},
	{"a change of signing keys is whole, and refused when it was decided upon another set", signingRefused},
	{"one of many changes the signing keys", signingRace},
	{"the seal's check value is made once and exchanged by whoever knows it", sealCheck},
	{"a tool is seen, changes and is approved", toolLife},
	{"a tool is approved as it was seen last, or not at all", toolRefused},
	{"one of many who see a tool first has it approved", toolRace},
	{"a sign-in is taken once, by its provider and browser", loginLife},
	{"one of many takes a sign-in", loginRace},
	{"sign-ins under way are bounded, and those that ended make room", loginBound},
	{"a provider's tokens are kept, renewed by whoever has the lease, and forgotten", tokenLife},
	{"one of many gets the lease of tokens", tokenRace},
	{"a client comes back as it went in", clientRoundTrip},
	{"a decision upon a client, its use and its change keep out of each other's way", clientLife},
	{"a deleted client stays so", clientDelete},
	{"rows that strangers cause are bounded and swept", clientBound},
	{"what people allowed a client is forgotten for all of them", clientForget},
	{"a grant is redeemed and rotated once each", grantLife},
	{"a grant ends with its access tokens, and in its tenant", grantRevoke},
	{"one of many redeems, rotates, and nobody after a revocation", grantRace},
	{"what may be seen once is seen once by one of many", onceRace},
	{"a consent is remembered by scope, and forgotten", consentLife},
	{"a refusal is remembered beside it, and takes its place", refusalLife},
	{"a device waits, and one of many decides", deviceLife},
	{"a sealed secret is made once and exchanged by whoever knows it", sealedSecret},
	{"statements that share a transaction stand or fall by themselves", alone},
	{"a user comes back as they went in", userRoundTrip},
	{"a deleted tenant's usernames and identities are free", userOfDeletedTenant},
	{"who arrives by a provider is known by it", userArrives},
	{"an identity is linked by an address that somebody vouched for", userLinks},
	{"of many who arrive at once by one identity there is one user", userArrivesRace},
	{"a session lives until it ends", sessionLife},
	{"who may not come in has no session", sessionRefused},
	{"no session outlives its user's end", sessionRace},
	{"what an administrator gave a user is changed", userChange},
	{"users change at once", userChangeRace},
	{"a user who is deleted has nothing left", userDeleted},
	{"what somebody sets up is kept, once", enrolment},
	{"an invitation is good once", invitation},
	{"attempts are slowed down", attempts},
	{"a challenge is good once", challenges},
}

// Run puts a database through the suite. Open returns an empty database, a new
// one each time, that the test's end closes.
func Run(t *testing.T, open func(*testing.T) *store.DB) {
	for _, p := range suite {
		t.Run(p.name, func(t *testing.T) { p.test(t, open(t)) })
	}
}

// at is a moment as databases keep it.
func at(minutes int) time.Time {
	return time.Date(2026, 11, 23, 19, 0, 0, 123456000, time.UTC).Add(time.Duration(minutes) * time.Minute)
}

// record is a key of a tenant with every attribute set.
func record(tn tenant.ID, n int) *apikey.Record {
	id := fmt.Sprintf("key%09d", n)
	return &apikey.Record{
		Key: apikey.Key{
			ID: id, Family: id, Tenant: tn, Name: fmt.Sprint("name ", n), Note: "a note: ü\"'\\",
			Tools:    []string{"get_*", "list_*"},
			Networks: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")},
			Created:  at(0), Expires: at(60),
			Limit: unit.Rate{Count: 60, Per: time.Minute}, Certificate: apikey.Thumbprint{1, 31: byte(n)},
		},
		Digest: [32]byte{31: byte(n), 0: 0xab}, Pepper: "fingerprint",
	}
}

// newTenant makes a tenant.
func newTenant(t *testing.T, d *store.DB, name string) tenant.ID {
	t.Helper()
	id := tenant.ID("tenant-id-" + name)
	must(t, d.Tenants().Create(t.Context(), &tenant.Tenant{
		ID: id, Name: name, State: tenant.Active, Created: at(0), Changed: at(0),
	}))
	return id
}

// newKey makes a key.
func newKey(t *testing.T, d *store.DB, tn tenant.ID, n int) *apikey.Key {
	t.Helper()
	r := record(tn, n)
	must(t, d.Keys().Create(t.Context(), tn, r))
	return &r.Key
}

// minted is the n-th key to rotate to.
func minted(n, minutes int) apikey.Minted {
	return apikey.Minted{ID: fmt.Sprintf("next%08d", n), Digest: [32]byte{byte(n), 1}, Pepper: "other", At: at(minutes)}
}

// race runs fn n times at once and returns how many got no error; every other
// error must be one of those given.
func race(t *testing.T, n int, fn func(i int) error, allowed ...error) (won int) {
	t.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		if err == nil {
			won++
		} else if !isAny(err, allowed) {
			t.Errorf("got %v, want success or one of %v", err, allowed)
		}
	}
	return won
}

func isAny(err error, targets []error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// must ends the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// get is must for a call that also returns a value.
func get[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// wantErr checks which fact an error states.
func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

func wantSame(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}
