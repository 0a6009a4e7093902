package idp

func okta() *Preset {
	const org = "tokens of the org's own authorization server are for Okta itself, and nobody else can verify them. Make a custom one: Security → API → Authorization Servers"
	return &Preset{
		Name: "okta", Title: "Okta", Verdict: Registered,
		Params: []Param{
			{Name: "domain", Form: Host, Need: true, Example: "acme.okta.com", Doc: "The org's domain, or its custom domain."},
			{
				Name: "authorization_server", Need: true, Example: "aus1mcp0AS", Doc: "Id of a custom authorization server.", Missing: org + ".",
				Not: map[string]string{"org": "is the org's own authorization server: " + org},
			},
		},
		Issuer: Issuer{
			Issuer: "https://{domain}/oauth2/{authorization_server}", Form: "/oauth2/[^/]+$", Wrong: org,
			Algorithms: []string{"RS256"}, TokenTypes: []string{"", "at+jwt", "JWT"}, Audiences: []string{Resource},
			Claims: Claims{
				Subject: []string{"uid", "sub"}, Client: []string{"cid"}, Scopes: []string{"scp"}, Name: name, Email: email, Groups: []string{"groups"},
			},
		},
		Login: &Login{
			// The org's own server does for people, whose ID tokens are for us.
			Issuers: []string{"https://{domain}/oauth2/{authorization_server}", "https://{domain}"},
			// Of an ID token sub is the user's id; uid is of access tokens.
			Claims:      Claims{Subject: []string{"sub"}, Name: name, Email: email, Groups: []string{"groups"}},
			GroupScopes: []string{"groups"},
			Setup: []string{
				"Applications: *Create App Integration*, OIDC, *Web Application*.",
				"*Sign-in redirect URIs*: {callback}.",
				"*Assignments*: who may come. For groups: *Sign On → OpenID Connect ID Token → Groups claim filter*.",
			},
			Gotchas: []string{
				"Without `authorization_server` it is the org's own server, which does for signing in.",
				"A custom authorization server has to have a scope `groups`, and a claim of that name in the ID token, before `groups` can be asked for.",
			},
		},
		Shared:  map[string]string{"api://default": `"api://default" is the audience of Okta's default authorization server, which every application of the org can ask: make a server of its own, with {resource} as its audience`},
		Foreign: []Foreign{{"https://{domain}", "GH-1104", "the audience is the Okta org itself: " + org + "."}},
		Closed:  "Okta registers clients for an administrator's API token only",
		Hints: map[string]string{
			"GH-1104": "In Okta the audience is a setting of the authorization server: Security → API → Authorization Servers → Audience, exactly {resource}.",
			"GH-1106": "Okta's org authorization server gives tokens that only Okta can read. Use a custom one: Security → API → Authorization Servers.",
			"GH-1202": "Groups are in the token only by a claim of the authorization server: Claims → Add Claim → groups, in the access token.",
		},
		Setup: []string{
			"Security → API → Authorization Servers: add one, with the Audience {resource}.",
			"Add the scopes that your rules ask for, and an access policy for the clients.",
			"Add the claim `groups` to the access token, if rules ask for groups.",
			"Make an application for each MCP client and hand its client id out: Okta registers clients for administrators only.",
		},
		Gotchas: []string{
			"Dynamic registration needs an administrator's API token, so MCP clients cannot use it; a client's metadata URL has to be registered beforehand.",
			"The `default` authorization server is shared by all applications of the org.",
			"`sub` is the login, which can change; people are known by `uid`.",
			"With a custom domain the issuer has that domain.",
		},
	}
}
