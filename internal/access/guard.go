// Package access decides: may this caller in, and may this call pass. It is
// the only code that says yes, and every door asks it.
package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"
	"unicode"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// Tokens judges access tokens.
type Tokens interface {
	// Verify returns what a token stands for at this moment, as it was presented;
	// gatehouse.ErrNotMine when the text can be no token, and an error with a
	// *gatehouse.Error in it when it is refused: a *token.Refused if its issuer
	// accepted it.
	Verify(ctx context.Context, c *gatehouse.Credential) (*token.Active, error)
	// Watch is as that of Keys.
	Watch(ctx context.Context, a *token.Active) (watched context.Context, end func(cause error))
}

// Keys judges API keys.
type Keys interface {
	// Verify returns what a key stands for at this moment, as it was presented;
	// gatehouse.ErrNotMine when the text is no key of ours, and an
	// error of *gatehouse.Error when it is refused.
	Verify(ctx context.Context, p *gatehouse.Credential) (*apikey.Active, error)
	// Watch returns a context that ends, with a *gatehouse.Error as its cause,
	// when the key stops being good for what it was. end(nil) releases it;
	// end with an error ends it for that reason.
	Watch(ctx context.Context, key *apikey.Active) (watched context.Context, end func(cause error))
	// Used notes that the key was used. It never blocks.
	Used(key *apikey.Active, from netip.Addr, client, tool string)
}

// Guard admits callers of one server, and their calls. It does not change: a
// change of the rules is another Guard.
type Guard struct {
	Keys    Keys                // nil: no key is accepted
	Tokens  Tokens              // nil: no token is accepted
	Tenants map[string]struct{} // names of those that may come in; nil: all
	Rules   *policy.Rules       // about tools, prompts and resources; nil: the patterns of each key alone decide
	Limits  *Limits             // nil: none
	Audit   *Audit              // nil: nothing is written down
	Now     func() time.Time    // nil: time.Now
}

// Caller is somebody who was let in, with what they may do.
type Caller struct {
	*gatehouse.Identity
	TenantName string
	Tools      policy.Tools   // what the credential itself may call, whatever the rules say
	Limit      unit.Rate      // of its calls; zero: no limit of its own
	From       netip.Addr     // where the request came from
	ID         string         // who it is, unique over all issuers: what is theirs is kept under it
	Key        *apikey.Active // nil: the caller came with a token
	Token      *token.Active  // nil: the caller came with a key
}

// Right is the one credential that the caller came with; two that are the same
// compare as equal.
func (c *Caller) Right() any {
	if c.Token != nil {
		return c.Token
	}
	return c.Key
}

// Admit says who a credential stands for. Every refusal has a *gatehouse.Error in
// it, and is a *token.Refused where it is known whose token it was; a refusal
// returns no caller.
func (g *Guard) Admit(ctx context.Context, p *gatehouse.Credential) (*Caller, error) {
	if g.Keys == nil && g.Tokens == nil {
		return nil, notAccepted("neither keys nor tokens are accepted here")
	}
	if err := g.Limits.knock(p); err != nil {
		return nil, err
	}
	c, err := g.identify(ctx, p)
	if err != nil {
		return nil, g.Limits.failed(p, err)
	}
	if why := g.Welcome(c); why != nil {
		if c.Token != nil {
			return nil, c.Token.Refused(why)
		}
		return nil, why
	}
	return c, nil
}

// Knock counts a request that brings no credential which could be judged, and
// says whether its address may ask at all.
func (g *Guard) Knock(p *gatehouse.Credential) error { return g.Limits.knock(p) }

// Wasted counts a caller's request that was refused before it could be checked,
// and says whether that was one too many.
func (g *Guard) Wasted(c *Caller) error { return g.Limits.calls(c, nil) }

