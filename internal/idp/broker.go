package idp

// The providers whose access tokens are no proof for a server: they are bound to
// a client of the provider, if to anything, and cannot be verified offline.

func google() *Preset {
	return &Preset{
		Name: "google", Title: "Google", Verdict: Broker,
		Params: []Param{
			{Name: "hosted_domain", Form: Host, Example: "acme.com", Doc: "The Workspace domain that people have to belong to."},
		},
		Refusal: "google: its access tokens are opaque and belong to a Google client, not to this server, so they cannot be accepted directly. " +
			"Use broker mode: an authorization server that signs people in with Google and issues tokens for this server",
		Opaque: []string{"ya29."},
		Issuer: Issuer{Issuer: "https://accounts.google.com", Algorithms: []string{"RS256"}},
		Login: &Login{
			Params: []Param{
				{Name: "hosted_domain", Form: Host, Example: "acme.com", Doc: "The Workspace domain that people have to belong to."},
			},
			Claims: Claims{Subject: []string{"sub"}, Tenant: []string{"hd"}, Name: name, Email: email},
			// Whoever has a Gmail address can type any address in; only a verified one is theirs.
			Require: []ClaimTest{{"email_verified", "true"}, {"hd", "{hosted_domain}"}},
			// An address of acme.com need not be an account of acme.com's Workspace; hd is one.
			Domain: []string{"hd"}, Authority: []string{"gmail.com", "googlemail.com"},
			Send: map[string]string{"hd": "{hosted_domain}"},
			// Without consent it gives no second refresh token.
			OfflineScopes: []string{}, OfflineSend: map[string]string{"access_type": "offline", "prompt": "consent"},
			Reprove: "select_account", Public: "anyone with a Google account", Lists: []string{ListDomains, ListUsers},
			Setup: []string{
				"console.cloud.google.com → APIs & Services → Credentials: an OAuth client ID of the type *Web application*.",
				"*Authorized redirect URIs*: {callback}.",
				"*Google Auth Platform → Audience*: Internal, if everybody is in your Workspace.",
			},
			Gotchas: []string{
				"`allow: {domains: [acme.com]}` means accounts of acme.com's Workspace (`hd`). A private Google account with an address there does not count.",
				"Google tells no groups.",
				"Google does not ask for a password again when a client wants it; people choose the account anew.",
			},
		},
		Hints: map[string]string{
			"GH-1108": "Google access tokens are opaque and bound to a Google client id, not to this server: use broker mode.",
			"GH-1103": "An ID token of Google is for the client that signed the person in, not for this server: use broker mode.",
		},
		Gotchas: []string{
			"Tokens (`ya29.…`) are opaque. Google's tokeninfo tells which client a token was given to, and nothing about a resource.",
			"There is no registration of clients.",
			"For sign-in: who belongs to the company is told by `hd` and `email_verified`, not by the text of the address.",
		},
	}
}

