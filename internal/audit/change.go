package audit

import (
	"slices"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// rules are what of a Config may change while the trail is open. They do not
// change themselves.
type rules struct {
	skip   []string // kinds that are not written
	strict bool
	max    int64
	keep   int
}

func (c *Config) rules() *rules {
	r := &rules{strict: c.Strict, max: c.MaxSize, keep: c.Keep}
	if r.max <= 0 {
		r.max = config.AuditMaxSize
	}
	if r.keep <= 0 {
		r.keep = config.AuditKeep
	}
	for _, kind := range config.AuditKinds() {
		always := kind == config.AuditAuthFailed || kind == config.AuditAdmin
		if c.Include != nil && !always && !slices.Contains(c.Include, kind) {
			r.skip = append(r.skip, kind)
		}
	}
	return r
}

// Change takes MaxSize, Keep, Include and Strict of c, for what is written from now on.
func (l *Log) Change(c Config) { l.rules.Store(c.rules()) }

// included says whether events of a kind are written. What nobody knows is.
func (l *Log) included(kind string) bool {
	return !slices.Contains(l.rules.Load().skip, kind)
}
