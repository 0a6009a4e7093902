package gatehouse

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

// Finding is what one check of a token says.
type Finding struct {
	Check   string // its name: form, claims, issuer, header, algorithm, type, kind, key, signature, rules, identity, time, audience, client or binding
	OK      bool   // the token passed it
	Skipped bool   // nothing can be said; Text tells why
	Code    string // of the refusal; empty if there is none
	Text    string // for the operator; what is in the token may be in it
}

// Explain runs every check on a token, also those behind one that it does not
// pass, and says what each found. It works without Keys, offline, and without a
// request around the token (an empty Scheme); what needs them is skipped. The error is that of the
// configuration. The identity is what the claims say, nil if they say none:
// nothing of it is proven, and nobody is let in by it.
func (v *JWTVerifier) Explain(ctx context.Context, c *Credential) ([]Finding, *Identity, error) {
	offline := JWTVerifier{
		Issuer: v.Issuer, AlsoIssuers: v.AlsoIssuers, Audience: v.Audience, Audiences: v.Audiences, InsecureNoAudience: v.InsecureNoAudience,
		Clients: v.Clients, Keys: v.Keys, Algorithms: v.Algorithms, Types: v.Types, Claims: v.Claims, Reject: v.Reject, Require: v.Require,
		Leeway: v.Leeway, MaxLife: v.MaxLife, RequireIssued: v.RequireIssued, RequireDPoP: v.RequireDPoP, RequireMTLS: v.RequireMTLS, MaxToken: v.MaxToken, CacheSize: -1, Now: v.Now,
	}
	if offline.Keys == nil {
		offline.Keys = noKeys{}
	}
	r, err := offline.compile()
	if err != nil {
		return nil, nil, err
	}
	e := explanation{rules: r, token: &jwtToken{credential: c, now: r.now()}}
	e.run(ctx)
	if e.token.jwtFacts == nil {
		return e.found, nil, nil
	}
	return e.found, e.token.who, nil
}

// explanation collects what the checks of one token say.
type explanation struct {
	rules *jwtRules
	token *jwtToken
	found []Finding
}

func (e *explanation) run(ctx context.Context) {
	if len(e.token.credential.Text) > e.rules.maxToken {
		e.add("form", e.rules.tooLong(e.token.credential.Text), "")
		return
	}
	err := e.token.parse()
	if e.token.jwtFacts == nil {
		check := "form"
		if _, bad := jws.Read(e.token.credential.Text); bad == nil {
			e.add("form", nil, e.shape())
			check = "claims"
		}
		e.add(check, err, "")
		return
	}
	e.add("form", nil, e.shape())
	e.add("claims", nil, "strict JSON: no name twice, none in another spelling")
	for _, check := range e.rules.once {
		e.judge(ctx, check, slices.ContainsFunc(e.rules.each, func(c jwtCheck) bool { return c.name == check.name }))
	}
	for _, check := range e.rules.each {
		if !e.said(check.name) {
			e.judge(ctx, check, false)
		}
	}
}

func (e *explanation) shape() string {
	return fmt.Sprintf("compact JWS of %d bytes", len(e.token.credential.Text))
}

// judge runs one check, unless what it needs is missing. One that only reads for
// a later one says nothing when all is well.
func (e *explanation) judge(ctx context.Context, check jwtCheck, reads bool) {
	if why := e.lacks(check.name); why != "" && !reads {
		e.found = append(e.found, Finding{Check: check.name, Skipped: true, Text: why})
		return
	}
	switch err := check.judge(ctx, e.token); {
	case err != nil:
		e.add(check.name, err, "")
	case !reads:
		e.add(check.name, nil, e.good(check.name))
	}
}

// lacks says why a check cannot be run.
func (e *explanation) lacks(name string) string {
	cnf := e.token.cnf
	switch {
	case (name == "key" || name == "signature") && e.rules.keys == KeySet(noKeys{}):
		return "the issuer's keys are not known here (offline)"
	case name == "signature" && len(e.token.keys) == 0:
		return "there is no key to verify it by"
	case (name == "client" || name == "audience") && e.token.who == nil:
		return "the claims say no identity"
	case name == "binding" && e.token.credential.Scheme == "" && cnf.key != "":
		return "bound to key " + cnf.key + ": it counts only with a DPoP proof by that key"
	case name == "binding" && e.token.credential.Scheme == "" && cnf.certificate != "":
		return "bound to certificate " + cnf.certificate + ": it counts only on a connection with that client certificate"
	}
	return ""
}

func (e *explanation) said(name string) bool {
	for _, f := range e.found {
		if f.Check == name {
			return true
		}
	}
	return false
}

// add notes what a check said.
func (e *explanation) add(name string, err error, good string) {
	f := Finding{Check: name, OK: err == nil, Text: good}
	if bad := refused(err); bad != nil {
		f.Code, f.Text = bad.Code, bad.Description
		if bad.Cause != nil {
			f.Text = bad.Cause.Error()
		}
	} else if err != nil {
		f.Text = err.Error()
	}
	e.found = append(e.found, f)
}

// good says what a check that was passed has seen.
func (e *explanation) good(name string) string {
	t := e.token
	switch name {
	case "issuer":
		iss, _ := textClaim(t.claims, "iss")
		return fmt.Sprintf("iss %q", cut(iss))
	case "algorithm":
		return "alg " + t.alg
	case "type":
		return fmt.Sprintf("typ %q", cut(t.signed.Type))
	case "kind":
		return "nothing says that it is another kind of token"
	case "header":
		return "no key is brought along"
	case "key":
		return fmt.Sprintf("key %q is the issuer's", cut(t.kid))
	case "signature":
		return "made by the issuer's key"
	case "rules":
		return "no rule of Reject, every rule of Require"
	case "identity":
		return fmt.Sprintf("subject %q, client %q", t.who.Subject, cut(t.who.Client))
	case "time":
		return "valid until " + clock(t.times.exp)
	case "audience":
		return "aud " + quoted(t.aud)
	case "client":
		return fmt.Sprintf("client %q", cut(t.who.Client))
	case "binding":
		return strings.TrimSpace("bound as it should be " + t.cnf.key + " " + t.cnf.certificate)
	}
	return ""
}

// noKeys stands for keys that are not there.
type noKeys struct{}

// Keys implements KeySet.
func (noKeys) Keys(context.Context, string, string) ([]crypto.PublicKey, error) {
	return nil, errors.New("the issuer's keys are not known")
}
