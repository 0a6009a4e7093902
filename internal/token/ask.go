package token

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gatehouse-mcp/gatehouse"
)

// ask has a token of some form judged by the issuer that it is of.
func (v *Verifier) ask(ctx context.Context, c *gatehouse.Credential, form Form) (*gatehouse.Identity, *Issuer, error) {
	if form == FormJWT {
		return v.askIssuer(ctx, c)
	}
	return v.askAround(ctx, c, form)
}

// askIssuer asks the one whose iss a JWT has. It is not known yet whether that is
// true: only that nobody else could say so.
func (v *Verifier) askIssuer(ctx context.Context, c *gatehouse.Credential) (*gatehouse.Identity, *Issuer, error) {
	p, err := peekAt(c.Text)
	if err != nil {
		return nil, nil, gatehouse.Refuse("GH-1101", "The token is malformed.", err)
	}
	i := v.by[p.Issuer]
	if i == nil {
		return nil, nil, v.unclaimed(ctx, c, unknownIssuer(p.Issuer, v.Issuers))
	}
	id, err := i.Verifier.Verify(ctx, c)
	switch {
	case errors.Is(err, gatehouse.ErrNotMine):
		return nil, nil, v.unclaimed(ctx, c, told(err, gatehouse.Refuse("GH-1103", "The token is not of an issuer that is accepted here.",
			fmt.Errorf("issuer %s does not take a token that says it is of it", i.Name))))
	case err != nil:
		return nil, nil, err
	}
	return id, i, nil
}

// askAround asks those who may have issued an opaque token. A token is a secret
// between a caller and its issuer: if its beginning tells whose it is, it is shown
// to nobody else. One that says no may simply not know it, so the next is asked;
// but if one could not be asked, nobody can say that the token is not good.
func (v *Verifier) askAround(ctx context.Context, c *gatehouse.Credential, form Form) (*gatehouse.Identity, *Issuer, error) {
	var away error
	var refused *gatehouse.Error
	told := slices.ContainsFunc(v.Issuers, func(i Issuer) bool { return i.begins(c.Text) })
	for n := range v.Issuers {
		i := &v.Issuers[n]
		if !i.Introspects || told && !i.begins(c.Text) || !told && len(i.Prefixes) > 0 {
			continue
		}
		id, err := i.Verifier.Verify(ctx, c)
		switch e, isRefusal := errors.AsType[*gatehouse.Error](err); {
		case err == nil:
			return id, i, nil
		case errors.Is(err, gatehouse.ErrNotMine) && (!isRefusal || e.Code == "GH-1106"): // it was not even asked
		case isRefusal && (e.Status < 500 || errors.Is(err, gatehouse.ErrNotMine)):
			refused = e
		case away == nil:
			away = fmt.Errorf("issuer %s: %w", i.Name, err)
		}
	}
	switch {
	case away != nil:
		return nil, nil, away
	case refused != nil:
		return nil, nil, refused
	}
	cause := errors.New("the token is opaque, and no issuer is configured that could be asked about it (introspect)")
	if form == FormJWE {
		cause = errors.New("the token is encrypted (a five-part JWE), not signed; only its issuer can read it")
	}
	return nil, nil, v.unclaimed(ctx, c, gatehouse.Refuse("GH-1106", "The token is not a signed JWT.", cause))
}

// unclaimed is the refusal of a token that nobody takes.
func (v *Verifier) unclaimed(ctx context.Context, c *gatehouse.Credential, otherwise *gatehouse.Error) error {
	if v.Unclaimed == nil {
		return otherwise
	}
	_, err := v.Unclaimed.Verify(ctx, c)
	return told(err, otherwise)
}

// told is the refusal that an error has in it.
func told(err error, otherwise *gatehouse.Error) *gatehouse.Error {
	if e, ok := errors.AsType[*gatehouse.Error](err); ok {
		return e
	}
	return otherwise
}
