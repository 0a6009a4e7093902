package server

import (
	"encoding/json"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/idp"
)

// installations are where the fixtures' providers are, and what their tokens are
// for, if a token does not tell, or is one that has to be refused for it.
var installations = map[string]struct{ issuer, audience string }{
	"auth0":     {"https://acme.us.auth0.com/", ""},
	"authentik": {"https://sso.example.com/application/o/mcp/", "HtYkCLIENTID"},
	"clerk":     {"https://clerk.example.com", ""},
	"cognito":   {"https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Abc123", ""},
	"descope":   {"https://api.descope.com/v1/apps/agentic/P2/M1", ""},
	"dex":       {"https://dex.example.com/dex", "mcp-gateway"},
	"entra":     {"https://login.microsoftonline.com/08541b6e-646d-43de-a0eb-834e6713d6d5/v2.0", "835f09b6-0f0f-40cc-85cb-f32c5829a149"},
	"gatehouse": {"https://mcp.example.com", ""},
	"hydra":     {"https://auth.example.com", ""},
	"keycloak":  {"https://sso.example.com/realms/acme", ""},
	"logto":     {"https://acme.logto.app/oidc", ""},
	"oidc":      {"https://login.example.com", ""},
	"okta":      {"https://acme.okta.com/oauth2/aus1mcp0AS", ""},
	"ping":      {"https://auth.pingone.com/8a1b…/as", ""},
	"ping-aic":  {"https://acme.forgeblocks.com:443/am/oauth2/alpha", ""},
	"scalekit":  {"https://acme.scalekit.com/resources/res_92015146095", "res_92015146095"},
	"stytch":    {"https://noun-verb-1234.customers.stytch.com", ""},
	"supabase":  {"https://abcd1234.supabase.co/auth/v1", ""},
	"workos":    {"https://acme.authkit.app", ""},
	"zitadel":   {"https://acme.zitadel.cloud", "162840776835432345"},
}

// settings are the short form of the preset for the provider of a fixture, by
// what its token says of it. A fixture that has to be accepted though its token
// names no audience of ours gets the weaker way that the preset has for that.
func (f *fixture) settings(p *idp.Preset) map[string]any {
	s := map[string]any{"preset": p.Name}
	known := installations[p.Name]
	issuer := known.issuer
	if iss := f.claim("iss"); iss != "" && f.code() != "GH-1103" && f.issues(p, iss) {
		issuer = iss
	}
	u := parsedURL(issuer)
	ours := slices.Contains(f.audiences(), fixtureResource) || slices.Contains(f.audiences(), fixtureResource+"/")
	weak := f.expected("result") == "accept" && !ours
	maps.Copy(s, f.place(p.Name, issuer))
	switch p.Name {
	case "clerk":
		s["clients"] = f.clients()
	case "supabase":
		s["audience_mode"] = "resource"
		if weak {
			s["audience_mode"], s["clients"] = "issuer_and_client", f.clients()
		}
	case "cognito":
		if weak {
			s["audience_mode"], s["clients"] = "client", f.clients()
		}
	case "dex":
		s["direct"], s["client_id"] = true, f.audience(known.audience, `.+`)
	case "authentik":
		s["client_id"] = f.audience(known.audience, `.+`)
	case "ping-aic":
		if weak {
			s["client_id"] = f.audience("mcp-gateway", `.+`)
		}
	case "entra":
		s["app_id"] = strings.TrimPrefix(f.audience(known.audience, `^(api://)?[0-9a-fA-F-]{36}$`), "api://")
	case "zitadel":
		s["project_id"] = f.project(known.audience)
	case "scalekit":
		s["resource_id"] = f.audience(known.audience, `^res_`)
		if strings.HasPrefix(u.Path, "/resources/") {
			s["resource_id"] = path.Base(u.Path)
		}
	case "hydra":
		if f.Introspection != nil {
			s["admin_url"] = "https://hydra-admin.example.com"
		}
	}
	if f.Introspection != nil && p.Name != "hydra" {
		s["introspection"] = map[string]any{"client_id": "gatehouse", "client_secret": "${FIXTURE_SECRET}"}
		if p.Issuer.Introspect == "" {
			s["introspection"].(map[string]any)["url"] = "https://" + u.Host + "/introspect"
		}
	}
	for key, value := range f.Config {
		if s[key] = value; value == nil {
			delete(s, key)
		}
	}
	return s
}

