package server

import (
	"strings"

	"github.com/gatehouse-mcp/gatehouse"
)

// settingOf is how a configuration spells the fields of verifiers that their
// refusals name at the end, for those who write Go.
var settingOf = map[string]string{
	"Reject": "reject_if", "Require": "require", "MaxLife": "max_life", "RequireIssued": "max_life", "Clients": "clients",
	"RequireDPoP": "dpop: required", "RequireMTLS": "mtls: required",
}

// InSettings returns the story of a refusal with the settings of an issuer in
// place of a verifier's fields.
func InSettings(story string) string {
	before, field, found := cutLast(story, " (")
	if !found || !strings.HasSuffix(field, ")") {
		return story
	}
	setting := settingOf[strings.TrimSuffix(field, ")")]
	if setting == "" {
		return story
	}
	return before + " (" + setting + ")"
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// advised returns a refusal whose story is in the words of the configuration, and
// ends with a hint, if there is one.
func advised(e *gatehouse.Error, hint string) *gatehouse.Error {
	if e.Cause == nil && hint == "" {
		return e
	}
	told := *e
	told.Cause = &hinted{e.Cause, hint}
	return &told
}

// hinted is a cause, and what to do about it.
type hinted struct {
	cause error  // nil: the hint is all
	hint  string // empty: there is none
}

func (h *hinted) Error() string {
	if h.cause == nil {
		return h.hint
	}
	story := InSettings(h.cause.Error())
	if h.hint == "" {
		return story
	}
	return strings.TrimSuffix(story, ".") + ". " + h.hint
}

func (h *hinted) Unwrap() error { return h.cause }
