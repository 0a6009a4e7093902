package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

func (a *app) tokenRevoke() *cobra.Command {
	var f revokeFlags
	c := &cobra.Command{
		Use: "revoke [TOKEN | -]", Short: "Refuse tokens, at once, though their issuer vouches for them",
		Long: "Refuse one token (TOKEN, - for standard input, or --jti), or all that were issued until now to a subject, to a client,\n" +
			"to a tenant's callers or by an issuer. Whatever is open by virtue of them ends. Who signs in anew afterwards gets in again:\n" +
			"to keep somebody out for good, do it at their identity provider.",
		Example: "  gatehouse token revoke --subject 'auth0|66f1a0c2' --issuer auth0 --reason \"laptop lost\"\n  gatehouse token revoke - < stolen.txt\n" +
			"  gatehouse token revoke --jti 73WakrfVbNJBaAmhQtEeDv --issuer auth0\n  gatehouse token revoke --client https://app.example/client.json --before 2h\n" +
			"  gatehouse token revoke --tenant acme --yes\n  gatehouse token revoke --issuer auth0 --yes\n",
		Args: f.args, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			in, err := f.read(a, args)
			if err != nil {
				return err
			}
			if in.Kind == string(token.KindIssuer) || in.Kind == string(token.KindTenant) {
				what := orElse(in.Value, in.Issuer)
				if err := a.confirm(c.Context(), fmt.Sprintf("Revoke every token of %s %s? Whatever is open by virtue of them ends.", in.Kind, what), what); err != nil {
					return err
				}
			}
			return a.with(c.Context(), false, func(ctx context.Context, d *door) error {
				began := a.now()
				r, err := d.RevokeTokens(ctx, *in)
				if err != nil {
					return err
				}
				if a.json {
					return a.object(r)
				}
				took := fmt.Sprintf(" in %d ms", a.now().Sub(began).Milliseconds())
				if a.dry {
					took = ""
				}
				a.done("%s refused%s%s. Undo: gatehouse token revocations remove%s %s", revoked(r), took, a.kept(r), a.place(), orElse(r.ID, "ID"))
				return nil
			})
		},
	}
	f.flags(c)
	_ = c.RegisterFlagCompletionFunc("issuer", a.completeIssuers)
	_ = c.RegisterFlagCompletionFunc("tenant", a.completeTenants)
	return c
}

// revokeFlags say what is to be revoked.
type revokeFlags struct {
	jti, subject, client, tenant, issuer string
	before, expires, reason              string
}

func (f *revokeFlags) flags(c *cobra.Command) {
	for _, one := range []struct {
		into        *string
		name, usage string
	}{
		{&f.jti, "jti", "one token, by the `ID` in its claims"},
		{&f.subject, "subject", "all tokens of a `SUB`; needs --issuer"},
		{&f.client, "client", "all tokens that were issued to a client `ID`"},
		{&f.tenant, "tenant", "all tokens of callers of a tenant, by its `NAME`"},
		{&f.issuer, "issuer", "only of this issuer, by `NAME` or iss; alone: all of its tokens"},
		{&f.before, "before", "issued before `TIME`: 2026-11-27T08:00:00Z, 2026-11-27, or 2h for two hours ago (default now)"},
		{&f.expires, "expires", "`WHEN` it may be forgotten: 90d, 2027-02-21, never (default: when no token can be left, if that is known)"},
		{&f.reason, "reason", "why, for those who ask later"},
	} {
		c.Flags().StringVar(one.into, one.name, "", one.usage)
	}
}

// args wants a token or what describes some.
func (f *revokeFlags) args(c *cobra.Command, args []string) error {
	var given []string
	for name, value := range map[string]string{"jti": f.jti, "subject": f.subject, "client": f.client, "tenant": f.tenant, "issuer": f.issuer, "before": f.before, "expires": f.expires} {
		if c.Flags().Changed(name) && value == "" {
			return usage("--%s is empty", name)
		}
		if value != "" && name != "issuer" && name != "before" && name != "expires" {
			given = append(given, "--"+name)
		}
	}
	switch {
	case len(args) > 1:
		return usage("%s takes one token, or - for standard input. See: %[1]s --help", c.CommandPath())
	case len(args)+len(given) > 1:
		return usage("Name one: a token, --jti, --subject, --client, --tenant, or --issuer alone")
	case len(args)+len(given) == 0 && f.issuer == "":
		return usage("%s needs a token (- for standard input), or --jti, --subject, --client, --tenant or --issuer. See: %[1]s --help", c.CommandPath())
	case f.subject != "" && f.issuer == "":
		return usage("--subject needs --issuer: what one issuer calls somebody says nothing of another's")
	case len(args) == 1 && f.issuer != "":
		return usage("A token says whose it is: leave --issuer out")
	case f.before != "" && (f.jti != "" || len(args) == 1):
		return usage("--before is about many tokens, and this is one")
	}
	return nil
}

