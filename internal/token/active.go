// Package token judges access tokens of configured issuers.
package token

import "github.com/gatehouse-mcp/gatehouse"

// Active is a token that was accepted.
type Active struct {
	gatehouse.Identity
	TenantName, IssuerName, ID string
}
