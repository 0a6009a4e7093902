package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

// Issuer is an identity provider whose tokens are accepted.
type Issuer struct {
	Name   string   // required: for people, logs and rules
	Values []string // values of iss, exactly; the first is what links and revocations are kept under. One at least

	// Verifier judges the tokens of this issuer, signed and opaque ones as it is
	// configured. It remembers no token by itself: that is done here, where
	// revocations and tenants are known. Required.
	Verifier gatehouse.Verifier

	Introspects       bool          // Verifier asks about texts that are no JWT. RFC 7662
	IntrospectsSigned bool          // and about those that are
	Prefixes          []string      // what the opaque tokens of this provider begin with; it is shown no others then, and nobody else is shown those
	Fresh             time.Duration // how long its answer holds; zero: 30 s, which is the most. RFC 7662 §4

	Leeway      time.Duration // how long after exp Verifier accepts a token; zero: 60 s; negative: not at all
	BindTenant  string        // name of the one tenant of its callers; empty: none is told by the issuer
	TenantNames bool          // its claim of a tenant carries names of tenants; else only links count
	TellsTenant bool          // its claim counts whatever Tenancy says of claims: it is we who wrote it

	// Bound says whether a token that is bound to its sender was presented by
	// them, without judging the token itself; nil: such tokens are judged as a
	// whole each time. RFC 9449 §7.1, RFC 8705 §3
	Bound func(ctx context.Context, c *gatehouse.Credential, id *gatehouse.Identity) error

	// Version changes with every setting of the issuer. What was accepted under
	// one is taken over by the next Verifier that has the same; empty: never.
	Version string
}

const (
	maxFresh   = 30 * time.Second // of what an issuer says of an opaque token
	againAfter = 10 * time.Minute // a signed token is verified anew: its key may have been withdrawn
	maxLeeway  = time.Minute
)

// check returns what is wrong with an issuer's settings.
func (i *Issuer) check() error {
	switch {
	case i.Name == "":
		return errors.New("an issuer has no name")
	case i.Verifier == nil:
		return fmt.Errorf("issuer %s has no verifier", i.Name)
	case len(i.Values) == 0 || slices.Contains(i.Values, ""):
		return fmt.Errorf("issuer %s has no iss, or an empty one", i.Name)
	case i.Fresh < 0 || i.Fresh > maxFresh:
		return fmt.Errorf("issuer %s: an opaque token holds for %s without being asked about, want at most %s", i.Name, i.Fresh, maxFresh)
	case i.Leeway > maxLeeway:
		return fmt.Errorf("issuer %s: a leeway of %s, want at most %s", i.Name, i.Leeway, maxLeeway)
	}
	return nil
}

func (i *Issuer) leeway() time.Duration {
	switch {
	case i.Leeway == 0:
		return maxLeeway
	case i.Leeway < 0:
		return 0
	}
	return i.Leeway
}

// holds is how long what the issuer's verifier said may be gone by.
func (i *Issuer) holds(asked bool) time.Duration {
	switch {
	case !asked:
		return againAfter
	case i.Fresh == 0:
		return maxFresh
	}
	return i.Fresh
}

// begins says whether a text begins as the opaque tokens of the issuer do.
func (i *Issuer) begins(text string) bool {
	return slices.ContainsFunc(i.Prefixes, func(p string) bool { return p != "" && strings.HasPrefix(text, p) })
}

// unknownIssuer is the refusal of a token that says an iss which nobody
// configured. What operators need to know is how it differs from one that is.
func unknownIssuer(iss string, issuers []Issuer) *gatehouse.Error {
	cause := fmt.Errorf("the token's issuer %.200q is not configured", iss)
	var best *Issuer
	var value string
	score := 0
	for n := range issuers {
		for _, v := range issuers[n].Values {
			if s := likeness(iss, v); s > score {
				best, value, score = &issuers[n], v, s
			}
		}
	}
	if best != nil {
		cause = fmt.Errorf("%w; closest is %q (%s)%s", cause, value, best.Name, difference(iss, value))
	}
	return gatehouse.Refuse("GH-1103", "The token is not of an issuer that is accepted here.", cause)
}

// likeness is how much two issuers have in common: the length of what they both
// begin with, and more if they differ only in what people get wrong.
func likeness(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	if n <= len("https://") { // they all begin like this
		n = 0
	}
	if difference(a, b) != "" {
		n += 1000
	}
	return n
}

// difference says what people get wrong about an issuer.
func difference(got, want string) string {
	tail := func(s string) string { return strings.TrimSuffix(s, "/") }
	entra := func(s string) (tenant string, v1 bool) {
		if t, ok := strings.CutPrefix(s, "https://sts.windows.net/"); ok {
			return tail(t), true
		}
		t, ok := strings.CutPrefix(s, "https://login.microsoftonline.com/")
		if t, v2 := strings.CutSuffix(t, "/v2.0"); ok && v2 {
			return t, false
		}
		return "", false
	}
	a, v1 := entra(got)
	b, wants1 := entra(want)
	switch {
	case got == want:
		return ""
	case tail(got) == tail(want):
		return `: only the final "/" differs, and issuers are compared exactly`
	case strings.EqualFold(got, want):
		return ": only upper and lower case differ, and issuers are compared exactly"
	case strings.EqualFold(tail(got), tail(want)):
		return `: only the final "/" and upper and lower case differ, and issuers are compared exactly`
	case a != "" && a == b && v1 && !wants1:
		return ": this is a v1 token of the same directory; set api.requestedAccessTokenVersion to 2 in the manifest of the API"
	case a != "" && a == b && !v1 && wants1:
		return ": this is a v2 token of the same directory; configure its issuer, or set api.requestedAccessTokenVersion to 1"
	case strings.TrimPrefix(got, "http://") == strings.TrimPrefix(want, "https://"), strings.TrimPrefix(got, "https://") == strings.TrimPrefix(want, "http://"):
		return ": only http and https differ"
	}
	return ""
}
