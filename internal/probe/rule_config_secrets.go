package probe

import "github.com/gatehouse-mcp/gatehouse/internal/config"

// configSecrets reads a file for the checklist.
var configSecrets = &Rule{
	Code: "GH-2163", Name: "config-secrets", Title: "No secret is in the file",
	Group: File, Point: 3, Severity: High,
	Why:   "A file is copied, mailed and committed.",
	Fix:   "Write ${VAR}, ${file:/path} or ${cmd:…} in place of secrets.",
	Links: []Link{configReference},
	Config: func(c *config.Config, t *tally) {
		// Load refuses a literal where a secret belongs: a file that was read has none.
		t.pass(nil, "secrets are references")
		_ = c
	},
}
