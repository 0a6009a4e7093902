package doctor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// kept are the members of an event that name nobody and are ours. What is not
// here and not in aliased is left out: a member that is new has to be thought about.
var kept = []string{
	"time", "kind", "action", "phase", "method", "name", "status", "code", "outcome", "took_us", "count", "since", "auth_age", "server", "rules", "reason", "request",
}

// aliased are members that name somebody or something of theirs. The same value has the
// same alias throughout an archive, and another in the next.
var aliased = map[string]string{
	"tenant": "tenant", "tenant_id": "tenant-id", "subject": "person", "key": "key", "key_name": "key-name", "client_supplied": "client",
	"issuer": "issuer", "client_id": "client-id", "token": "token", "address": "address", "by": "person",
}

// reducer writes events of the audit trail so that they say what happened, and
// not to whom.
type reducer struct {
	scrub   *scrubber
	aliases map[string]string // by kind and value
	counts  map[string]int
}

func newReducer(s *scrubber) *reducer {
	return &reducer{scrub: s, aliases: map[string]string{}, counts: map[string]int{}}
}

var requestID = regexp.MustCompile(`^[0-9A-Z]{8,32}$`) // as we make them

// events reduces lines of a trail. Names are gathered first, so that a reason
// which repeats one does not give it away. A line that cannot be read is left out.
func (r *reducer) events(lines [][]byte) []byte {
	var all []map[string]any
	for _, line := range lines {
		var e map[string]any
		if json.Unmarshal(line, &e) != nil {
			r.scrub.note("", "line that cannot be read")
			continue
		}
		for member, kind := range aliased {
			if v, ok := e[member].(string); ok {
				r.alias(kind, v)
			}
		}
		all = append(all, e)
	}
	struck := r.striker()
	var out bytes.Buffer
	for _, e := range all {
		line, err := json.Marshal(r.event(e, struck)) // what was read can be written
		if err == nil {
			out.Write(append(line, '\n'))
		}
	}
	return out.Bytes()
}

func (r *reducer) event(e map[string]any, struck *strings.Replacer) map[string]any {
	out := map[string]any{}
	for member, v := range e {
		kind, isName := aliased[member]
		text, isText := v.(string)
		switch {
		case isName && isText && text != "":
			out[member] = r.alias(kind, text)
			r.scrub.note(member, "replaced by an alias")
		case member == "request" && requestID.MatchString(text):
			out[member] = text
		case slices.Contains(kept, member):
			out[member] = r.clean(member, v, struck)
		case member == "args" || member == "detail" || member == "rights" || isName:
			r.scrub.note(member, "left out")
		default:
			r.scrub.note("(others)", "left out")
		}
	}
	return out
}

// clean takes names and secrets out of what is kept.
func (r *reducer) clean(member string, v any, struck *strings.Replacer) any {
	switch x := v.(type) {
	case string:
		return r.scrub.text(member, struck.Replace(x))
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = r.clean(member, x[i], struck)
		}
		return out
	case map[string]any:
		return Gone
	}
	return v
}

func (r *reducer) alias(kind, value string) string {
	id := kind + "\x00" + value
	if r.aliases[id] == "" {
		r.counts[kind]++
		r.aliases[id] = fmt.Sprintf("%s-%d", kind, r.counts[kind])
	}
	return r.aliases[id]
}

// striker puts aliases where names stand in the middle of a text.
func (r *reducer) striker() *strings.Replacer {
	type pair struct{ value, alias string }
	var all []pair
	const shortest = 3
	for id, alias := range r.aliases {
		_, value, _ := strings.Cut(id, "\x00")
		if len(value) >= shortest {
			all = append(all, pair{value, alias})
		}
	}
	slices.SortFunc(all, func(a, b pair) int {
		if len(a.value) != len(b.value) {
			return len(b.value) - len(a.value)
		}
		return strings.Compare(a.value+a.alias, b.value+b.alias)
	})
	var flat []string
	for _, p := range all {
		flat = append(flat, p.value, p.alias)
	}
	return strings.NewReplacer(flat...)
}
