package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// callerFlags say who calls.
type callerFlags struct {
	config.CaseCaller
	lists  map[string]*string
	claims string
	token  string
	beside string // a flag that says something of the caller which a token says too
}

func (f *callerFlags) flags(a *app, c *cobra.Command) {
	s := c.Flags()
	f.lists = map[string]*string{}
	for _, l := range [...]struct{ name, doc string }{
		{"scopes", "the token's scopes, `A,B`; '' is none"}, {"permissions", "the token's permissions, `A,B`"},
		{"roles", "the token's roles, `A,B`"}, {"groups", "the token's groups, `A,B`"},
	} {
		f.lists[l.name] = s.String(l.name, "", l.doc)
	}
	s.BoolVar(&f.GroupsOmitted, "groups-omitted", false, "the token leaves groups out")
	s.StringVar(&f.Key, "key", "", "come with the key of this `LABEL` instead of a token")
	s.StringVar(&f.Tenant, "tenant", "", "`NAME` of the caller's tenant (default: default)")
	s.StringVar(&f.Subject, "subject", "", "the token's subject `ID`")
	s.StringVar(&f.Issuer, "issuer", "", "`NAME` of the issuer, or its iss")
	s.StringVar(&f.Client, "client", "", "the OAuth client's `ID`")
	s.StringVar(&f.SignedIn, "signed-in", "", "how long `AGO` the caller signed in, such as 5m")
	s.StringVar(&f.claims, "claims", "", "further claims as a `JSON` object")
	s.StringVar(&f.token, "token", "", "take all of it from a `JWT`; - reads standard input. It is not verified")
	_ = c.RegisterFlagCompletionFunc("issuer", a.completeFileIssuers)
	_ = c.RegisterFlagCompletionFunc("tenant", a.completeTenants)
}

// callersOwn are the flags that say what a token says.
var callersOwn = []string{"scopes", "permissions", "roles", "groups", "groups-omitted", "key", "subject", "issuer", "client", "signed-in", "claims"}

// read fills in what the flags say.
func (f *callerFlags) read(c *cobra.Command) error {
	for name, into := range map[string]*[]string{"scopes": &f.Scopes, "permissions": &f.Permissions, "roles": &f.Roles, "groups": &f.Groups} {
		if c.Flags().Changed(name) {
			*into = words(*f.lists[name])
		}
	}
	for _, name := range callersOwn {
		if c.Flags().Changed(name) {
			f.beside = name
		}
	}
	if f.claims != "" {
		if !json.Valid([]byte(f.claims)) || !strings.HasPrefix(strings.TrimSpace(f.claims), "{") {
			return usage("--claims %.80q is no JSON object", f.claims)
		}
		f.Claims = json.RawMessage(f.claims)
	}
	return nil
}

// words splits a list at commas and spaces; it is never nil.
func words(text string) []string {
	return append([]string{}, strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })...)
}

// asker is a caller as rules see them.
func asker(c *config.Config, who *config.CaseCaller) (*policy.Asker, error) {
	a := &policy.Asker{Tenant: orElse(who.Tenant, string(tenant.Default)), Key: who.Key, SignedIn: -1}
	id := &gatehouse.Identity{Subject: orElse(who.Subject, "somebody"), Client: who.Client, Kind: gatehouse.Kind(who.Kind), Email: who.Email}
	a.Identity = id
	if who.Key != "" {
		if who.Scopes != nil || who.Permissions != nil || who.Roles != nil || who.Groups != nil || who.Client != "" || who.Issuer != "" || who.Claims != nil {
			return nil, usage("a caller with the key %q has no token: no scopes, roles, client, issuer or claims", who.Key)
		}
		id.KeyID, id.Subject = "key", "key:"+who.Key
		return a, nil
	}
	id.Issuer = who.Issuer
	i := slices.IndexFunc(c.Auth.Issuers, func(u config.Issuer) bool { return u.Name == who.Issuer || who.Issuer == "" })
	if i >= 0 && (who.Issuer != "" || len(c.Auth.Issuers) == 1) {
		id.Issuer = c.Auth.Issuers[i].Issuer
	}
	if i < 0 && who.Issuer != "" && !strings.Contains(who.Issuer, "://") {
		var names []string
		for i := range c.Auth.Issuers {
			names = append(names, c.Auth.Issuers[i].Name)
		}
		return nil, usage("no issuer is called %.80q. Configured: %s", who.Issuer, orElse(strings.Join(names, ", "), "none"))
	}
	id.Scopes, id.Permissions, id.Roles, id.Groups = who.Scopes, who.Permissions, who.Roles, who.Groups
	id.GroupsOmitted, id.Actor, id.Claims = who.GroupsOmitted, who.Actors, who.Claims
	if who.SignedIn != "" {
		ago, err := unit.ParseDuration(who.SignedIn)
		if err != nil {
			return nil, usage("signed in %.40q ago: %v", who.SignedIn, err)
		}
		a.SignedIn = int64(ago / time.Second)
	}
	return a, nil
}

// pasted is the caller that a token describes. Nothing of it is proven.
func (a *app) pasted(c *config.Config, r *ruled, arg, tenantName string) (*policy.Asker, error) {
	text, err := a.tokenText(arg)
	if err != nil {
		return nil, err
	}
	iss := issOf(text)
	for i := range c.Auth.Issuers {
		u := &c.Auth.Issuers[i]
		if u.Issuer != iss && !slices.Contains(u.AlsoIssuer, iss) {
			continue
		}
		_, claims := parts(text)
		id, err := server.JWTVerifier(u, server.Resource(c, r.Upstream, c.Server.Listen), nil).Claims.Identity(claims)
		if err != nil {
			return nil, &fault{exitFailure, "GH-1117", sentence(fmt.Sprintf("The claims give no identity: %v", err))}
		}
		who := &policy.Asker{Identity: id, Tenant: orElse(tenantName, orElse(u.BindTenant, orElse(id.Tenant, string(tenant.Default)))), SignedIn: -1}
		if !id.SignedIn.IsZero() {
			who.SignedIn = max(0, int64(a.now().Sub(id.SignedIn)/time.Second))
		}
		return who, nil
	}
	return nil, &fault{exitFailure, "GH-1103", fmt.Sprintf("The token's issuer %.200q is none of those in %s. See: gatehouse token explain%s -", iss, a.file, a.place())}
}
