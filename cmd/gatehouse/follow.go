package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/gatehouse-mcp/gatehouse/internal/server"
)

const defaultFile = "gatehouse.yaml"

// follow reloads the configuration when its file, or one that it read, changes,
// and on SIGHUP.
func (a *app) follow(ctx context.Context, r *server.Running, log *slog.Logger) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	changed := r.Watch(ctx)
	for {
		by := "the file"
		select {
		case <-ctx.Done():
			return
		case <-hup:
			by = "SIGHUP"
		case <-changed:
		}
		wait, stop := context.WithTimeout(ctx, commandWait)
		if _, err := r.Reload(wait, by); err == nil {
			log.Debug("reload", "by", by)
		}
		stop()
	}
}
