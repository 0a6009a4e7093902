package main

import (
	"context"
	"errors"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
)

// whyUser is who is asked about.
type whyUser struct {
	ID       string   `json:"id"`
	Username string   `json:"username,omitempty"`
	Email    string   `json:"email,omitempty"`
	Tenant   string   `json:"tenant"`
	State    string   `json:"state"` // active, disabled, invited; seen: the trail alone knows them
	Roles    []string `json:"roles"`
	Groups   []string `json:"groups"`
}

// whyGrant is what the rules say when a user comes by one of their grants, by the
// token that they came with last, or with every scope that there is.
type whyGrant struct {
	Grant    string         `json:"grant,omitempty"` // empty: they have none
	ClientID string         `json:"client_id,omitempty"`
	By       string         `json:"by"` // grant, every-scope: they have no grant, and allow everything on the consent page; or trail: the last token that they came with
	Scopes   []string       `json:"scopes"`
	Answer   *explainedCall `json:"answer"`

	who *policy.Asker
}

// describeUser is a user as rules see them: with the roles and groups that are
// given here, and those of the provider that they used last.
func describeUser(u *adminapi.User) *whyUser {
	out := &whyUser{ID: u.ID, Username: u.Username, Email: u.Email, Tenant: u.Tenant, State: u.State, Roles: slices.Clone(u.Roles), Groups: slices.Clone(u.Groups)}
	var last *adminapi.Identity
	for i := range u.Identities {
		if one := &u.Identities[i]; last == nil || one.LastUsed.After(last.LastUsed) {
			last = one
		}
	}
	if last != nil {
		out.Roles, out.Groups = append(out.Roles, last.Roles...), append(out.Groups, last.Groups...)
	}
	for _, list := range []*[]string{&out.Roles, &out.Groups} {
		slices.Sort(*list)
		*list = append([]string{}, slices.Compact(*list)...)
	}
	return out
}

// whyRules asks the rules about a call that nobody has made.
func (a *app) whyRules(ctx context.Context, f *whyFlags) (*whyAnswer, error) {
	op, err := f.explain.operation()
	if err != nil {
		return nil, err
	}
	if f.inForce == nil {
		a.configFile()
		if f.inForce, err = a.load(); err != nil {
			return nil, err
		}
	}
	r, err := a.oneServer(f.inForce, f.explain.server)
	if err != nil {
		return nil, err
	}
	u, err := a.findUser(ctx, f, f.user)
	if err != nil {
		return nil, err
	}
	out := &whyAnswer{Kind: "question"}
	if u != nil {
		out.User = describeUser(u)
		if out.Answers, err = a.byGrants(ctx, f, r, out.User); err != nil {
			return nil, err
		}
	} else if out.User, out.Answers, err = seenLast(ctx, f, r); err != nil {
		return nil, err
	}
	for i := range out.Answers {
		one := &out.Answers[i]
		one.Answer = askRules(r, one.who, op)
		if u != nil && u.State == "disabled" { // no rule is asked: they do not get in
			one.Answer.Decision, one.Answer.Reason = "deny", "the account is "+u.State
		}
		out.OK = out.OK || one.Answer.Decision == "allow"
	}
	return out, nil
}

// byGrants are the ways in which a user of ours may come: by each grant for the
// server, else as they would with everything allowed.
func (a *app) byGrants(ctx context.Context, f *whyFlags, r *ruled, u *whyUser) ([]whyGrant, error) {
	c := f.inForce
	resource := server.Resource(c, r.Upstream, c.Server.Listen)
	var list []adminapi.Grant
	look := func(ctx context.Context, d *door) (err error) {
		list, err = d.Grants(ctx, adminapi.GrantFilter{Subject: u.ID})
		return err
	}
	var err error
	if f.door != nil {
		err = look(ctx, &door{Client: f.door})
	} else {
		err = a.with(ctx, false, look)
	}
	if err != nil {
		return nil, err
	}
	var out []whyGrant
	for i := range list {
		g := &list[i]
		if g.State != "active" || !sameResource(g.Resource, resource) {
			continue
		}
		one := whyGrant{Grant: g.ID, ClientID: g.Client, By: "grant", Scopes: append([]string{}, g.Scopes...)}
		one.who = asUser(c, u, g.Client, one.Scopes)
		if g.SignedIn != nil {
			one.who.SignedIn = max(0, int64(a.now().Sub(*g.SignedIn).Seconds()))
		}
		out = append(out, one)
	}
	if len(out) == 0 {
		one := whyGrant{By: "every-scope", Scopes: []string{}}
		for i := range c.Scopes {
			one.Scopes = append(one.Scopes, c.Scopes[i].Name)
		}
		one.who = asUser(c, u, "", one.Scopes)
		one.who.SignedIn = 0
		out = append(out, one)
	}
	return out, nil
}

func sameResource(a, b string) bool {
	for len(b) > 0 && b[len(b)-1] == '/' {
		b = b[:len(b)-1]
	}
	return a == b
}

func asUser(c *config.Config, u *whyUser, client string, scopes []string) *policy.Asker {
	who, err := asker(c, &config.CaseCaller{Tenant: u.Tenant, Subject: u.ID, Client: client, Scopes: scopes, Roles: u.Roles, Groups: u.Groups, Kind: "user", Email: u.Email})
	if err != nil { // it can only be wrong about a key or an issuer's name
		return &policy.Asker{SignedIn: -1}
	}
	if own := c.OwnIssuer(); own != "" && c.Auth.Embedded != nil {
		who.Identity.Issuer = own
	}
	return who
}

// seenLast is somebody whom the trail alone knows, with the token that they came with last.
func seenLast(ctx context.Context, f *whyFlags, r *ruled) (*whyUser, []whyGrant, error) {
	var last *audit.Event
	kinds := []string{config.AuditToolCall, config.AuditCall, config.AuditDenied}
	_, err := f.search(ctx, audit.Query{Subject: f.user, Server: r.Name, Kinds: kinds, Limit: 1}, func(m audit.Match) error {
		last = m.Event
		return nil
	})
	if none, ok := errors.AsType[*fault](err); err != nil && (!ok || none.code != "GH-2401") {
		return nil, nil, err
	}
	if last == nil || last.Rights == nil {
		return nil, nil, noUser(f.user)
	}
	who, _, lacking := pastCaller(last)
	if lacking != "" {
		return nil, nil, noUser(f.user)
	}
	u := &whyUser{ID: last.Subject, Tenant: last.Tenant, State: "seen", Roles: append([]string{}, last.Rights.Roles...), Groups: append([]string{}, last.Rights.Groups...)}
	return u, []whyGrant{{By: "trail", ClientID: last.ClientID, Scopes: append([]string{}, last.Rights.Scopes...), who: who}}, nil
}

func noUser(text string) error {
	return &fault{exitNotFound, "GH-2401", "There is no user " + quoted(printableText(text)) + " here, and nobody of this subject has called that server with a token. " +
		"Ask for an id, name or address of gatehouse user list, or say what the token has: gatehouse policy explain"}
}
