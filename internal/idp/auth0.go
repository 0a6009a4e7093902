package idp

// What most providers agree on. ID tokens and the like need no rule of a preset:
// gatehouse.JWTVerifier refuses them whatever it is told.
var (
	name   = []string{"name", "preferred_username"}
	email  = []string{"email"}
	client = []string{"client_id", "azp"}
	scopes = []string{"scope", "scp"}
)

func auth0() *Preset {
	const profile = `switch on Settings → Advanced → "Resource Parameter Compatibility Profile", and create an API (Applications → APIs) whose Identifier is exactly {resource}`
	return &Preset{
		Name: "auth0", Title: "Auth0", Verdict: Direct,
		Params: []Param{
			{Name: "domain", Form: Host, Need: true, Example: "acme.us.auth0.com", Doc: "The tenant's domain, or its custom domain."},
		},
		Issuer: Issuer{
			Issuer: "https://{domain}/", Form: "/$", Wrong: `Auth0's issuers end with "/", and issuers are compared exactly`,
			Algorithms: []string{"RS256", "PS256"}, TokenTypes: []string{"at+jwt", "JWT"}, Audiences: []string{Resource},
			Claims: Claims{
				Subject: []string{"sub"}, Client: client, Tenant: []string{"org_id"}, Scopes: []string{"scope"}, Name: name, Email: email,
				Permissions: []string{"permissions"}, Service: []ClaimTest{{"gty", "client-credentials"}},
			},
			// Who has a user's password can have such a token without the user.
			RejectIf: []ClaimTest{{"gty", "password"}},
		},
		Login: &Login{
			Params: []Param{
				{Name: "connection", Example: "acme-saml", Doc: "The connection that people are sent to."},
				{Name: "organization", Example: "org_9ybsU1dN2dKfDkBi", Doc: "Id of the organization that people have to belong to."},
				groupsClaim, rolesClaim,
				{Name: "audience", Form: URL, Example: "https://api.acme.com", Doc: "With tokens that are kept: the API that they are for."},
			},
			Claims:  Claims{Subject: []string{"sub"}, Tenant: []string{"org_id"}, Name: name, Email: email, Groups: []string{"{groups_claim}"}, Roles: []string{"{roles_claim}"}},
			Require: []ClaimTest{{"org_id", "{organization}"}},
			Send:    map[string]string{"connection": "{connection}", "organization": "{organization}", "audience": "{audience}"},
			Public:  "anyone who signs up in the tenant",
			Setup: []string{
				"Applications: a *Regular Web Application*.",
				"*Allowed Callback URLs*: {callback}.",
				"Database connections: *Disable Sign Ups*, unless anybody may come.",
			},
			Gotchas: []string{
				"Roles and groups are in the ID token only by an Action, in a claim with a namespace, which is `roles_claim` or `groups_claim` here.",
			},
		},
		Hints: map[string]string{
			"GH-1104": "In Auth0 the API Identifier has to be exactly {resource}: with or without the slash at its end, as it stands there.",
			"GH-1105": "In Auth0: Applications → APIs → the API → Signing Algorithm: RS256.",
			"GH-1106": "Auth0 encrypts a token, or makes it opaque, when no API audience applied. " + upper(profile) + ". Or use broker mode.",
			"GH-1202": "In Auth0: User Management → Roles assigns permissions; the API needs RBAC and Add Permissions in the Access Token.",
		},
		Setup: []string{
			upper(profile) + ".",
			"In that API switch on RBAC and *Add Permissions in the Access Token*, if rules ask for permissions.",
			"For clients that register by themselves: Settings → Advanced → *Dynamic Client Registration*, or import the metadata URL of each client by hand.",
			"Promote the connections that such third-party clients may use to *domain level*, and give the API *Default Permissions for Third-Party Applications*.",
		},
		Gotchas: []string{
			"Without the Compatibility Profile, Auth0 does not know `resource`, and tokens are opaque or encrypted (GH-1106).",
			"Clients that registered by themselves are third-party: without domain-level connections the login page has no methods, or says `access_denied`.",
			"The API Identifier and the resource have to be the same text, trailing slash included. Use `127.0.0.1`, not `localhost`, for local tests.",
			"Open registration fills the tenant's quota of applications.",
		},
	}
}

// upper begins a sentence.
func upper(s string) string {
	return string(s[0]-'a'+'A') + s[1:]
}
