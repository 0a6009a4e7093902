package adminapi

import (
	"context"
	"net/http"
	"net/url"
)

// ExternalID is what an issuer of tokens calls a tenant.
type ExternalID struct {
	Issuer string `json:"issuer"` // its name or its iss; in answers its iss
	Value  string `json:"value"`  // what its claim says, exactly

	IssuerName string `json:"issuer_name,omitempty"` // in answers: as configured; absent: it is not, or nobody knows
}

// LinkTenant has an issuer's callers who bring the value be the tenant's.
func (c *Client) LinkTenant(ctx context.Context, name string, e ExternalID) (*Tenant, error) {
	return call[Tenant](ctx, c, http.MethodPost, "/v1/tenants/"+url.PathEscape(name)+"/link", e)
}

// UnlinkTenant takes that back.
func (c *Client) UnlinkTenant(ctx context.Context, name string, e ExternalID) (*Tenant, error) {
	return call[Tenant](ctx, c, http.MethodPost, "/v1/tenants/"+url.PathEscape(name)+"/unlink", e)
}
