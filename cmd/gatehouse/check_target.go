package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/probe"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
)

// checkSecret reads a credential from where it is kept, or from standard input.
func (a *app) checkSecret(ctx context.Context, flag, from string) (string, error) {
	read := a.secretFrom(flag, from, nil)
	if from == "-" {
		read = func(context.Context) (string, error) { return a.source([]string{"-"}) }
	}
	text, err := read(ctx)
	if err != nil {
		return "", err
	}
	if text == "" || strings.ContainsAny(text, " \r\n\t") {
		return "", usage("%s: what is there is not one credential", flag)
	}
	return text, nil
}

// whatToCheck returns the URLs that are meant, and completes what is known of
// them: where the servers behind are.
func (a *app) whatToCheck(ctx context.Context, q *checking, args []string, o *probe.Options) ([]string, error) {
	if len(args) == 1 {
		if _, err := probe.Target(args[0]); err != nil {
			return nil, usage("%v", err)
		}
		if a.file != "" {
			c, err := a.load()
			if err != nil {
				return nil, err
			}
			o.Upstreams = append(o.Upstreams, upstreamsOf(c)...)
			q.ours = &ours{a.file, c}
		}
		return args, nil
	}
	urls, err := a.servedURLs(ctx)
	if err != nil || len(urls) > 0 {
		return urls, err
	}
	if _, err := os.Lstat(defaultFile); err != nil {
		return nil, usage("Nothing runs here and there is no ./%s: name the URL of a server, or a file with -c", defaultFile)
	}
	c, err := a.loadFile(defaultFile)
	if err != nil {
		return nil, err
	}
	o.Upstreams = append(o.Upstreams, upstreamsOf(c)...)
	q.ours = &ours{defaultFile, c}
	for i := range c.Servers {
		urls = append(urls, server.Resource(c, &c.Servers[i], c.Server.Listen))
	}
	return urls, nil
}

// servedURLs are the servers of the installation that runs; none when none does.
func (a *app) servedURLs(ctx context.Context) ([]string, error) {
	state, err := a.stateDir()
	if err != nil {
		return nil, err
	}
	to, err := adminapi.Dial(ctx, state.Dir)
	if errors.Is(err, adminapi.ErrNotRunning) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := (&adminapi.Client{Transport: to}).Status(ctx)
	if err != nil {
		return nil, err
	}
	var urls []string
	for i := range s.Servers {
		urls = append(urls, s.Servers[i].URL)
	}
	return urls, nil
}

func upstreamsOf(c *config.Config) (all []string) {
	for i := range c.Servers {
		if u := c.Servers[i].URL; u != "" {
			all = append(all, u)
		}
	}
	return all
}

// keysOf makes keys of this installation.
type keysOf struct{ d *door }

// Make makes a key that may call everything, for a day.
func (k keysOf) Make(ctx context.Context) (id, key string, err error) {
	made, err := k.d.CreateKey(ctx, adminapi.NewKey{Name: "gatehouse-check", Note: "made by gatehouse check --rotate", Expires: "1d"})
	if err != nil {
		return "", "", fmt.Errorf("make a key: %w", err)
	}
	return made.ID, made.Key, nil
}

// Rotate makes the successor of a key, which ends at once.
func (k keysOf) Rotate(ctx context.Context, id string) (next, key string, err error) {
	made, err := k.d.RotateKey(ctx, id, adminapi.Rotate{Overlap: "0s"})
	if err != nil {
		return "", "", fmt.Errorf("rotate the key: %w", err)
	}
	return made.ID, made.Key, nil
}

// Revoke ends a key.
func (k keysOf) Revoke(ctx context.Context, id string) error {
	_, err := k.d.RevokeKey(ctx, id, adminapi.Revoke{Reason: "gatehouse check"})
	return err
}