// identify says who a credential stands for. Only what is of another kind goes
// on to the next who may know it.
func (g *Guard) identify(ctx context.Context, p *gatehouse.Credential) (*Caller, error) {
	if g.Keys != nil && p.Scheme != schemeDPoP { // a key has nothing that a proof could be bound to
		switch key, err := g.Keys.Verify(ctx, p); {
		case err == nil:
			return &Caller{Identity: &key.Identity, TenantName: key.TenantName, Tools: key.Tools, Limit: key.Limit, From: p.From, ID: key.Subject, Key: key}, nil
		case !errors.Is(err, gatehouse.ErrNotMine):
			return nil, err
		}
	}
	if g.Tokens == nil || apikey.Is(p.Text) {
		return nil, notAccepted("not a key that is accepted here")
	}
	switch t, err := g.Tokens.Verify(ctx, p); {
	case errors.Is(err, gatehouse.ErrNotMine):
		var told *gatehouse.Error
		if errors.As(err, &told) {
			return nil, told
		}
		return nil, notAccepted("neither a key nor a token of a configured issuer")
	case err != nil:
		return nil, err
	case !sound(&t.Identity):
		return nil, t.Refused(gatehouse.Refuse("GH-1117", "The token does not say who it is for in a way that is understood here.",
			fmt.Errorf("issuer, subject or client of a token have control characters, or %q is not a subject", t.Subject)))
	default:
		return &Caller{Identity: &t.Identity, TenantName: t.TenantName, Tools: anyTool, From: p.From, ID: t.ID, Token: t}, nil
	}
}

const schemeDPoP = "DPoP" // RFC 9449 §7.1

// anyTool leaves it to the rules.
var anyTool = func() policy.Tools {
	all, err := policy.Compile([]string{"*"})
	if err != nil {
		panic(err)
	}
	return all
}()

// sound says whether an identity can be told from every other: what is theirs is
// kept under texts that are joined by control characters, and no issuer may
// speak for a key of ours.
func sound(i *gatehouse.Identity) bool {
	return i.Issuer != "" && i.Subject != "" && !strings.HasPrefix(i.Subject, "key:") &&
		!strings.ContainsFunc(i.Issuer+i.Subject+i.Client, unicode.IsControl)
}

// notAccepted is the refusal that tells strangers nothing, not even whether it
// was a key: what is none is refused in the same words. The rest is for operators.
func notAccepted(why string) *gatehouse.Error {
	return gatehouse.Refuse("GH-1011", "Credential not accepted.", errors.New(why))
}

// Welcome says why a caller who was let in may not be at this server; nil: they may.
func (g *Guard) Welcome(c *Caller) *gatehouse.Error {
	switch {
	case c.Key != nil && g.Keys == nil:
		return notAccepted("keys are not accepted here any more")
	case c.Token != nil && g.Tokens == nil:
		return notAccepted("tokens are not accepted here any more")
	case g.Tenants == nil:
		return nil
	}
	if _, ok := g.Tenants[c.TenantName]; ok {
		return nil
	}
	return &gatehouse.Error{
		Code: "GH-1204", Status: http.StatusForbidden, Description: "This credential is not for this server.",
		Cause: fmt.Errorf("%s is of tenant %s, which the server does not admit", c.credential(), c.TenantName),
	}
}

// credential names what a caller came with, for operators.
func (c *Caller) credential() string {
	if c.Token != nil {
		return fmt.Sprintf("the token of %q by %s", c.Subject, c.Issuer)
	}
	return "key id " + c.KeyID
}

// Watch returns a context that ends when the caller may no longer be here.
// end(nil) releases it; end with an error sends the caller away for that reason.
func (g *Guard) Watch(ctx context.Context, c *Caller) (watched context.Context, end func(cause error)) {
	switch {
	case c.Token != nil && g.Tokens != nil:
		return g.Tokens.Watch(ctx, c.Token)
	case c.Key != nil && g.Keys != nil:
		return g.Keys.Watch(ctx, c.Key)
	}
	watched, end = context.WithCancelCause(ctx) // it was accepted when the caller was let in
	end(g.Welcome(c))
	return watched, end
}
