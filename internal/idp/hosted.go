package idp

func cognito() *Preset {
	return &Preset{
		Name: "cognito", Title: "Amazon Cognito", Verdict: Registered,
		Params: []Param{
			{Name: "region", Form: Host, Need: true, Example: "us-east-1", Doc: "The region of the user pool."},
			{Name: "user_pool", Need: true, Example: "us-east-1_Abc123", Doc: "Id of the user pool."},
			{
				Name: "audience_mode", One: []string{"resource", "client"}, Else: "resource", Example: "resource",
				Doc: "`resource`: aud is the server's URL, by resource binding. `client`: there is no aud, and `clients` lists whose tokens are accepted.",
			},
			{Name: "resource_server", Form: URL, Else: Resource, Example: "https://mcp.acme.com/mcp", Doc: "Identifier of the resource server, which stands before its scopes. Left out: the server's URL."},
		},
		Issuer: Issuer{
			Issuer:     "https://cognito-idp.{region}.amazonaws.com/{user_pool}",
			Algorithms: []string{"RS256"}, TokenTypes: []string{"", "JWT", "at+jwt"}, Mode: "{audience_mode}", Audiences: []string{Resource},
			Claims: Claims{
				Subject: []string{"sub"}, Client: []string{"client_id"}, Tenant: []string{"tenant", "custom:tenant"}, Scopes: []string{"scope"}, Name: []string{"username"}, Email: email,
				Groups: []string{"cognito:groups"}, ScopePrefix: []string{"{resource_server}/"},
			},
			Require: []ClaimTest{{"token_use", "access"}},
		},
		Login: &Login{
			Claims: Claims{Subject: []string{"sub"}, Tenant: []string{"custom:tenant"}, Name: []string{"name", "cognito:username", "username"}, Email: email, Groups: []string{"cognito:groups"}},
			// It gives refresh tokens unasked, and refuses scopes that it does not know.
			OfflineScopes: []string{}, Public: "anyone who signs up in the user pool",
			Setup: []string{
				"App clients: a *Traditional web application*, with a secret, the code grant and the scopes `openid`, `profile` and `email`.",
				"*Allowed callback URLs*: {callback}.",
				"Sign-up: *Self-registration* off, unless anybody may come.",
			},
			Gotchas: []string{"The endpoints are on the pool's domain, which its metadata names: give the pool a domain first."},
		},
		Weak: "without resource binding there is no aud: whatever an accepted client was given is accepted here",
		Hints: map[string]string{
			"GH-1104": "The client has to send resource={resource} to managed login; or say audience_mode: client and list the clients whose tokens are accepted.",
			"GH-1107": "Cognito's ID token has token_use=id; send the access token.",
			"GH-1113": "Cognito's ID token has token_use=id; send the access token.",
		},
		Setup: []string{
			"Resource servers: add one with the identifier {resource}, and its scopes.",
			"App clients: add one for each MCP client, public, with the code grant and those scopes, and hand its id out: Cognito registers no clients by itself.",
			"The client sends `resource={resource}` to managed login, which puts it into `aud`.",
		},
		Gotchas: []string{
			"Resource binding works for code grants of managed login only, not for client credentials or the SDK; those tokens have no `aud` at all.",
			"The endpoints are on another host than the issuer.",
			"The metadata may not list `code_challenge_methods_supported`, without which MCP clients refuse; `gatehouse idp test` looks.",
			"Scopes are `IDENTIFIER/scope`; the identifier is taken off.",
		},
	}
}

func workos() *Preset {
	return &Preset{
		Name: "workos", Title: "WorkOS AuthKit", Verdict: Direct,
		Params: []Param{
			{Name: "authkit_domain", Form: Host, Need: true, Example: "acme.authkit.app", Doc: "The AuthKit domain."},
		},
		Issuer: Issuer{
			Issuer:     "https://{authkit_domain}",
			Algorithms: []string{"RS256"}, TokenTypes: []string{"JWT", "at+jwt"}, Audiences: []string{Resource},
			Claims: Claims{
				Subject: []string{"sub"}, Client: []string{"client_id"}, Tenant: []string{"org_id"}, Scopes: []string{"scope"}, Name: name, Email: email,
				Permissions: []string{"permissions"}, Roles: []string{"roles", "role"},
			},
		},
		Login: &Login{
			Claims: Claims{Subject: []string{"sub"}, Tenant: []string{"org_id"}, Name: name, Email: email},
			Public: "anyone who signs up in the environment", Lists: []string{ListDomains, ListUsers},
			Setup: []string{
				"Connect → OAuth applications: a confidential one.",
				"*Redirect URI*: {callback}.",
				"Authentication: *Allow sign up* off, unless anybody may come.",
			},
			Gotchas: []string{"Roles are in session tokens of AuthKit only, which are no ID tokens."},
		},
		Foreign: []Foreign{{"https://api.workos.com*", "GH-1107", "this is a session token of AuthKit (iss api.workos.com), not an access token for an MCP server: the client has to get one from the AuthKit domain."}},
		Hints: map[string]string{
			"GH-1104": "In the WorkOS dashboard: Connect → Configuration → Resource indicators, add exactly {resource}. What is not listed silently becomes the environment's client id.",
			"GH-1202": "WorkOS puts no roles or permissions into tokens of Connect.",
		},
		Setup: []string{
			"Connect → Configuration: add the resource indicator {resource}.",
			"Switch on *Client ID Metadata Document*, and *Dynamic Client Registration* for clients that need it.",
		},
		Gotchas: []string{
			"A resource that is not listed silently becomes the environment's client id (GH-1104).",
			"Registration gives `client_secret_basic` unless the client asks for `token_endpoint_auth_method: none`.",
			"Roles and permissions are in session tokens only, which are refused (GH-1107).",
		},
	}
}

