package idp

func keycloak() *Preset {
	return &Preset{
		Name: "keycloak", Title: "Keycloak", Verdict: Weaker,
		Params: []Param{
			{Name: "realm_url", Form: URL, Need: true, Example: "https://sso.acme.com/realms/acme", Doc: "The realm's URL, which is its issuer."},
		},
		Issuer: Issuer{
			Issuer: "{realm_url}", Form: "/realms/[^/]+$", Wrong: `the URL of a realm ends with /realms/NAME`,
			Algorithms: []string{"RS256", "PS256", "ES256", "EdDSA"}, TokenTypes: []string{"JWT", "at+jwt"}, Audiences: []string{Resource},
			Claims: Claims{
				Subject: []string{"sub"}, Client: []string{"azp", "client_id"}, Tenant: []string{"organization.*", "={realm_url:last}"}, Scopes: []string{"scope"},
				Name: name, Email: email, Roles: []string{"realm_access.roles", "resource_access.*.roles"}, Groups: []string{"groups"},
				Drop: []string{"offline_access", "uma_authorization", "default-roles-*", "account:*"},
			},
		},
		Login: &Login{
			Claims: Claims{
				Subject: []string{"sub"}, Tenant: []string{"organization.*", "={realm_url:last}"}, Name: name, Email: email,
				Roles: []string{"realm_access.roles", "resource_access.*.roles"}, Groups: []string{"groups"},
				Drop: []string{"offline_access", "uma_authorization", "default-roles-*", "account:*"},
			},
			Setup: []string{
				"Clients: an OpenID Connect client with *Client authentication* on and the standard flow.",
				"*Valid redirect URIs*: {callback}.",
				"For `roles`: Client scopes → roles → Mappers, *Add to ID token* or *Add to userinfo*. For `groups`: a *Group Membership* mapper.",
			},
			Gotchas: []string{
				"Roles are in access tokens only, unless the mapper says otherwise. Groups keep their leading slash: `/eng`.",
				"`email_verified` is false until the person or an administrator has confirmed the address.",
				"*User registration* of the realm decides who can make an account.",
			},
		},
		Shared: map[string]string{"account": `"account" is in the tokens of every client of the realm`},
		Hints: map[string]string{
			"GH-1104": "In Keycloak: a client scope with an Audience mapper, Included Custom Audience {resource}; or, from 26.8, --features=resource-indicators.",
			"GH-1107": "In Keycloak the claim typ tells: Bearer is an access token, ID an ID token.",
			"GH-1113": "In Keycloak the claim typ tells: Bearer is an access token; ID and Refresh are not.",
			"GH-1117": "In Keycloak sub is there if the client has the scope basic or openid, and a token that names several organizations is ambiguous.",
		},
		Setup: []string{
			"Client scopes: add one with an *Audience* mapper whose Included Custom Audience is {resource}, in the access token, and make it a default scope.",
			"For clients that register by themselves: Clients → Client registration → Policies: add their hosts to *Trusted Hosts* and the scopes to *Allowed Client Scopes*.",
			"For clients in a browser, such as the Inspector: *Allowed Registration Web Origins*.",
			"Require PKCE (S256) in the client, or by a client policy: it is not enforced by itself.",
		},
		Gotchas: []string{
			"Without a mapper a token has no usable audience (GH-1104).",
			"Registration refuses members that it does not know, and scopes that the realm does not have, `openid` among them. Versions before 26.6 do not do for MCP clients.",
			"Resource indicators and client metadata documents are experimental features of 26.8 (`--features=resource-indicators,cimd`).",
			"The realm is the tenant, unless the token names one organization. With several it is refused as ambiguous.",
			"Realm roles are read as they are, client roles as `client:role`; groups keep their leading slash.",
		},
	}
}

