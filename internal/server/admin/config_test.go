package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server/admin"
)

// inForce is a server that reloads what it is told to.
type inForce struct {
	config *config.Config
	err    error
	by     string
}

func (f *inForce) Configuration() *adminapi.Configuration {
	return admin.Describe(f.config, time.Unix(1, 0))
}

func (f *inForce) Reload(_ context.Context, by string) (*adminapi.Reload, error) {
	f.by = by
	return &adminapi.Reload{Before: "a", After: "b", Changed: true}, f.err
}

func (f *inForce) Rehearse(context.Context) (*adminapi.Reload, error) {
	return &adminapi.Reload{Before: "a", After: "c", DryRun: true}, f.err
}

func TestConfigurationThroughTheDoor(t *testing.T) {
	const file = "version: 1\nservers: [{name: a, url: 'http://127.0.0.1:1/', forward: {authorization: 'Bearer ${T}'}}]\nauth: {api_keys: {}}\npolicy: {default: allow}\nlimits: {per_key: off}\n"
	c, err := config.Parse("g.yaml", []byte(file), config.Outside{Lookup: func(string) (string, bool) { return "gatehouse-canary", true }})
	if err != nil {
		t.Fatal(err)
	}
	f := &inForce{config: c}
	door := (&admin.Admin{Config: f, By: "ada", Now: time.Now, Log: slog.New(slog.DiscardHandler)}).Handler()
	client := &adminapi.Client{Transport: direct{door}}

	got, err := client.Configuration(t.Context())
	if err != nil || got.Hash != c.Hash() || got.File != "g.yaml" || len(got.Weakened) != 1 {
		t.Fatalf("got %+v and %v", got, err)
	}
	text, err := json.Marshal(got)
	if err != nil || strings.Contains(string(text), "canary") {
		t.Errorf("the answer holds a secret, or %v", err)
	}
	var settings []config.Setting
	for _, s := range got.Settings {
		settings = append(settings, config.Setting{Path: s.Path, Value: s.Value, Origin: s.Origin, Digest: s.Digest})
	}
	if d := config.Diff(settings, c.Settings()); len(d) != 0 {
		t.Errorf("through JSON it differs: %v", d)
	}

	if r, err := client.ReloadConfiguration(t.Context()); err != nil || !r.Changed || r.After != "b" || f.by != "ada" {
		t.Errorf("reload: got %+v, %v, by %q", r, err, f.by)
	}
	rehearsal := &adminapi.Client{Transport: direct{door}, DryRun: true}
	if r, err := rehearsal.ReloadConfiguration(t.Context()); err != nil || !r.DryRun || r.After != "c" {
		t.Errorf("a rehearsal: got %+v, %v", r, err)
	}
	f.err = config.Mistakes{{Code: "GH-2004", File: "g.yaml", Line: 2, Col: 1, Text: "x"}, {Code: "GH-2001", File: "g.yaml", Text: "y"}}
	var refused *adminapi.Error
	if _, err := client.ReloadConfiguration(t.Context()); !errors.As(err, &refused) || refused.Code != "GH-2004" || refused.Status != http.StatusBadRequest || refused.Message != "g.yaml:2:1: x\ng.yaml: y" {
		t.Errorf("a wrong file: got %v", err)
	}
	if _, err := rehearsal.ReloadConfiguration(t.Context()); !errors.As(err, &refused) || refused.Code != "GH-2004" {
		t.Errorf("a rehearsal of a wrong file: got %v", err)
	}
}

func TestConfigurationWithoutAServer(t *testing.T) {
	f := newFixture(t)
	var refused *adminapi.Error
	if _, err := f.Configuration(t.Context()); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		t.Errorf("got %v, want 404", err)
	}
	if _, err := f.ReloadConfiguration(t.Context()); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		t.Errorf("got %v, want 404", err)
	}
}