func descope() *Preset {
	return &Preset{
		Name: "descope", Title: "Descope", Verdict: Direct,
		Params: []Param{{Name: "project_id", Example: "P2abc", Doc: "Id of the project, whose session tokens are then refused by name."}},
		Issuer: Issuer{
			Form: "^https://", Wrong: "it is that of the MCP server, as in https://api.descope.com/v1/apps/agentic/P…/M…",
			Algorithms: []string{"RS256"}, TokenTypes: []string{"JWT", "at+jwt"}, Audiences: []string{Resource},
			Claims: Claims{
				Subject: []string{"sub"}, Client: []string{"azp", "client_id"}, Tenant: []string{"dct"}, Scopes: []string{"scope"}, Name: name, Email: email,
				Permissions: []string{"permissions", "tenants.{dct}.permissions"}, Roles: []string{"roles", "tenants.{dct}.roles"},
			},
		},
		Login: &Login{
			Claims: Claims{Subject: []string{"sub"}, Tenant: []string{"dct"}, Name: name, Email: email, Roles: []string{"roles", "tenants.{dct}.roles"}},
			Public: "anyone who signs up in the project",
			Setup: []string{
				"Applications → Federated Apps: an OIDC application; its *Issuer* is what `issuer` says here.",
				"*Approved redirect URIs*: {callback}.",
			},
			Gotchas: []string{"The issuer is another one than that of an MCP server there."},
		},
		Foreign: []Foreign{
			{"https://api.descope.com/{project_id}", "GH-1107", "this is a session token of Descope, not an access token for an MCP server."},
			{"https://api.descope.com/v1/apps/{project_id}", "GH-1107", "this is a token of the project, not of its MCP server."},
			{"{project_id}", "GH-1107", "this is a session token of Descope, not an access token for an MCP server."},
		},
		Hints: map[string]string{
			"GH-1104": "In Descope: Agentic → MCP Servers → the server, Resource: exactly {resource}.",
		},
		Setup: []string{
			"Agentic → MCP Servers: add one with the resource {resource}, and its scopes.",
			"Switch on client metadata documents or dynamic registration there.",
			"Its *Issuer* is what `issuer` says here.",
		},
		Gotchas: []string{
			"Roles and permissions are those of the tenant that the person is signed in to (`dct`), and of the project.",
			"Each MCP server has an issuer of its own.",
		},
	}
}

func stytch() *Preset {
	return &Preset{
		Name: "stytch", Title: "Stytch", Verdict: Weaker,
		Issuer: Issuer{
			Form: "^https://[^/]+$", Wrong: "it is the custom domain, or https://NAME.customers.stytch.com",
			Algorithms: []string{"RS256"}, TokenTypes: []string{"JWT", "at+jwt"}, Audiences: []string{Resource},
			Claims: Claims{
				Subject: []string{"sub"}, Client: []string{"client_id"}, Tenant: []string{"https://stytch.com/organization.organization_id"}, Scopes: []string{"scope"}, Name: name, Email: email,
				Permissions: []string{"permissions"}, Roles: []string{"https://stytch.com/session.roles", "roles"},
			},
		},
		Login: &Login{
			Claims: Claims{
				Subject: []string{"sub"}, Tenant: []string{"https://stytch.com/organization.organization_id"}, Name: name, Email: email, Roles: []string{"https://stytch.com/session.roles"},
			},
			Public: "anyone who signs up in the project",
			Setup: []string{
				"Connected Apps: a confidential one, with the scopes `openid`, `profile` and `email`.",
				"*Redirect URLs*: {callback}.",
			},
			Gotchas: []string{"Without a custom domain the issuer of the authorization answer is another one, and the sign-in is refused (GH-1443, RFC 9207)."},
		},
		Hints: map[string]string{
			"GH-1103": "Stytch's issuer is the custom domain if there is one, else https://NAME.customers.stytch.com.",
			"GH-1104": "In Stytch the client sends resource={resource}; the project's id alone does not say that a token is for this server.",
		},
		Setup: []string{
			"Connected Apps: switch on client metadata documents, which Stytch recommends, or dynamic registration.",
			"Set up a custom domain, and write it as `issuer` here.",
		},
		Gotchas: []string{
			"Without a custom domain the issuer of the authorization answer is not that of the token, and clients that check it refuse (RFC 9207).",
			"Command-line agents register anew each time; too many end in `too_many_connected_apps`.",
		},
	}
}

