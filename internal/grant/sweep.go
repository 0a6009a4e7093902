package grant

import (
	"context"
	"log/slog"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/fresh"
)

// Sweeper keeps what ends by itself.
type Sweeper interface {
	// Sweep deletes what ended before a moment.
	Sweep(ctx context.Context, before time.Time) (deleted int64, err error)
}

// Tidy deletes what ended in each store, now and then, until ctx ends.
func Tidy(ctx context.Context, log *slog.Logger, now func() time.Time, stores ...Sweeper) {
	fresh.Every(ctx, 5*time.Minute, func() {
		for _, s := range stores {
			if _, err := s.Sweep(ctx, cut(now)); err != nil && ctx.Err() == nil {
				log.Warn("what has ended was not deleted; it is tried again", "error", err)
			}
		}
	})
}
