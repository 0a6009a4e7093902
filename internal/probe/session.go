package probe

import (
	"cmp"
	"encoding/json"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// session is how whoever has a credential is met.
type session struct {
	modern, legacy *Exchange
	era            string // "2026-07-28", "legacy", or empty: nobody was served
	id             string // Mcp-Session-Id; empty: none
	revision       string // which the older era agreed on
	tools          []string
	why            string // why nobody was served
}

// signedIn uses the credential. It is false, and the rule has said so, if there is none or it does not do.
func (r *run) signedIn(t *tally) (*session, bool) {
	if r.o.Credential == "" {
		t.unknown(nil, "needs a credential that is accepted: --key-from or --token-from")
		return nil, false
	}
	s := r.signIn()
	if s.era == "" {
		t.unknown(s.modern, "the credential is not accepted: %s", s.why)
		return nil, false
	}
	return s, true
}

func (r *run) signIn() *session {
	if r.facts.session != nil {
		return r.facts.session
	}
	s := &session{}
	r.facts.session = s
	own := bearer(r.o.Credential)
	s.modern = r.ask(modern("tools/list", nil, own))
	if s.modern.kind() == served {
		s.era = "2026-07-28"
		s.tools = toolNames(s.modern)
	}
	s.legacy = r.ask(initialize(own))
	if s.legacy.kind() != served {
		s.why = sight(s.modern)
		return s
	}
	s.id, s.revision = s.legacy.Header.Get("Mcp-Session-Id"), agreed(s.legacy)
	if s.era == "" {
		s.era = "legacy"
		s.tools = toolNames(r.ask(legacy("tools/list", map[string]any{}, r.inSession(own)...)))
	}
	return s
}

// inSession are the headers of a request in the older session.
func (r *run) inSession(more ...[2]string) [][2]string {
	s := r.facts.session
	h := append([][2]string{{"MCP-Protocol-Version", cmp.Or(s.revision, mcp.Version20251125)}}, more...)
	if s.id != "" {
		h = append(h, [2]string{"Mcp-Session-Id", s.id})
	}
	return h
}

// agreed is the revision that the server chose in its answer to initialize: what
// is asked in another one may be refused for that alone.
func agreed(x *Exchange) string {
	var chosen struct {
		Revision string `json:"protocolVersion"`
	}
	if a := x.answer(); a == nil || json.Unmarshal(a.Result, &chosen) != nil {
		return mcp.Version20251125
	}
	for _, c := range chosen.Revision { // it becomes a header
		if c != '-' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return mcp.Version20251125
		}
	}
	return cmp.Or(chosen.Revision, mcp.Version20251125)
}

// list asks for the tools in the era that the server speaks.
func (r *run) list(more ...[2]string) ask {
	switch s := r.facts.session; {
	case s != nil && s.era == "legacy":
		return legacy("tools/list", map[string]any{}, r.inSession(more...)...)
	case s == nil && r.strangers().state == doorOpen && r.strangers().list.kind() != served:
		return initialize(more...) // strangers are served, but not in the newer era
	}
	return modern("tools/list", nil, more...)
}