func authentik() *Preset {
	return &Preset{
		Name: "authentik", Title: "authentik", Verdict: Registered,
		Params: []Param{
			{Name: "client_id", Need: true, Example: "HtYkCLIENTID", Doc: "Id of the provider's client, which is the audience of its tokens."},
		},
		Issuer: Issuer{
			Form: "/$", Wrong: `authentik's issuers end with "/", as in https://sso.acme.com/application/o/mcp/`,
			Algorithms: []string{"RS256", "ES256", "ES384", "ES512"}, TokenTypes: []string{"JWT", "at+jwt"}, Audiences: []string{"{client_id}", Resource},
			Claims: Claims{
				Subject: []string{"sub"}, Client: []string{"azp", "client_id", "aud"}, Scopes: []string{"scope"}, Name: name, Email: email,
				Permissions: []string{"entitlements"}, Groups: []string{"groups"},
			},
			Introspect: "{issuer:host}/application/o/introspect/",
		},
		Login: &Login{
			Claims: Claims{Subject: []string{"sub"}, Name: name, Email: email, Roles: []string{"entitlements"}, Groups: []string{"groups"}},
			Setup: []string{
				"Applications → Providers: an OAuth2/OpenID provider, *Confidential*, with a *Signing Key* and without an *Encryption Key*.",
				"*Redirect URIs*: Strict, {callback}.",
				"*Bindings* of the application: who may come.",
			},
			Gotchas: []string{
				"`email_verified` is false by default from 2025.10, so `domains` and addresses in `users` admit nobody: use `groups`, or a scope mapping that says true.",
			},
		},
		Closed: "authentik registers clients for a bearer token only",
		Weak:   "aud is a client of authentik, not this server: whatever was issued to that client is accepted here",
		Hints: map[string]string{
			"GH-1104": "In authentik aud is the client's id: client_id here has to be that of the provider.",
			"GH-1105": "authentik: choose a Signing Key in the provider; without one, tokens are signed with the client's secret.",
			"GH-1106": "authentik: the provider has an Encryption Key; take it out.",
		},
		Setup: []string{
			"Applications → Providers: an OAuth2/OpenID provider, with a *Signing Key* and without an *Encryption Key*.",
			"Set the issuer mode to *each provider has a different issuer*.",
			"Hand the client id out to MCP clients. From 2026.8 clients can register with a bearer token; it is never open.",
		},
		Gotchas: []string{
			"Without a signing key tokens are signed with HS256 and the client's secret, which is refused (GH-1105).",
			"`email_verified` is false by default from 2025.10, so an address does not count.",
			"`sub` is a hash of the user's id, unless the provider's subject mode says otherwise.",
		},
	}
}

func hydra() *Preset {
	return &Preset{
		Name: "hydra", Title: "Ory Hydra", Verdict: Registered,
		Params: []Param{
			{Name: "admin_url", Form: URL, Example: "http://hydra-admin:4445", Doc: "URL of the admin port, for opaque tokens."},
		},
		Issuer: Issuer{
			Wrong:      "It is urls.self.issuer of Hydra's configuration, often with a slash at its end",
			Algorithms: []string{"RS256", "PS256", "ES256", "ES384", "ES512"}, TokenTypes: []string{"JWT", "at+jwt"}, Audiences: []string{Resource},
			Claims: Claims{
				Subject: []string{"sub"}, Client: []string{"client_id"}, Tenant: []string{"ext.tenant"}, Scopes: []string{"scp", "scope"}, Name: []string{"ext.name"}, Email: []string{"ext.email"},
				Permissions: []string{"ext.permissions"}, Roles: []string{"ext.roles"}, Groups: []string{"ext.groups"},
			},
			Introspect: "{admin_url}/admin/oauth2/introspect", IntrospectOpen: true, // who reaches the admin port may do all
		},
		Login: &Login{
			Claims: Claims{
				Subject: []string{"sub"}, Tenant: []string{"ext.tenant", "tenant"}, Name: []string{"name", "ext.name"}, Email: email,
				Roles: []string{"roles", "ext.roles"}, Groups: []string{"groups", "ext.groups"},
			},
			Setup: []string{
				"A confidential client with the grant types `authorization_code` and `refresh_token` and the redirect URI {callback}.",
			},
			Gotchas: []string{"What an ID token says is what your login application puts there; `email_verified` too."},
		},
		Opaque: []string{"ory_at_"},
		Hints: map[string]string{
			"GH-1104": "In Hydra the client asks with audience={resource}, which has to be in the client's audience list.",
			"GH-1106": "Hydra's tokens are opaque by default: set strategies.access_token: jwt, or admin_url here, and they are asked about.",
		},
		Setup: []string{
			"`strategies.access_token: jwt`; or leave it opaque and set `admin_url` here, with its network under `private`.",
			"Give each client the audience {resource}.",
			"`oidc.dynamic_client_registration.enabled: true` for clients that register by themselves. They choose their scopes themselves: do not let scopes alone decide.",
		},
		Gotchas: []string{
			"Hydra does not know `resource`; it is `audience`.",
			"What a login application adds to a token is under `ext`, unless `allowed_top_level_claims` lists it.",
			"The admin port asks nobody who they are: nobody but Gatehouse may reach it.",
		},
	}
}

