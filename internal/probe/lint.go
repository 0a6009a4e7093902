package probe

import (
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

var configReference = Link{"the configuration file", "https://github.com/gatehouse-mcp/gatehouse/blob/main/docs/reference/config.md"}

const (
	longOverlap = 7 * 24 * time.Hour
	longLife    = 366 * 24 * time.Hour // of a key
)

// ConfigRules returns the rules about a configuration file.
func ConfigRules() []*Rule {
	return []*Rule{
		configEntry, configUpstream, configKeys, configSecrets, configHTTPS, configLimits, configFailures, configRotation, configTokens,
	}
}

// validity is what mistakes and warnings of a file are reported under, by their own codes.
func validity(m *config.Mistake) Result {
	r := Result{
		Rule: &Rule{
			Code: m.Code, Name: "config-valid", Title: "The file is right", Group: File, Severity: High,
			Why: "A server does not start with a mistake in its file; what is a warning can be served and is likely not meant.",
			Fix: "As it says; every setting is in the reference.", Links: []Link{configReference},
		},
		Verdict: Verdict{Outcome: Fail, Text: m.Text, Place: m.Place()},
	}
	if m.Warning {
		r.Outcome, r.Rule.Severity = Warn, Low
	}
	return r
}

// Lint judges a configuration without a network. found are its mistakes and
// warnings; c is nil when it cannot be read for them.
func Lint(name string, c *config.Config, found config.Mistakes, o Options) (*Report, error) {
	o.defaults()
	if _, err := Select(o.Profile, o.Only, o.Skip); err != nil {
		return nil, err
	}
	report := &Report{URL: name, File: true, Answered: true, Began: o.Now(), Profile: o.Profile}
	for i := range found {
		report.Results = append(report.Results, validity(&found[i]))
	}
	if c == nil {
		return report, nil
	}
	for _, rule := range pick(ConfigRules(), o.Profile, o.Only, o.Skip) {
		t := &tally{}
		rule.Config(c, t)
		report.Results = append(report.Results, Result{Rule: rule, Verdict: t.verdict()})
	}
	report.Took = o.Now().Sub(report.Began)
	return report, nil
}

// loopbackOnly says whether only this machine reaches a configuration's servers.
func loopbackOnly(c *config.Config) bool {
	return config.Local(c.Server.Listen) && c.Server.PublicURL == "" && !c.Server.TLS.TerminatedByProxy
}

// proxied says whether a configuration leaves TLS to somebody in front and does not say so.
func proxied(c *config.Config) bool {
	return !c.Server.TLS.On() && !c.Server.TLS.TerminatedByProxy && config.Local(c.Server.Listen) && strings.HasPrefix(c.Server.PublicURL, "https://")
}