// place is where a preset finds its provider.
func (f *fixture) place(preset, issuer string) map[string]any {
	u := parsedURL(issuer)
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	last := parts[len(parts)-1]
	switch preset {
	case "auth0":
		return map[string]any{"domain": u.Host}
	case "okta":
		return map[string]any{"domain": u.Host, "authorization_server": last}
	case "clerk":
		return map[string]any{"frontend_api": u.Host}
	case "supabase":
		return map[string]any{"project_url": strings.TrimSuffix(issuer, "/auth/v1")}
	case "entra":
		return map[string]any{"tenant": parts[0], "authority": u.Host}
	case "keycloak":
		return map[string]any{"realm_url": issuer}
	case "cognito":
		return map[string]any{"region": strings.Split(u.Host, ".")[1], "user_pool": last}
	case "workos":
		return map[string]any{"authkit_domain": u.Host}
	case "scalekit":
		return map[string]any{"environment_url": "https://" + u.Host}
	case "ping":
		return map[string]any{"environment_id": parts[0], "auth_domain": u.Host}
	}
	return map[string]any{"issuer": issuer}
}

// issues says whether a preset can have that issuer. What it cannot have is a
// token that people send by mistake.
func (f *fixture) issues(p *idp.Preset, iss string) bool {
	u := parsedURL(iss)
	if u.Scheme != "https" || u.Host == "" || p.Name == "workos" && u.Host == "api.workos.com" || p.Name == "entra" && u.Host == "sts.windows.net" {
		return false
	}
	form := p.Issuer.Form
	if p.Name == "auth0" {
		form = "" // the preset makes it, slash and all
	}
	return regexp.MustCompile(form).MatchString(iss)
}

// claim is a text that the token, its header or the provider's answer has.
func (f *fixture) claim(name string) string {
	var said map[string]json.RawMessage
	_ = json.Unmarshal(f.Introspection, &said)
	for _, from := range []map[string]json.RawMessage{f.Payload, said, f.Header} {
		var s string
		if json.Unmarshal(from[name], &s) == nil && s != "" {
			return s
		}
	}
	return ""
}

func (f *fixture) audiences() []string {
	var said map[string]json.RawMessage
	_ = json.Unmarshal(f.Introspection, &said)
	for _, from := range []map[string]json.RawMessage{f.Payload, said} {
		var list []string
		if json.Unmarshal(from["aud"], &list) == nil && list != nil {
			return list
		}
		var one string
		if json.Unmarshal(from["aud"], &one) == nil && one != "" {
			return []string{one}
		}
	}
	return nil
}

// audience is what the token is for, or otherwise if it has to be refused for that.
func (f *fixture) audience(otherwise, form string) string {
	if f.code() == "GH-1104" {
		return otherwise
	}
	for _, a := range f.audiences() {
		if a != fixtureResource && regexp.MustCompile(form).MatchString(a) {
			return a
		}
	}
	return otherwise
}

var projectRoles = regexp.MustCompile(`^urn:zitadel:iam:org:project:(\d+):roles$`)

func (f *fixture) project(otherwise string) string {
	if f.code() != "GH-1104" {
		for name := range f.Payload {
			if m := projectRoles.FindStringSubmatch(name); m != nil && slices.Contains(f.audiences(), m[1]) {
				return m[1]
			}
		}
	}
	return f.audience(otherwise, `^\d+$`)
}

// clients are those that are accepted: the token's, unless it has to be refused for it.
func (f *fixture) clients() any {
	client := f.claim("client_id")
	if client == "" {
		client = f.claim("azp")
	}
	if client == "" || f.code() == "GH-1112" {
		return []string{"client-of-the-fixtures"}
	}
	return []string{client}
}