func logto() *Preset {
	return &Preset{
		Name: "logto", Title: "Logto", Verdict: Direct,
		Issuer: Issuer{
			Form: "/oidc$", Wrong: "Logto's issuers end with /oidc, as in https://acme.logto.app/oidc",
			Algorithms: []string{"ES384", "RS256", "PS256", "ES256", "ES512"}, TokenTypes: []string{"at+jwt"}, Audiences: []string{Resource},
			Claims: Claims{
				Subject: []string{"sub"}, Client: []string{"client_id"}, Tenant: []string{"organization_id"}, Scopes: []string{"scope"}, Name: name, Email: email,
				Permissions: []string{"permissions"}, Roles: []string{"roles"},
			},
			Introspect: "{issuer}/token/introspection",
		},
		Login: &Login{
			Claims:      Claims{Subject: []string{"sub"}, Tenant: []string{"organization_id"}, Name: []string{"name", "username"}, Email: email, Roles: []string{"roles"}, Groups: []string{"organizations"}},
			GroupScopes: []string{"roles", "urn:logto:scope:organizations"}, OfflineSend: map[string]string{"prompt": "consent"},
			Public: "anyone who signs up in the tenant",
			Setup: []string{
				"Applications: a *Traditional web* application.",
				"*Redirect URIs*: {callback}.",
				"Sign-in experience: *Enable user registration* off, unless anybody may come.",
			},
			Gotchas: []string{"A refresh token is given with `prompt=consent` only, which is sent where one is wanted. `groups` are ids of organizations."},
		},
		Hints: map[string]string{
			"GH-1104": "In Logto: API resources, with the identifier {resource}. urn:logto:organization:… is a token for an organization, not for this server.",
			"GH-1106": "Logto's tokens are opaque unless the client sends resource={resource}, which has to be an API resource there.",
		},
		Setup: []string{
			"API resources: add one with the identifier {resource}, and its permissions; make it the default.",
			"Switch on client metadata documents (with the guard against private addresses), or make an application for each client.",
		},
		Gotchas: []string{
			"Without `resource` a token is opaque (GH-1106); an unknown one is `invalid_target`.",
			"There is no dynamic registration.",
			"Scopes are those that the person's roles allow.",
		},
	}
}

func scalekit() *Preset {
	return &Preset{
		Name: "scalekit", Title: "Scalekit", Verdict: Direct,
		Params: []Param{
			{Name: "environment_url", Form: URL, Need: true, Example: "https://acme.scalekit.com", Doc: "The environment's URL."},
			{Name: "resource_id", Need: true, Example: "res_92015146095", Doc: "Id of the MCP server there."},
		},
		Issuer: Issuer{
			// They are moving from the one to the other.
			Issuer: "{environment_url}/resources/{resource_id}", AlsoIssuer: []string{"{environment_url}"}, KeysURL: "{environment_url}/keys",
			Algorithms: []string{"RS256"}, TokenTypes: []string{"JWT", "at+jwt"}, Audiences: []string{Resource, "{resource_id}"},
			Claims: Claims{
				Subject: []string{"sub"}, Client: []string{"client_id"}, Tenant: []string{"org_id", "oid"}, Scopes: []string{"scope", "scopes"}, Name: name, Email: email,
				Permissions: []string{"permissions"}, Roles: []string{"roles"},
			},
		},
		Login: &Login{
			Issuers: []string{"{environment_url}"},
			Claims:  Claims{Subject: []string{"sub"}, Tenant: []string{"org_id", "oid"}, Name: name, Email: email, Roles: []string{"roles"}, Groups: []string{"groups"}},
			Public:  "anyone whom a connection of the environment lets in",
			Setup: []string{
				"Applications: a web application.",
				"*Redirect URLs*: {callback}.",
			},
			Gotchas: []string{"The issuer is the environment's URL, not that of an MCP server there."},
		},
		Hints: map[string]string{
			"GH-1104": "In Scalekit: MCP servers → the server's URL is exactly {resource}, and its id is what resource_id says here.",
		},
		Setup: []string{
			"MCP Servers: add one with the URL {resource}, and its scopes. Its id is `resource_id` here.",
			"Switch on client metadata documents and dynamic registration there.",
		},
		Gotchas: []string{
			"Two issuers are accepted: the environment's URL, and the one with `/resources/`, to which Scalekit is moving.",
			"`invalid_client_metadata_url` usually means a client id that a client has kept from before.",
		},
	}
}

