package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// Configuration is what the server has in force: server.Running.
type Configuration interface {
	// Configuration describes it, with every secret masked.
	Configuration() *adminapi.Configuration
	// Reload reads it again. On an error, which is config.Mistakes or an
	// *adminapi.Error, everything stays as it was.
	Reload(ctx context.Context, by string) (*adminapi.Reload, error)
	// Rehearse says what Reload would do, and changes nothing.
	Rehearse(ctx context.Context) (*adminapi.Reload, error)
}

// configuration are the endpoints about what is in force.
type configuration struct{ *Admin }

func (c *configuration) show(*http.Request) (reply, error) {
	if c.Config == nil {
		return reply{}, notServing()
	}
	return reply{body: c.Config.Configuration()}, nil
}

func (c *configuration) reload(r *http.Request) (reply, error) {
	if c.Config == nil {
		return reply{}, notServing()
	}
	do := func() (*adminapi.Reload, error) { return c.Config.Reload(r.Context(), c.By) }
	if dryRun(r) {
		do = func() (*adminapi.Reload, error) { return c.Config.Rehearse(r.Context()) }
	}
	result, err := do()
	var all config.Mistakes
	if errors.As(err, &all) {
		return reply{}, &adminapi.Error{Status: http.StatusBadRequest, Code: all[0].Code, Message: all.Error()}
	}
	return reply{body: result}, err
}

func notServing() error {
	return &adminapi.Error{Status: http.StatusNotFound, Code: codeNotFound, Message: "No server runs over this installation."}
}

// Describe says what a configuration is, without its secrets.
func Describe(c *config.Config, loaded time.Time) *adminapi.Configuration {
	out := &adminapi.Configuration{Hash: c.Hash(), Loaded: loaded, Settings: []adminapi.Setting{}, Weakened: c.Weakened()}
	if files := c.Files(); len(files) > 0 {
		out.File = files[0]
	}
	for _, s := range c.Settings() {
		out.Settings = append(out.Settings, adminapi.Setting{Path: s.Path, Value: s.Value, Origin: s.Origin, Digest: s.Digest})
	}
	return out
}
