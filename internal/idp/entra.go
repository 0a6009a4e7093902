package idp

func entra() *Preset {
	const not = "stands for many tenants, and anybody can make one: give the GUID of yours (Entra ID → Overview → Tenant ID)"
	const v1 = "this is a v1 token: set api.requestedAccessTokenVersion to 2 in the API's manifest."
	return &Preset{
		Name: "entra", Title: "Microsoft Entra ID", Verdict: Registered,
		Params: []Param{
			{
				Name: "tenant", Form: GUID, Need: true, Example: "08541b6e-646d-43de-a0eb-834e6713d6d5", Doc: "The tenant's GUID.",
				Not: map[string]string{"common": not, "organizations": not, "consumers": not, consumers: not},
			},
			{Name: "app_id", Form: GUID, Need: true, Example: "835f09b6-0f0f-40cc-85cb-f32c5829a149", Doc: "Application (client) id of the app registration that stands for the server."},
			{Name: "authority", Form: Host, Else: "login.microsoftonline.com", Example: "login.microsoftonline.us", Doc: "The host of the cloud."},
		},
		Issuer: Issuer{
			Issuer: "https://{authority}/{tenant}/v2.0", Form: "/v2.0$|^https://sts\\.windows\\.net/.+/$", Wrong: "Entra's issuers end with /v2.0",
			Algorithms: []string{"RS256"}, TokenTypes: []string{"JWT", "at+jwt"}, Audiences: []string{"{app_id}", "api://{app_id}"},
			Claims: Claims{
				// sub is another one for every application; oid is one for the tenant.
				Subject: []string{"oid"}, Client: []string{"azp", "appid"}, Tenant: []string{"tid"}, Scopes: []string{"scp"},
				Name: name, Email: email, Roles: []string{"roles"}, Groups: []string{"groups"},
				ScopePrefix: []string{"api://{app_id}/"}, GroupsOmitted: []string{"_claim_names.groups", "hasgroups"},
				Service: []ClaimTest{{"idtyp", "app"}},
			},
			Require: []ClaimTest{{"tid", "{tenant}"}},
		},
		Login: entraLogin(),
		Foreign: []Foreign{
			{"https://sts.windows.net/{tenant}/", "GH-1103", v1},
			{"https://sts.windows.net/*", "GH-1103", "this is a v1 token of another tenant."},
			{"https://login.microsoftonline.com/*", "GH-1103", "this is a token of another tenant of Entra."},
		},
		Hints: map[string]string{
			"GH-1104": "In Entra ID: the client has to ask for a scope of the app registration app_id names, as api://APP-ID/mcp.read. With 00000003-… the token is for Microsoft Graph.",
			"GH-1113": "The token is another tenant's.",
			"GH-1202": "In Entra ID: Enterprise applications → the API → Users and groups assigns app roles.",
			"GH-1210": `Entra leaves groups out of the token of who is in more than 200. Use app roles, or "groups assigned to the application".`,
		},
		Setup: []string{
			"App registrations: add one for the server. Expose an API: set the Application ID URI, and add the scopes that your rules ask for.",
			"In its manifest, set `api.requestedAccessTokenVersion` to 2.",
			"App roles, and *groups assigned to the application* in Token configuration, if rules ask for them.",
			"Add an app registration for each MCP client, with permission for those scopes, and hand its client id out: Entra registers no clients by itself.",
		},
		Gotchas: []string{
			"`resource` has to be the Application ID URI, byte for byte, or the token request fails (`AADSTS9010010`, `AADSTS901002`); MCP clients send the server's URL. Where that is in the way, use broker mode.",
			"One token request is for one resource (`AADSTS28000`), and needs a scope at the token endpoint too (`AADSTS28003`).",
			"The metadata may not list `code_challenge_methods_supported`, without which MCP clients refuse; `gatehouse idp test` looks.",
			"`sub` differs for every application; people are known by `oid`.",
			"A person in more than 200 groups has none in the token (GH-1210).",
		},
	}
}

func entraLogin() *Login {
	return &Login{
		Params: []Param{
			{Name: "app_id", Form: GUID, Example: "835f09b6-0f0f-40cc-85cb-f32c5829a149", Doc: "With tokens that are kept: the application whose scopes are asked for. `mcp.read` becomes `api://APP-ID/mcp.read`."},
			{Name: "domain_hint", Form: Host, Example: "acme.com", Doc: "The domain whose sign-in page people are sent to."},
		},
		Claims: Claims{
			Subject: []string{"oid"}, Tenant: []string{"tid"}, Name: name, Email: email, Roles: []string{"roles"}, Groups: []string{"groups"},
			GroupsOmitted: []string{"_claim_names.groups", "hasgroups"},
		},
		// Everybody can write any address into a directory of theirs: only one whose
		// domain the tenant has proven counts.
		Require: []ClaimTest{{"tid", "{tenant}"}}, Verified: []ClaimTest{{"xms_edov", "true"}, {"xms_edov", "1"}},
		Send: map[string]string{"domain_hint": "{domain_hint}"}, ScopePrefix: "api://{app_id}/", NoUserinfo: true,
		Setup: []string{
			"App registrations: *New registration*, accounts in this directory only, platform *Web* with the redirect URI {callback}.",
			"*Certificates & secrets*: a client secret, or a certificate whose private key, with the certificate itself, is written as `client_secret` in PEM.",
			"*Enterprise applications → the application → Properties → Assignment required*: yes, and assign who may come.",
			"*Token configuration*: `groups` (those assigned to the application) for `allow.groups`; the optional claims `email` and `xms_edov` for `allow.domains` and addresses in `allow.users`.",
		},
		Gotchas: []string{
			"People are known by `oid`, which is one for the tenant; `sub` is another one for every application.",
			"Groups are GUIDs. Who is in more than 200 has none in the token, and an allow-list of groups refuses them with that reason: use app roles.",
			"`resource` is never sent: Entra refuses it (AADSTS9010010). Scopes of one application at a time (AADSTS28000).",
			"Guests of the directory can sign in too, unless assignment is required.",
			"An address counts only with `xms_edov`: Entra does not say otherwise whether it is verified.",
		},
	}
}
