package probe

import (
	"encoding/json"
	"slices"
	"strings"
)

// endpoints judges the rest of what the authorization server says.
var endpoints = &Rule{
	Code: "GH-2128", Name: "server-metadata", Title: "The authorization server's metadata is complete",
	Group: Issuer, Severity: Medium, Spec: true,
	Why:   "A reader of OpenID Connect throws when a required member is missing; a client without endpoints cannot begin; the implicit grant and passwords are ways that OAuth 2.1 has taken away.",
	Fix:   "Serve both endpoints over https, the code flow alone, and openid-configuration only with all that OpenID Connect requires.",
	Links: []Link{rfc("8414", "2"), {"OpenID Connect Discovery §3", "https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata"}},
	Check: func(r *run, t *tally) {
		i, ok := r.issued(t)
		if !ok {
			return
		}
		m, x := i.meta, i.doc.x
		if m.AuthorizationEndpoint == "" || m.TokenEndpoint == "" {
			t.fail(x, "authorization_endpoint or token_endpoint is missing")
		}
		if len(m.ResponseTypes) > 0 && !slices.Contains(m.ResponseTypes, "code") {
			t.fail(x, "response_types_supported has no code")
		}
		for _, g := range []string{"implicit", "password"} {
			if slices.Contains(m.GrantTypes, g) {
				t.warn(x, "grant_types_supported has %s, which OAuth 2.1 has taken away", g)
			}
		}
		if strings.Contains(m.URL, "/openid-configuration") {
			var all map[string]json.RawMessage
			_ = json.Unmarshal(m.Raw, &all) // it was read before
			for _, n := range []string{"jwks_uri", "subject_types_supported", "id_token_signing_alg_values_supported"} {
				if all[n] == nil {
					t.warn(x, "openid-configuration without %s, which strict readers require", n)
				}
			}
		}
		if h := x.Header.Get("Access-Control-Allow-Origin"); h == "" {
			t.warn(x, "the metadata has no Access-Control-Allow-Origin: clients in a browser cannot read it")
		}
		t.pass(x, "endpoints, code flow")
	},
}
