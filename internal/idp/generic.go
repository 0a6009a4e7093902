package idp

// oidc is any provider that does by the book what others have a preset for.
func oidc() *Preset {
	return &Preset{
		Name: "oidc", Title: "Any other provider", Verdict: Direct,
		Issuer: Issuer{
			Wrong:      "It is the iss of its tokens, exactly",
			Algorithms: []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}, TokenTypes: []string{"at+jwt"}, Audiences: []string{Resource},
			Claims: Claims{
				Subject: []string{"sub"}, Client: client, Scopes: scopes, Name: name, Email: email,
				Permissions: []string{"permissions"}, Roles: []string{"roles"}, Groups: []string{"groups"},
			},
		},
		Login: &Login{
			Params: []Param{groupsClaim, rolesClaim},
			Claims: Claims{Subject: []string{"sub"}, Name: name, Email: email, Roles: []string{"{roles_claim}"}, Groups: []string{"{groups_claim}"}},
			Setup: []string{
				"A confidential client for the code grant, with the redirect URI {callback}.",
			},
			Gotchas: []string{"If anybody can make an account there, say under `allow` who may come: Gatehouse cannot know."},
		},
		Hints: map[string]string{
			"GH-1104": "The client has to ask for a token with resource={resource} (RFC 8707), and the provider to put it into aud.",
			"GH-1107": `Access tokens have typ "at+jwt" (RFC 9068). If those of this provider have typ JWT, say token_types: [at+jwt, JWT].`,
		},
		Setup: []string{"`issuer` is the iss of its tokens, exactly; keys are found by its metadata."},
		Gotchas: []string{
			"Only access tokens in the profile of RFC 9068 are accepted: typ `at+jwt`, and the server's URL in `aud`.",
			"The tenant is not known: say `claims: {tenant: [CLAIM]}`.",
		},
	}
}

// gatehouse is the authorization server of another Gatehouse.
func gatehouse() *Preset {
	return &Preset{
		Name: "gatehouse", Title: "Another Gatehouse", Verdict: Direct,
		Issuer: Issuer{
			Wrong:      "It is the origin of that Gatehouse, as in https://mcp.acme.com",
			Algorithms: []string{"EdDSA", "ES256"}, TokenTypes: []string{"at+jwt"}, Audiences: []string{Resource},
			Claims: Claims{
				Subject: []string{"sub"}, Client: []string{"client_id"}, Tenant: []string{"tenant"}, Scopes: []string{"scope"}, Name: name, Email: email,
				Permissions: []string{"permissions"}, Roles: []string{"roles"}, Groups: []string{"groups"},
			},
		},
		Login: &Login{
			Refusal: "gatehouse: a Gatehouse gives out no ID tokens, so nobody can sign in with one. Name the provider that people sign in with there",
		},
		Hints: map[string]string{
			"GH-1104": "The client has to ask for a token with resource={resource}.",
		},
		Setup:   []string{"`issuer` is what its metadata says."},
		Gotchas: []string{"Its tokens name the tenant in `tenant`."},
	}
}
