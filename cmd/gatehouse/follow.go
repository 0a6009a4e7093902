package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/gatehouse-mcp/gatehouse/internal/server"
	"github.com/gatehouse-mcp/gatehouse/internal/server/notify"
)

const defaultFile = "gatehouse.yaml"

// follow reloads the configuration when its file, or one that it read, changes,
// and on SIGHUP.
func (a *app) follow(ctx context.Context, r *server.Running, log *slog.Logger, hup <-chan os.Signal) {
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
		logged(log, notify.Reloading())
		wait, stop := context.WithTimeout(ctx, commandWait)
		status := "serving the configuration as it is in the file"
		if _, err := r.Reload(wait, by); err != nil { // Reload has told the log
			status = "serving the configuration from before a change that was refused"
		}
		stop()
		logged(log, notify.Ready(status))
	}
}
