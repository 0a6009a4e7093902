package server

import (
	"time"

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

// SetIssuers has changes name issuers as they are configured, our own among
// them. It may be called again while the installation is used.
func (i *Installation) SetIssuers(c *config.Config) {
	all := issuersOf(c)
	known := make([]admin.Issuer, len(all))
	for n := range all {
		one := &all[n]
		known[n] = admin.Issuer{Name: one.Name, Values: append([]string{one.Issuer}, one.AlsoIssuer...)}
		if one.Measured() {
			known[n].Lives = one.MaxLife + time.Hour // clocks differ, and a reload may bring more leeway
		}
	}
	i.issuers.Store(&known)
	i.clients.Store(clientSettingsOf(c))
	i.current.Store(c)
}

func (i *Installation) knownIssuers() []admin.Issuer {
	if known := i.issuers.Load(); known != nil {
		return *known
	}
	return nil
}
