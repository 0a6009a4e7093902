package server

import (
	"context"
	"errors"
	"sync"
	"time"
)

// surveyWait is how long a server may take to say what it is: a child may have
// to be downloaded first.
const surveyWait = 2 * time.Minute

// Survey asks every MCP server what it is, and tells the log. A server that is
// away is no reason not to serve the others, and may come back.
func (r *Running) Survey(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, surveyWait)
	defer stop()
	var all sync.WaitGroup
	for _, v := range r.current.Load().ways {
		all.Go(func() {
			log := r.server.Options.Log.With("server", v.config.Name)
			switch found, err := v.describe(ctx); {
			case errors.Is(ctx.Err(), context.Canceled):
			case err != nil:
				log.Warn("the MCP server does not answer; calls to it are refused until it does", "error", err.Error())
			case len(found.Versions) > 0:
				log.Info("the MCP server answers", "tools", found.Tools, "versions", found.Versions)
			}
		})
	}
	all.Wait()
}