func ping() *Preset {
	return &Preset{
		Name: "ping", Title: "PingOne", Verdict: Registered,
		Params: []Param{
			{Name: "environment_id", Need: true, Example: "8a1b2c3d-0000-4000-8000-000000000001", Doc: "Id of the environment."},
			{Name: "auth_domain", Form: Host, Else: "auth.pingone.com", Example: "auth.pingone.eu", Doc: "The host of the region, or a custom domain."},
		},
		Issuer: Issuer{
			Issuer: "https://{auth_domain}/{environment_id}/as", Form: "/as$", Wrong: "PingOne's issuers end with /as",
			Algorithms: []string{"RS256", "ES256"}, TokenTypes: []string{"JWT", "at+jwt", ""}, Audiences: []string{Resource},
			Claims: Claims{
				Subject: []string{"sub"}, Client: []string{"client_id"}, Tenant: []string{"env"}, Scopes: []string{"scope"}, Name: name, Email: email,
				Permissions: []string{"p1.permissions", "permissions"}, Roles: []string{"roles"}, Groups: []string{"groups"},
			},
		},
		Login: &Login{
			Claims: Claims{Subject: []string{"sub"}, Tenant: []string{"env"}, Name: name, Email: email, Roles: []string{"roles"}, Groups: []string{"groups", "p1.groups"}},
			Setup: []string{
				"Applications: an *OIDC Web App*.",
				"*Redirect URIs*: {callback}.",
				"*Attribute mappings*: `groups` (Group Names), for `allow.groups`. *Access*: the groups whose members may come.",
			},
			Gotchas: []string{"`email_verified` is there only by a mapping of its own."},
		},
		Hints: map[string]string{
			"GH-1104": "In PingOne: Applications → Resources, a custom resource whose Audience is exactly {resource}.",
		},
		Setup: []string{
			"Applications → Resources: a custom resource with the Audience {resource}, and its scopes.",
			"Add an application for each MCP client, and hand its client id out.",
		},
		Gotchas: []string{"PingOne registers no clients by itself. For Advanced Identity Cloud use `ping-aic`."},
	}
}

func pingAIC() *Preset {
	return &Preset{
		Name: "ping-aic", Title: "PingOne Advanced Identity Cloud", Verdict: Registered,
		Params: []Param{
			{Name: "client_id", Example: "mcp-gateway", Doc: "A client whose tokens are accepted by its id in aud, where aud is not the server's URL."},
		},
		Issuer: Issuer{
			Form: "/oauth2", Wrong: "it is as in https://acme.forgeblocks.com:443/am/oauth2/alpha",
			Algorithms: []string{"RS256", "PS256", "ES256"}, TokenTypes: []string{"JWT", "at+jwt", ""}, Audiences: []string{Resource, "{client_id}"},
			Claims: Claims{
				Subject: []string{"sub"}, Client: []string{"client_id", "cid", "azp"}, Tenant: []string{"realm"}, Scopes: []string{"scope"}, Name: name, Email: email,
				Roles: []string{"roles"}, Groups: []string{"groups"},
			},
			RejectIf:   []ClaimTest{{"tokenName", "id_token"}, {"tokenName", "refresh_token"}},
			Introspect: "{issuer}/introspect",
		},
		Weak: "aud may be a client's id, not this server: whatever was issued to that client is accepted here",
		Login: &Login{
			Claims: Claims{Subject: []string{"sub"}, Tenant: []string{"realm"}, Name: name, Email: email, Roles: []string{"roles"}, Groups: []string{"groups"}},
			Setup: []string{
				"Applications: a *Web* client.",
				"*Sign-in URLs*: {callback}.",
			},
			Gotchas: []string{"The issuer has the port, as in https://acme.forgeblocks.com:443/am/oauth2/alpha."},
		},
		Hints: map[string]string{
			"GH-1104": "In Advanced Identity Cloud aud is the client's id, unless an access token modification script sets it to {resource}.",
			"GH-1106": "Tokens are opaque unless the OAuth2 provider issues client-based ones; or set introspection here.",
		},
		Setup: []string{
			"OAuth2 provider: *Use Client-Based Access & Refresh Tokens*.",
			"An access token modification script sets `aud` to {resource}; or say `client_id` here.",
			"Switch on client metadata documents or registration for MCP clients.",
		},
		Gotchas: []string{"`scope` is a list in these tokens.", "The issuer has the port (`:443`) in it, and is compared exactly."},
	}
}