// read returns what is asked for.
func (f *revokeFlags) read(a *app, args []string) (*adminapi.NewRevocation, error) {
	in := &adminapi.NewRevocation{Issuer: f.issuer, Before: f.before, Expires: f.expires, Reason: f.reason}
	for _, k := range []struct {
		kind  token.Kind
		value string
	}{{token.KindID, f.jti}, {token.KindSubject, f.subject}, {token.KindClient, f.client}, {token.KindTenant, f.tenant}} {
		if k.value != "" {
			in.Kind, in.Value = string(k.kind), k.value
		}
	}
	switch {
	case len(args) == 1:
		return in, f.pasted(a, in, args[0])
	case in.Kind == "":
		in.Kind = string(token.KindIssuer)
	}
	return in, nil
}

// pasted reads how a token can be revoked. It stays on this machine.
func (f *revokeFlags) pasted(a *app, in *adminapi.NewRevocation, text string) error {
	if text == "-" {
		raw, err := io.ReadAll(io.LimitReader(a.in, 64<<10))
		if err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
		text = strings.TrimSpace(string(raw))
		for _, scheme := range []string{"Bearer ", "DPoP "} { // as it stands in a header
			if len(text) > len(scheme) && strings.EqualFold(text[:len(scheme)], scheme) {
				text = strings.TrimSpace(text[len(scheme):])
			}
		}
	}
	if apikey.Is(text) {
		return a.noToken(text)
	}
	p, err := token.Read(text)
	if err != nil {
		return usage("That cannot be read as a token: %v", err)
	}
	in.Kind, in.Value, in.Issuer = string(p.Kind), p.Value, p.Issuer
	if !p.Expires.IsZero() && f.expires == "" {
		in.Ends = &p.Expires
	}
	a.say("%s nothing in the token was verified: it says that it is %s\n", a.mark(a.err, "!"), says(p))
	return nil
}

// says is what a token says of itself, for people.
func says(p *token.Pasted) string {
	var all []string
	add := func(name, value string) {
		if value != "" {
			all = append(all, fmt.Sprintf("%s %.120q", name, value))
		}
	}
	add("of", p.Iss)
	add("for", p.Subject)
	if p.Kind == token.KindID {
		add("jti", p.Value)
	} else {
		all = append(all, "without a jti, so its fingerprint is taken")
	}
	for _, t := range [...]struct {
		name string
		at   time.Time
	}{{"issued", p.Issued}, {"until", p.Expires}} {
		if !t.at.IsZero() {
			all = append(all, t.name+" "+moment(t.at))
		}
	}
	return strings.Join(all, ", ")
}

// revoked says what a revocation is about.
func revoked(r *adminapi.Revocation) string {
	of := orElse(r.IssuerName, r.Issuer)
	if of != "" {
		of = " of " + of
	}
	var what string
	switch token.Kind(r.Kind) {
	case token.KindID:
		return fmt.Sprintf("token %q%s is", r.Value, of)
	case token.KindToken:
		return fmt.Sprintf("the token with the fingerprint %.16s… is", r.Value)
	case token.KindIssuer:
		what = "tokens" + of
	case token.KindTenant:
		what = fmt.Sprintf("tokens of tenant %s%s", orElse(r.Tenant, r.Value), strings.Replace(of, " of ", " by ", 1))
	default:
		what = fmt.Sprintf("tokens of %s %q%s", r.Kind, r.Value, of)
	}
	if r.Before != nil {
		what += " issued before " + r.Before.UTC().Format("2006-01-02 15:04:05 MST")
	}
	return what + " are"
}

// kept says for how long a revocation is kept.
func (a *app) kept(r *adminapi.Revocation) string {
	if r.Expires == nil {
		return ", for good"
	}
	return ", until " + moment(*r.Expires)
}
