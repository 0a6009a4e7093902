package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/idp"
	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

// Unclaimed says what is wrong with a token that no issuer takes, in the words of
// its provider: a token of the same vendor that is never the right one, an opaque
// one that nobody is asked about. It accepts nothing.
type Unclaimed struct {
	Issuers  []config.Issuer
	Resource string // of the server that is called
}

// Verify implements gatehouse.Verifier: the error is the refusal, or ErrNotMine
// when there is nothing to say about the token.
func (v *Unclaimed) Verify(_ context.Context, c *gatehouse.Credential) (*gatehouse.Identity, error) {
	seen := peek(c.Text)
	switch {
	case seen.signed:
		if e := v.foreign(seen.issuer); e != nil {
			return nil, e
		}
	case seen.encrypted:
		return nil, v.encrypted(seen.issuer)
	default:
		return nil, v.opaque(c.Text)
	}
	return nil, gatehouse.ErrNotMine
}

// foreign refuses a token by an issuer that people mistake for the right one.
func (v *Unclaimed) foreign(iss string) *gatehouse.Error {
	if iss == "" {
		return nil
	}
	descriptions := map[string]string{
		"GH-1103": "The token is not of an issuer that is accepted here.",
		"GH-1104": "The token is not for this server.", "GH-1107": "This is not an access token.",
	}
	for i := range v.Issuers {
		u := &v.Issuers[i]
		if p := idp.Find(u.Preset); p != nil {
			if f := p.OfForeign(u.Params, iss); f != nil {
				return gatehouse.Refuse(f.Code, descriptions[f.Code], fmt.Errorf("iss %.200q is not that of %s, %q: %s", iss, u.Name, u.Issuer, f.Text))
			}
		}
	}
	for _, p := range idp.Presets() { // whoever sends the ID token of a broker-only provider
		if p.Refusal != "" && p.Unless == "" && p.Issuer.Issuer == iss {
			return gatehouse.Refuse("GH-1103", descriptions["GH-1103"], fmt.Errorf("iss %.200q is not configured. %s", iss, p.Hints["GH-1103"]))
		}
	}
	return nil
}

// encrypted refuses a JWE. Its header may say whose it is.
func (v *Unclaimed) encrypted(iss string) *gatehouse.Error {
	e := gatehouse.Refuse("GH-1106", "The token is not a signed JWT.", errors.New("the token is encrypted (a five-part JWE): only its issuer can read it"))
	return advised(e, v.hints(e.Code, iss))
}

// opaque refuses a text that is no JWT, by what it begins with.
func (v *Unclaimed) opaque(text string) error {
	p := idp.OfOpaque(text)
	switch {
	case v.asked(p):
		return gatehouse.ErrNotMine // its own refusal says more
	case p != nil && p.Refusal != "":
		return gatehouse.Refuse("GH-1108", "The token is opaque and was not issued for this server.", errors.New(p.Hint("GH-1108", v.Resource)))
	case p != nil:
		e := gatehouse.Refuse("GH-1106", "The token is not a signed JWT.", fmt.Errorf("the token is an opaque one of %s, and nobody is asked about those", p.Title))
		return advised(e, p.Hint(e.Code, v.Resource))
	}
	e := gatehouse.Refuse("GH-1106", "The token is not a signed JWT.", errors.New("the token is opaque, and nobody is asked about such"))
	return advised(e, v.hints(e.Code, ""))
}

// asked says whether an issuer is asked about opaque tokens of a preset, or about
// those that nothing is known of.
func (v *Unclaimed) asked(p *idp.Preset) bool {
	return slices.ContainsFunc(v.Issuers, func(u config.Issuer) bool {
		own := idp.Find(u.Preset)
		return u.Introspect != nil && own != nil && (p != nil && p.Name == own.Name || len(own.Opaque) == 0 && (p == nil || p.Refusal == ""))
	})
}

// hints are those of the issuer of that iss; empty: of all that are configured.
func (v *Unclaimed) hints(code, iss string) string {
	var all []string
	for i := range v.Issuers {
		u := &v.Issuers[i]
		p := idp.Find(u.Preset)
		if p == nil || iss != "" && iss != u.Issuer {
			continue
		}
		if h := p.Hint(code, v.Resource); h != "" {
			all = append(all, h)
		}
	}
	return strings.Join(all, " ")
}

// peeked is what a token says of itself. Nothing of it is verified: it serves
// explanations and decides nothing.
type peeked struct {
	signed, encrypted bool
	issuer            string
	audience          []string
}

// peek looks into a text that may be a JWT.
func peek(text string) peeked {
	if parts := strings.Split(text, "."); len(parts) == 5 {
		header, err := base64.RawURLEncoding.DecodeString(parts[0])
		if err != nil {
			return peeked{}
		}
		o, err := jws.ReadObject(header, nil)
		if err != nil {
			return peeked{}
		}
		return peeked{encrypted: true, issuer: textOf(o, "iss")}
	}
	t, err := jws.Read(text)
	if err != nil {
		return peeked{signed: strings.HasPrefix(text, "ey") && strings.Count(text, ".") == 2}
	}
	o, err := jws.ReadObject(t.Payload, nil)
	if err != nil {
		return peeked{signed: true}
	}
	p := peeked{signed: true, issuer: textOf(o, "iss")}
	v, _ := o.Get("aud")
	if one, ok := jws.Text(v); ok {
		p.audience = []string{one}
	} else if list, ok := jws.Texts(v); ok {
		p.audience = list
	}
	return p
}

func textOf(o *jws.Object, name string) string {
	v, _ := o.Get(name)
	text, _ := jws.Text(v)
	return text
}
