package server

import (
	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/server/admin"
)

// Configuration describes what is in force, for the admin door.
func (r *Running) Configuration() *adminapi.Configuration {
	now := r.current.Load()
	return admin.Describe(now.config, now.loaded)
}
