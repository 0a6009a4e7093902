// Package config is the shape of an installation: what listens, which MCP
// server stands behind it, who may call it and where the state lies. It is read
// from a strict YAML file, or filled in by a command that needs no file.
package config

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/pattern"
)

// Defaults of what neither the file nor a flag says.
const (
	DefaultListen   = "127.0.0.1:8080"
	DefaultPath     = "/mcp"
	DefaultMaxBody  = 4 << 20 // bytes of one request
	DefaultGrace    = 10 * time.Second
	DefaultHSTS     = 365 * 24 * time.Hour
	DefaultIdentity = "X-Gatehouse-Identity" // header of the signed identity
	DefaultKeyTTL   = 90 * 24 * time.Hour
	DefaultOverlap  = 24 * time.Hour // of a rotation
	Database        = "gatehouse.db"
	AuditFile       = "audit.jsonl"
	AuditMaxSize    = 100 << 20
	AuditKeep       = 10
)

var (
	serverName   = pattern.Lazy(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	servedPath   = pattern.Lazy(`^(/|(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+)$`)
	variableName = pattern.Lazy(`^[A-Za-z_][A-Za-z0-9_]*$`)
	tenantName   = pattern.Lazy(`^[a-z0-9][a-z0-9-]{0,62}$`)
)

// Files are those that the configuration was made of, itself first: what one
// watches in order to read it again. None for one that was made by hand.
func (c *Config) Files() []string {
	if c.source == nil {
		return nil
	}
	return slices.Clone(c.source.files)
}

// StateDir returns the directory of the database, "" when the file names none.
func (c *Config) StateDir() string {
	if c.Store.SQLite == "" {
		return ""
	}
	return filepath.Dir(c.Store.SQLite)
}

// Hidden are the values that references of the file stood for and that are shown to
// nobody: what has to be struck out of whatever is given away.
func (c *Config) Hidden() []string {
	if c.source == nil {
		return nil
	}
	return slices.Clone(c.source.secrets)
}
