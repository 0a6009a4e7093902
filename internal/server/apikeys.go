package server

import (
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server/admin"
)

// SetAPIKeys makes settings of API keys take effect for every change from then
// on; nil: the defaults. It may be called again while the installation is used.
func (i *Installation) SetAPIKeys(k *config.APIKeys) {
	if k == nil {
		k = &config.APIKeys{}
	}
	i.DB.BoundKeys(k.MaxPerTenant)
	i.defaults.Store(&admin.Defaults{TTL: k.DefaultTTL, Overlap: k.RotationOverlap})
}

func (i *Installation) keyDefaults() admin.Defaults {
	if d := i.defaults.Load(); d != nil {
		return *d
	}
	return admin.Defaults{}
}
