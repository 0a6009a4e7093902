package idp

func clerk() *Preset {
	return &Preset{
		Name: "clerk", Title: "Clerk", Verdict: Weaker,
		Params: []Param{
			{Name: "frontend_api", Form: Host, Need: true, Example: "clerk.acme.com", Doc: "The host of the Frontend API."},
		},
		Issuer: Issuer{
			Issuer: "https://{frontend_api}", Form: "[^/]$", Wrong: `Clerk's issuers have no "/" at their end`,
			Algorithms: []string{"RS256"}, TokenTypes: []string{"at+jwt"}, Mode: AudienceNone,
			Claims: Claims{
				Subject: []string{"sub"}, Client: []string{"client_id"}, Tenant: []string{"org_id"}, Scopes: []string{"scope"}, Name: name, Email: email,
			},
			// What a browser's session has, whatever its typ says.
			RejectIf:   []ClaimTest{{Claim: "sid"}, {Claim: "fva"}, {Claim: "o"}},
			Introspect: "https://{frontend_api}/oauth/token_info",
		},
		Login: &Login{
			Claims:      Claims{Subject: []string{"sub"}, Tenant: []string{"org_id"}, Name: name, Email: email},
			GroupScopes: []string{"user:org:read"}, Public: "anyone who signs up in the instance", Lists: []string{ListDomains, ListUsers},
			Setup: []string{
				"OAuth applications: add one, confidential, with the scopes `openid`, `profile` and `email`.",
				"*Redirect URIs*: {callback}.",
				"*Restrictions*: an allow-list, unless anybody may sign up.",
			},
			Gotchas: []string{"Groups and roles are in no token of Clerk's OAuth."},
		},
		Weak:   "nothing in a token of Clerk says which server it is for, so any server that one of the accepted clients calls can use it here",
		Opaque: []string{"oat_"},
		Hints: map[string]string{
			"GH-1106": "In Clerk the OAuth application can issue JWTs; or set introspection.client_id and client_secret here, and opaque tokens are asked about.",
			"GH-1107": "That is a session token of a browser. An MCP client sends an OAuth access token, whose typ is at+jwt.",
			"GH-1112": "Add the client's id to clients.",
		},
		Setup: []string{
			"OAuth applications: make one for each client, or switch on *Dynamic client registration*.",
			"In the application, let access tokens be JWTs. For opaque ones, set `introspection.client_id` and `client_secret` here.",
			"Set *Default scopes*: some clients ask for none. `user:org:read` puts the organization into the token.",
			"List the ids of the clients under `clients`; `any` accepts a token that any application of the instance got.",
		},
		Gotchas: []string{
			"A token has no audience: see `clients`.",
			"Access tokens live for a day and refresh tokens for ever, and Clerk cannot revoke a JWT: `gatehouse token revoke` is what acts at once.",
			"*Advertise* of client metadata documents alone admits any client; set *Only allow pre-registered* with it.",
		},
	}
}