func zitadel() *Preset {
	const roles = "urn:zitadel:iam:org:project:{project_id}:roles"
	return &Preset{
		Name: "zitadel", Title: "Zitadel", Verdict: Weaker,
		Params: []Param{
			{Name: "project_id", Need: true, Example: "162840776835432345", Doc: "Id of the project, which is the audience of its tokens."},
		},
		Issuer: Issuer{
			Form: "[^/]$", Wrong: "Zitadel's issuers are those of the instance, as in https://acme.zitadel.cloud",
			Algorithms: []string{"RS256", "ES256", "ES384", "ES512", "EdDSA"}, TokenTypes: []string{"JWT", "at+jwt"}, Audiences: []string{"{project_id}"},
			Claims: Claims{
				Subject: []string{"sub"}, Client: client, Scopes: []string{"scope"}, Name: name, Email: email,
				// Only those of our project: what another one grants is not for us.
				Tenant: []string{roles + ".*.*", "urn:zitadel:iam:user:resourceowner:id"}, Roles: []string{roles + ".*"},
			},
			Introspect: "{issuer}/oauth/v2/introspect",
		},
		Login: &Login{
			Params: []Param{{Name: "project_id", Example: "162840776835432345", Doc: "Id of the project whose roles count. Left out: no roles."}},
			Claims: Claims{Subject: []string{"sub"}, Tenant: []string{"urn:zitadel:iam:user:resourceowner:id"}, Name: name, Email: email, Roles: []string{roles + ".*"}},
			Scopes: []string{"openid", "profile", "email", "urn:zitadel:iam:user:resourceowner"}, GroupScopes: []string{"urn:zitadel:iam:org:project:roles"},
			Public: "anyone who registers in the instance", Lists: []string{ListDomains, ListUsers, ListRoles},
			Setup: []string{
				"In the project: an application *Web*, authentication *Code*, with a secret.",
				"*Redirect URIs*: {callback}.",
				"*Token Settings*: *User roles inside ID Token*. In the project: *Check authorization on Authentication* lets in only people with a role.",
			},
			Gotchas: []string{"Roles count with `project_id` only: those of another project are not for us."},
		},
		Weak: "aud is a project of Zitadel, not this server: a token for any application of the project is accepted here",
		Hints: map[string]string{
			"GH-1104": "In Zitadel the client asks for the scope urn:zitadel:iam:org:project:id:PROJECT:aud, with the id that project_id says here.",
			"GH-1106": "Zitadel's tokens are opaque by default: set the application's Auth Token Type to JWT, or set introspection here.",
			"GH-1201": "Zitadel's tokens may have no scopes: rules for it ask for roles.",
		},
		Setup: []string{
			"In the project make an application for each client; *Token Settings → Auth Token Type: JWT*.",
			"Clients ask for the scope `urn:zitadel:iam:org:project:id:PROJECT:aud`, and for roles `urn:zitadel:iam:org:project:roles`.",
			"In the project switch on *Assert Roles on Authentication*.",
		},
		Gotchas: []string{
			"Tokens are opaque unless the application says JWT.",
			"Clients that register by themselves land in the project “ZITADEL DCR”, whose id is not your project's.",
			"A person with roles in two organizations is refused as ambiguous (GH-1117).",
			"`private_key_jwt` is not understood at registration.",
		},
	}
}
