package audit

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Query says which events are wanted: those to which everything applies that is
// set. The zero value wants all.
type Query struct {
	Since, Until time.Time // from and before
	Kinds        []string
	Action       string
	Tenant       string // name or id
	Key          string // id
	Subject      string
	Address      netip.Prefix
	Code         string
	Tool         string // of tools/call
	Method       string
	Server       string
	Request      string
	Prefix       string   // the id of the request begins with it
	Flow         string   // id of a login: of the request, or what its detail says it belongs to
	ClientID     string   // of the OAuth client
	Tokens       []string // ids of access tokens: one of these
	Outcome      string
	Limit        int  // the first so many that are found; 0: all
	Oldest       bool // comes first; else the newest does
}

// sieve is a query over bytes: it lets every line pass that the query wants,
// and few others. What passes is parsed and asked again.
type sieve struct {
	since, until []byte     // as lines have them; nil: open
	all          [][]byte   // a line has each of these
	any          [][][]byte // and one of each of these
}

func (q *Query) sieve() sieve {
	var s sieve
	if !q.Since.IsZero() {
		s.since = appendTime(nil, q.Since)
	}
	if !q.Until.IsZero() {
		s.until = appendTime(nil, q.Until)
	}
	for _, m := range []struct{ name, value string }{
		{`"request":`, q.Request}, {`"key":`, q.Key}, {`"subject":`, q.Subject}, {`"name":`, q.Tool}, {`"code":`, q.Code},
		{`"method":`, q.Method}, {`"server":`, q.Server}, {`"outcome":`, q.Outcome}, {`"client_id":`, q.ClientID}, {`"action":`, q.Action},
	} {
		if m.value != "" {
			s.all = append(s.all, member(nil, m.name, m.value, maxText))
		}
	}
	s.related(q)
	if q.Tenant != "" {
		s.any = append(s.any, [][]byte{member(nil, `"tenant":`, q.Tenant, maxText), member(nil, `"tenant_id":`, q.Tenant, maxText)})
	}
	if len(q.Kinds) > 0 {
		var kinds [][]byte
		for _, k := range q.Kinds {
			kinds = append(kinds, member(nil, `"kind":`, k, maxText))
		}
		s.any = append(s.any, kinds)
	}
	if q.Address.IsValid() {
		address := append([]byte(`"address":"`), q.Address.Addr().String()...)
		if !q.Address.IsSingleIP() || q.Address.Addr().Is6() { // counted refusals stand under their network
			address = []byte(`"address":"`)
		}
		s.all = append(s.all, address)
	}
	return s
}

// related is the part of a sieve for what belongs together.
func (s *sieve) related(q *Query) {
	if q.Prefix != "" {
		begin := member(nil, `"request":`, q.Prefix, maxText)
		s.all = append(s.all, begin[:len(begin)-1])
	}
	if q.Flow != "" {
		s.any = append(s.any, [][]byte{member(nil, `"request":`, q.Flow, maxText), member(nil, `"`+DetailFlow+`":`, q.Flow, maxText)})
	}
	if len(q.Tokens) > 0 {
		s.all = append(s.all, []byte(`"token":"`))
	}
}

// passes looks at a line that is none of the damaged ones.
func (s *sieve) passes(line []byte) bool {
	at := line[len(lineHead) : len(lineHead)+timeWidth]
	if s.since != nil && bytes.Compare(at, s.since) < 0 || s.until != nil && bytes.Compare(at, s.until) >= 0 {
		return false
	}
	for _, n := range s.all {
		if !bytes.Contains(line, n) {
			return false
		}
	}
	for _, some := range s.any {
		if !slices.ContainsFunc(some, func(n []byte) bool { return bytes.Contains(line, n) }) {
			return false
		}
	}
	return true
}

// wants looks at an event.
func (q *Query) wants(e *Event) bool {
	is := func(want, got string) bool { return want == "" || expectedText(want) == got }
	return is(q.Key, e.KeyID) && is(q.Subject, e.Subject) && is(q.Code, e.Code) && is(q.Method, e.Method) &&
		is(q.Server, e.Server) && is(q.Request, e.Request) && is(q.Outcome, e.Outcome) && is(q.Tool, e.Name) && is(q.ClientID, e.ClientID) && is(q.Action, e.Action) &&
		strings.HasPrefix(e.Request, q.Prefix) && (is(q.Flow, e.Request) || is(q.Flow, e.Detail[DetailFlow])) &&
		(len(q.Tokens) == 0 || slices.Contains(q.Tokens, e.TokenID)) &&
		(q.Tool == "" || e.Method == "" || e.Method == "tools/call") &&
		(is(q.Tenant, e.Tenant) || is(q.Tenant, e.TenantID)) &&
		(len(q.Kinds) == 0 || slices.Contains(q.Kinds, e.Kind)) &&
		(!q.Address.IsValid() || q.covers(e))
}

// covers says whether an event came from the address that is looked for, or,
// when it stands for many, may have come from there.
func (q *Query) covers(e *Event) bool {
	if !e.Address.IsValid() {
		return false
	}
	from := netip.PrefixFrom(e.Address, e.Address.BitLen())
	if e.Count > 1 {
		from = Network(e.Address)
	}
	return q.Address.Masked().Overlaps(from)
}

// expectedText is what reading gives of a text that was written.
func expectedText(s string) string {
	return unquote(appendText(nil, s, maxText), s)
}
