package idp

func supabase() *Preset {
	const shared = `aud is "authenticated", the same for every application of the project`
	return &Preset{
		Name: "supabase", Title: "Supabase Auth", Verdict: Weaker,
		Params: []Param{
			{Name: "project_url", Form: URL, Need: true, Example: "https://abcd1234.supabase.co", Doc: "The project's URL."},
			{
				Name: "audience_mode", Need: true, One: []string{"resource", AudienceClient}, Example: "resource",
				Doc:     "`resource`: aud has to be the server's URL, which a Custom Access Token Hook puts there. `issuer_and_client`: any aud does, and `clients` lists whose tokens are accepted.",
				Missing: shared + ". Choose: resource, with a Custom Access Token Hook that sets aud, or issuer_and_client, with a list of clients.",
			},
		},
		Issuer: Issuer{
			Issuer: "{project_url}/auth/v1", KeysURL: "{issuer}/.well-known/jwks.json",
			Algorithms: []string{"ES256", "RS256"}, TokenTypes: []string{"JWT", "at+jwt"}, Mode: "{audience_mode}", Audiences: []string{Resource},
			Claims: Claims{
				Subject: []string{"sub"}, Client: []string{"client_id"}, Tenant: []string{"app_metadata.tenant_id"}, Scopes: []string{"scope"},
				Name: []string{"name"}, Email: email,
				// Never user_metadata: users write it themselves.
				Permissions: []string{"app_metadata.permissions"}, Roles: []string{"app_metadata.roles"}, Groups: []string{"app_metadata.groups"},
			},
			Require:  []ClaimTest{{Claim: "client_id"}}, // a session of the project's own pages has none
			RejectIf: []ClaimTest{{"is_anonymous", "true"}},
		},
		Login: &Login{
			Claims: Claims{
				Subject: []string{"sub"}, Tenant: []string{"app_metadata.tenant_id"}, Name: []string{"name"}, Email: email,
				Roles: []string{"app_metadata.roles"}, Groups: []string{"app_metadata.groups"},
			},
			Public: "anyone who signs up in the project",
			Setup: []string{
				"Authentication → OAuth Server: switch it on, host its consent page, and add a confidential client.",
				"*Redirect URIs*: {callback}.",
				"Authentication → Sign In: *Allow new users to sign up* off, unless anybody may come.",
			},
			Gotchas: []string{
				"It signs people in only with its OAuth server switched on. If they come by a social login, that provider can be named here itself.",
			},
		},
		Shared: map[string]string{"authenticated": shared},
		Weak:   shared + ", so a token for any of them is accepted here, as long as its client is in clients",
		Hints: map[string]string{
			"GH-1104": shared + ": set it to {resource} by a Custom Access Token Hook, or opt in with audience_mode: issuer_and_client.",
			"GH-1105": "Supabase: migrate the project to asymmetric JWT signing keys (Settings → JWT Keys).",
			"GH-1113": "A token without client_id is a session of the project's own pages, not one that an MCP client was given.",
		},
		Setup: []string{
			"Authentication → OAuth Server: switch it on, and *Allow Dynamic OAuth Apps* for clients that register by themselves.",
			"Host the consent page yourself and set its path (`authorization_url_path`).",
			"Settings → JWT Keys: migrate to asymmetric signing keys.",
			"Add a Custom Access Token Hook that sets `aud` to {resource}, and say `audience_mode: resource`.",
		},
		Gotchas: []string{
			"Supabase accepts `resource` and forgets it: without the hook, one token works for every server of the project.",
			"Scopes are those of OpenID Connect and control nothing; use `app_metadata.roles` for rights.",
			"`user_metadata` can be written by users, so nothing is read from it. `role` is a role of the database.",
			"The OAuth server's metadata lists the `plain` method of PKCE too.",
		},
	}
}