func github() *Preset {
	return &Preset{
		Name: "github", Title: "GitHub", Verdict: Broker,
		Refusal: "github: its access tokens are opaque and bound to an app of GitHub, not to this server, and there is no metadata or JWKS, so they cannot be accepted directly. " +
			"Use broker mode: an authorization server that signs people in with GitHub and issues tokens for this server",
		Opaque: []string{"gho_", "ghu_", "ghp_", "ghs_", "ghr_", "github_pat_"},
		Login: &Login{
			// A login can be renamed and taken by somebody else; the id is for life.
			Claims:  Claims{Subject: []string{"id"}, Name: []string{"name", "login"}},
			Kind:    LoginGitHub,
			Issuers: []string{"https://{host}"},
			Params: []Param{
				{Name: "host", Form: Host, Else: "github.com", Example: "github.acme.com", Doc: "The host of GitHub Enterprise. Left out: github.com."},
			},
			Scopes: []string{"read:user", "user:email"}, GroupScopes: []string{"read:org"}, OfflineScopes: []string{},
			Reprove: "select_account", Public: "anyone with a GitHub account", Lists: []string{ListDomains, ListUsers, ListOrgs, ListTeams},
			Setup: []string{
				"Settings → Developer settings → OAuth Apps: *New OAuth App*. A GitHub App does as well, with the account permission *Email addresses: read* and the organization permission *Members: read*.",
				"*Authorization callback URL*: {callback}.",
				"For `orgs` and `teams`: an owner of the organization approves the app (Organization → Settings → Third-party Access → OAuth app policy).",
			},
			Gotchas: []string{
				"Until an owner has approved the app, GitHub hides who is in the organization, and people are refused with that reason (GH-1445). With SAML they have to have signed in to the organization once.",
				"`users` are verified addresses or numeric ids: a login can be renamed and registered by somebody else. `gh api users/octocat --jq .id` tells the id.",
				"An invitation to an organization or a team that was not accepted does not count.",
				"Groups are the organizations and teams that the allow-list names, as `acme` and `acme/platform`.",
			},
		},
		Hints: map[string]string{
			"GH-1108": "GitHub access tokens are opaque and bound to an app of GitHub, not to this server: use broker mode.",
		},
		Gotchas: []string{
			"There is no OpenID Connect for people, no metadata and no JWKS.",
			"For sign-in: people are known by the numeric `id`; a login can be renamed and registered by somebody else.",
			"`GET /user` has no address unless it is public; `GET /user/emails` tells which is primary and verified. Organizations need `read:org`.",
		},
	}
}

func dex() *Preset {
	return &Preset{
		Name: "dex", Title: "Dex", Verdict: Broker,
		Params: []Param{
			{Name: "direct", One: []string{"true"}, Example: "true", Doc: "Tokens that Dex issued to one client are accepted, though they are not for a resource."},
			{Name: "client_id", Example: "mcp-gateway", Doc: "With `direct`: the client, or the cross-client audience, that tokens have to be for."},
		},
		Refusal: "dex: its access tokens look like ID tokens, are for a client and not for this server, and have no scopes; it registers no clients by itself. " +
			"Use broker mode: an authorization server that signs people in with Dex. Or say direct: true and client_id, and whatever was issued to that client is accepted",
		Unless: "direct",
		Weak:   "aud is a client of Dex: whatever was issued to it is accepted here",
		Issuer: Issuer{
			Wrong:      "It is what issuer says in Dex's configuration",
			Algorithms: []string{"RS256", "ES256"}, TokenTypes: []string{"JWT", "at+jwt", ""}, Audiences: []string{"{client_id}"},
			Claims: Claims{
				Subject: []string{"sub"}, Client: []string{"azp", "aud"}, Tenant: []string{"federated_claims.connector_id"}, Name: name, Email: email, Groups: []string{"groups"},
			},
		},
		Login: &Login{
			Claims: Claims{Subject: []string{"sub"}, Tenant: []string{"federated_claims.connector_id"}, Name: name, Email: email, Groups: []string{"groups"}},
			Scopes: []string{"openid", "profile", "email"}, GroupScopes: []string{"groups"}, Public: "anyone whom one of Dex's connectors lets in",
			Setup: []string{
				"In Dex's configuration: a static client with a secret and the redirect URI {callback}.",
			},
			Gotchas: []string{"`sub` is made of the connector and its id: who comes by another connector is another person."},
		},
		Hints: map[string]string{
			"GH-1104": "In Dex aud is a client's id: a client asks for audience:server:client_id:ID, and the other lists it in trustedPeers.",
			"GH-1201": "Dex puts no scopes into tokens: rules for it ask for groups.",
		},
		Setup: []string{
			"In Dex's configuration add a static client for the server, and list the MCP clients in its `trustedPeers`.",
			"A client asks for the scope `audience:server:client_id:ID`, where ID is that of the server's client.",
		},
		Gotchas: []string{
			"Tokens have no scopes; rules that ask for one deny.",
			"An ID token and an access token of Dex cannot be told apart.",
			"No registration, no client metadata documents, and every client has a secret.",
		},
	}
}
