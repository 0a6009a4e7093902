package adminapi

import (
	"context"
	"net/http"
	"time"
)

// Configuration is what is in force.
type Configuration struct {
	Hash     string    `json:"hash"`
	Loaded   time.Time `json:"loaded"`
	File     string    `json:"file,omitempty"` // empty: it came from flags
	Settings []Setting `json:"settings"`
	Weakened []string  `json:"weakened,omitempty"` // what makes a check weaker than it could be
}

// Setting is one value that is in force, and where it came from.
type Setting struct {
	Path   string `json:"path"`
	Value  any    `json:"value"` // null: nothing. Secrets are masked
	Origin string `json:"origin"`
	Digest string `json:"digest,omitempty"` // of a secret: tells whether two differ
}

// Configuration shows what the running server has in force.
func (c *Client) Configuration(ctx context.Context) (*Configuration, error) {
	return call[Configuration](ctx, c, http.MethodGet, "/v1/config", nil)
}

// ReloadConfiguration has the running server read its configuration again.
// A wrong one is an [*Error] with a mistake on each line, and changes nothing.
func (c *Client) ReloadConfiguration(ctx context.Context) (*Reload, error) {
	return call[Reload](ctx, c, http.MethodPost, "/v1/config/reload", nil)
}
