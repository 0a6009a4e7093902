package main

import (
	"errors"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/probe"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
)

// lintFile judges a configuration without a network: what config validate finds
// in it, and the points of the checklist that can be seen in a file.
func (a *app) lintFile(q *checking) (*probe.Report, error) {
	c, err := a.load()
	var found config.Mistakes
	if err != nil && !errors.As(err, &found) {
		return nil, err
	}
	if c != nil {
		if wrong := server.Check(c); !errors.As(wrong, &found) {
			found = a.otherFiles(c)
		}
		if len(found) > 0 {
			found = slices.Concat(found, c.Warnings())
			c = nil // what cannot be served is not judged further
		} else {
			found = c.Warnings()
			q.ours = &ours{a.file, c}
		}
	}
	report, err := probe.Lint(a.file, c, found, probe.Options{Profile: probe.Profile(q.profile), Only: q.only, Skip: q.skip, Now: a.now})
	if err != nil {
		return nil, usage("%v", err)
	}
	return report, nil
}
