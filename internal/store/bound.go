package store

import (
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// BoundKeys sets how many keys of one tenant may be honoured at once; zero: as
// many as it likes. It holds for every change from then on, and takes none away.
func (d *DB) BoundKeys(perTenant int) { d.mostKeys.Store(int64(perTenant)) }

// KeysBound returns what BoundKeys set.
func (d *DB) KeysBound() int { return int(d.mostKeys.Load()) }

// bounded returns apikey.ErrFull when a tenant has more keys that are honoured
// at a moment than it may have. It stands in the transaction that made the
// change, behind the revision's row: no other change comes between. A key and
// its successor are of one family, and count once.
func (d *DB) bounded(t tx, of tenant.ID, at time.Time) error {
	most := d.mostKeys.Load()
	if most <= 0 {
		return nil
	}
	var n int64
	if err := t.one(`SELECT count(DISTINCT family) FROM api_key WHERE tenant = $1 AND revoked_at IS NULL
		AND (retire_at IS NULL OR retire_at > $2) AND (expires IS NULL OR expires > $2)`,
		[]any{string(of), at.UnixMicro()}, &n); err != nil {
		return fmt.Errorf("count keys: %w", err)
	}
	if n > most {
		return fmt.Errorf("%w: %d", apikey.ErrFull, most)
	}
	return nil
}
