package idp

import "strings"

// Short is what one writes for a preset under auth.issuers, with its examples.
func (p *Preset) Short() string {
	lines := []string{"- preset: " + p.Name}
	if p.Issuer.Issuer == "" {
		lines = append(lines, "  issuer: "+exampleIssuers[p.Name])
	}
	for i := range p.Params {
		if q := &p.Params[i]; q.Need || p.Unless != "" {
			lines = append(lines, "  "+q.Name+": "+q.Example)
		}
	}
	if p.Issuer.Mode == AudienceNone {
		lines = append(lines, "  clients: [https://claude.ai/oauth/claude-code-client-metadata]")
	}
	return strings.Join(lines, "\n") + "\n"
}

// exampleIssuers are issuers as providers that have one for each customer make them.
var exampleIssuers = map[string]string{
	"authentik": "https://sso.acme.com/application/o/mcp/", "descope": "https://api.descope.com/v1/apps/agentic/P2abc/M1abc", "dex": "https://dex.acme.com/dex",
	"gatehouse": "https://mcp.acme.com", "hydra": "https://auth.acme.com/", "logto": "https://acme.logto.app/oidc", "oidc": "https://login.acme.com",
	"ping-aic": "https://acme.forgeblocks.com:443/am/oauth2/alpha", "stytch": "https://login.acme.com", "zitadel": "https://acme.zitadel.cloud",
}
