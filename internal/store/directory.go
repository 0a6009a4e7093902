package store

import (
	"context"
	"fmt"

	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Directory returns what the directory of tenants is made from.
func (d *DB) Directory() tenant.Source { return directory{d} }

type directory struct{ *DB }

// Tenants reads the revision first: what commits between the queries is then
// reported twice, never left out.
func (d directory) Tenants(ctx context.Context, since int64) (*tenant.Changes, error) {
	c := &tenant.Changes{}
	var err error
	if c.Revision, err = d.revision(ctx); err != nil || c.Revision == since {
		return c, err
	}
	if since > 0 && since < c.Revision {
		c.Tenants, err = list(ctx, d.read, scanTenant,
			fmt.Sprintf(`SELECT `+tenantColumns+` FROM tenant WHERE revision > $1 ORDER BY revision LIMIT %d`, named+1), since)
		if err != nil {
			return nil, fmt.Errorf("changed tenants: %w", err)
		}
		if len(c.Tenants) <= named {
			return c, links(ctx, d.read, c.Tenants, `SELECT l.tenant, l.issuer, l.external FROM tenant_link l
				JOIN tenant t ON t.id = l.tenant WHERE t.revision > $1 ORDER BY l.issuer, l.external`, since)
		}
	}
	c.All = true // or the database was restored to an older state
	c.Tenants, err = d.DB.Tenants().List(ctx)
	return c, err
}

// revision is the number of the latest change of keys, tenants and revocations.
func (d *DB) revision(ctx context.Context) (n int64, err error) {
	if err := d.row(ctx, `SELECT current FROM revision WHERE one = 1`).Scan(&n); err != nil {
		return 0, fmt.Errorf("read revision: %w", err)
	}
	return n, nil
}
