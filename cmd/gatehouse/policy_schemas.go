package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
)

// unfit finds conditions that do not fit the arguments of a tool as it was
// approved: they deny its calls, and the server says so in its log alone. Only a
// server that runs is asked: to open its store is more than to look at a file.
func (a *app) unfit(ctx context.Context, c *config.Config, servers []ruled) (config.Mistakes, error) {
	ctx, stop := a.within(ctx, commandWait)
	defer stop()
	running, err := a.running(ctx)
	if err != nil {
		return nil, nil //nolint:nilerr // none runs, or over another store: nothing is known of tools
	}
	var all config.Mistakes
	for i := range servers {
		v := &servers[i]
		if !slices.ContainsFunc(v.spec.Rules, func(r policy.Rule) bool { return r.When != "" && len(r.Tools) > 0 }) {
			continue
		}
		schemas, err := approvedSchemas(ctx, running, v.Name)
		if err != nil {
			return nil, err
		}
		_, err = server.Rules(c, v.Upstream, schemas)
		var some config.Mistakes
		if err != nil && !errors.As(err, &some) {
			return nil, err
		}
		for _, m := range some {
			m.Code, m.Warning = "GH-2010", true
			all = append(all, m)
		}
	}
	return all, nil
}

// approvedSchemas are the input schemas of the tools of a server that are
// approved, by name. Those of single tenants are not among them.
func approvedSchemas(ctx context.Context, running *adminapi.Client, name string) (map[string][]byte, error) {
	list, err := running.Tools(ctx, name)
	var refused *adminapi.Error
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return nil, nil // none was seen
	}
	if err != nil {
		return nil, err
	}
	schemas := map[string][]byte{}
	for i := range list {
		if list[i].ApprovedAt == nil || list[i].Tenant != "" {
			continue
		}
		d, err := running.DiffTool(ctx, name, "", list[i].Name)
		if err != nil {
			return nil, err
		}
		var tool struct {
			InputSchema json.RawMessage `json:"inputSchema"`
		}
		if json.Unmarshal(d.Before, &tool) == nil && tool.InputSchema != nil {
			schemas[list[i].Name] = tool.InputSchema
		}
	}
	return schemas, nil
}
