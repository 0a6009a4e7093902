package main

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/clients"
	"github.com/gatehouse-mcp/gatehouse/internal/clients/entrance"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/proxy"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

// target is the server that clients are connected to.
type target struct {
	name   string // of the entry
	url    string
	server string // what it is called in the installation here; "": it is not ours
	enter  *entrance.Entrance
}

// where finds the server without asking it: at a URL, or the one that is here.
func (a *app) where(ctx context.Context, q *connecting, at string) (*target, error) {
	if at != "" {
		if err := config.CheckUpstreamURL(at); err != nil {
			return nil, usage("the URL %v", err)
		}
		t := &target{name: orElse(q.name, clients.NameOf(at)), url: at}
		if all, err := a.serversHere(ctx); err == nil {
			for _, s := range all {
				if s.URL == at {
					t.server = s.Name
				}
			}
		}
		return t, nil
	}
	all, err := a.serversHere(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range all {
		if q.server == "" && len(all) == 1 || s.Name == q.server {
			return &target{name: orElse(q.name, clients.EntryName(s.Name)), url: s.URL, server: s.Name}, nil
		}
		names = append(names, s.Name)
	}
	if q.server == "" {
		return nil, usage("there is more than one server here. Choose with --server: %s", strings.Join(names, ", "))
	}
	return nil, &fault{exitNotFound, "GH-2401", "There is no server " + quoted(q.server) + " here. There are: " + strings.Join(names, ", ") + "."}
}

// serversHere are those of the server that runs, or else of the configuration.
func (a *app) serversHere(ctx context.Context) ([]adminapi.ServerStatus, error) {
	state, err := a.stateDir()
	if err != nil {
		return nil, err
	}
	a.elsewhere(state)
	to, err := adminapi.Dial(ctx, state.Dir)
	if err == nil {
		s, err := (&adminapi.Client{Transport: to}).Status(ctx)
		if err != nil {
			return nil, err
		}
		if len(s.Servers) > 0 {
			return s.Servers, nil
		}
	}
	if err != nil && !errors.Is(err, adminapi.ErrNotRunning) {
		return nil, err
	}
	if a.file == "" {
		return nil, &fault{exitNotFound, "GH-2401", "No server runs here. Start one, as in gatehouse up --demo, or give the URL: gatehouse connect CLIENT https://mcp.example.com/mcp"}
	}
	c, err := a.load()
	if err != nil {
		return nil, err
	}
	var all []adminapi.ServerStatus
	for i := range c.Servers {
		all = append(all, adminapi.ServerStatus{Name: c.Servers[i].Name, URL: server.Resource(c, &c.Servers[i], c.Server.Listen)})
	}
	return all, nil
}

// target finds the server and asks it how it is entered.
func (a *app) target(ctx context.Context, q *connecting, at string) (*target, error) {
	ctx, stop := a.within(ctx, commandWait)
	defer stop()
	t, err := a.where(ctx, q, at)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(t.url)
	if err != nil {
		return nil, usage("the URL is not a URL")
	}
	proxies, err := a.proxies("", t.url)
	if err != nil {
		return nil, err
	}
	// Whoever named it wants it reached, wherever it is; what it points to is another matter.
	client, err := safehttp.Policy{Allow: []string{u.Hostname()}, Proxy: proxies}.Client()
	if err != nil {
		return nil, usage("the URL: %v", err)
	}
	t.enter, err = entrance.Ask(ctx, safehttp.Fetcher{Client: client}, t.url)
	var e *entrance.Error
	switch {
	case errors.As(err, &e) && proxy.Of(e.Cause) != nil:
		return nil, &fault{exitNetwork, signin.CodeProxy, sentence("The server at " + t.url + " is not reached: " + proxy.Of(e.Cause).Error())}
	case errors.As(err, &e) && e.Silent:
		hint := "Start it, or correct the URL."
		return nil, &fault{exitNetwork, "GH-2201", "Nobody answers at " + t.url + ": " + e.Reason + ". " + hint}
	case errors.As(err, &e):
		return nil, &fault{exitFailure, "GH-2201", "There is no MCP server at " + t.url + ": " + sentence(e.Reason)}
	case err != nil:
		return nil, err
	}
	return t, nil
}
