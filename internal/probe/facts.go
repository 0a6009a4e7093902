package probe

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/discovery"
)

// facts are what several rules need to know. Each is found out once.
type facts struct {
	door     *door
	prm      *resource
	issuer   *issuer
	session  *session
	register *registered
	made     []*registered // all that were registered
}

// door is how strangers are met.
type door struct {
	initialize, list, discover *Exchange // without a credential
	state                      doorState
	why                        string // for a person
}

type doorState int

const (
	doorUnseen  doorState = iota // no telling
	doorGuarded                  // everybody is asked for a credential
	doorOpen                     // somebody is served without one
	doorFirm                     // strangers are refused, but not asked: 403, or a refusal within 200
)

// ask answers a question, in the time of the rule that wants to know.
func (r *run) ask(a ask) *Exchange {
	if a.url == "" {
		a.url = r.target.String()
	}
	return r.do(r.ctx, a)
}

// url is a path of the server's origin, byte for byte.
func (r *run) url(path string) string { return r.target.Scheme + "://" + r.target.Host + path }

// strangers finds out how one without a credential is met, by both eras.
func (r *run) strangers() *door {
	if r.facts.door != nil {
		return r.facts.door
	}
	d := &door{initialize: r.ask(initialize()), list: r.ask(modern("tools/list", nil)), discover: r.ask(modern("server/discover", nil))}
	r.facts.door = d
	all := []*Exchange{d.initialize, d.list, d.discover}
	asked, firm := 0, 0
	for _, x := range all {
		switch k := x.kind(); {
		case k == served:
			d.state, d.why = doorOpen, x.Line()+" without a credential"
			return d
		case k == challenged:
			asked++
		case k.refuses():
			firm++
		}
	}
	switch {
	case asked == len(all):
		d.state = doorGuarded
	case asked+firm == len(all):
		d.state, d.why = doorFirm, "strangers are refused with "+d.initialize.kind().String()
	default:
		d.why = sight(d.initialize)
		if d.initialize.kind().refuses() {
			d.why = sight(d.list)
		}
	}
	return d
}

// sight says why an answer tells nothing about an MCP server.
func sight(x *Exchange) string {
	switch k := x.kind(); k {
	case silent:
		return x.Line() + ": " + x.mask.text(x.Err.Error())
	case redirected:
		return fmt.Sprintf("%s leads to %s", x.Line(), place(x.Header.Get("Location")))
	case bot:
		return x.Line() + ": a bot protection answers in place of the server"
	default:
		return x.Line() + ": " + k.String()
	}
}

// unclear says whether an answer tells nothing about what was asked: there was
// none, or it is about us or about a failure. The rule has then said so.
func (r *run) unclear(t *tally, x *Exchange) bool {
	switch x.kind() {
	case silent, limited, bot, broken:
		t.unknown(x, "%s", sight(x))
		return true
	}
	return false
}

// place is a URL as it is shown: without what may be secret in it.
func place(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return fmt.Sprintf("%.100q", (&mask{}).text(text))
	}
	if u.RawQuery != "" {
		u.RawQuery = "…"
	}
	return fmt.Sprintf("%.200s", u.Redacted())
}

// guarded says whether the server asks strangers for a credential. If it does
// not, the rule has said why it has nothing to say.
func (r *run) guarded(t *tally) bool {
	d := r.strangers()
	switch d.state {
	case doorGuarded, doorFirm:
		return true
	case doorOpen:
		t.without("the server serves strangers, so this does not matter yet")
	default:
		t.unknown(d.initialize, "%s", d.why)
	}
	return false
}

// document is a JSON document that somebody publishes.
type document struct {
	at  string
	x   *Exchange
	err string // why it is none; empty: it is one
}

// fetch gets a document.
func (r *run) fetch(at string) *document {
	d := &document{at: at}
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		d.err = fmt.Sprintf("%.200q is no URL", at)
		d.x = &Exchange{Method: http.MethodGet, URL: at, Err: fmt.Errorf("%s", d.err), mask: r.mask}
		return d
	}
	d.x = r.do(r.ctx, ask{url: at, header: [][2]string{{"Accept", "application/json"}}})
	var object map[string]json.RawMessage
	switch x := d.x; {
	case x.Status == 0:
		d.err = x.Err.Error()
	case x.Status >= 300 && x.Status < 400:
		d.err = "redirects to " + place(x.Header.Get("Location"))
	case x.Status != http.StatusOK:
		d.err = fmt.Sprintf("status %d", x.Status)
	case x.html():
		d.err = "a web page"
	case json.Unmarshal(x.Answer, &object) != nil || x.Cut:
		d.err = "not a JSON object"
	}
	return d
}

// resource is what the server says about itself. RFC 9728
type resource struct {
	pointed      string    // resource_metadata of the challenge; empty: there is none
	path, root   *document // at the well-known places; the same where the URL has no path
	header       *document // where the challenge points; nil: nowhere, or to one of the two
	used         *document // the one that clients take; nil: there is none
	Resource     string    `json:"resource"`
	Servers      []string  `json:"authorization_servers"`
	Scopes       []string  `json:"scopes_supported"`
	BearerMethod []string  `json:"bearer_methods_supported"`
	Proofs       []string  `json:"dpop_signing_alg_values_supported"`
	Bound        bool      `json:"dpop_bound_access_tokens_required"`
}

const wellKnown = "/.well-known/oauth-protected-resource"

// metadata finds the server's description as clients do: by the challenge, then
// behind the path, then at the root. RFC 9728 §3.1, MCP 2026-07-28 authorization
func (r *run) metadata() *resource {
	if r.facts.prm != nil {
		return r.facts.prm
	}
	m := &resource{}
	r.facts.prm = m
	m.root = r.fetch(r.url(wellKnown))
	m.path = m.root
	if p := strings.TrimSuffix(r.target.EscapedPath(), "/"); p != "" {
		m.path = r.fetch(r.url(wellKnown + p))
	}
	if c := bearerOf(challenges(r.strangers().initialize.Header.Values("WWW-Authenticate"))); c != nil {
		m.pointed = c.params["resource_metadata"]
	}
	order := []*document{m.path, m.root}
	if m.pointed != "" {
		switch m.pointed {
		case m.path.at:
			m.header = m.path
		case m.root.at:
			m.header = m.root
		default:
			m.header = r.fetch(m.pointed)
		}
		order = []*document{m.header, m.path, m.root}
	}
	for _, d := range order {
		if d.err == "" && json.Unmarshal(d.x.Answer, m) == nil && m.Resource != "" {
			m.used = d
			break
		}
	}
	return m
}

// described says whether there is a description, for rules about it.
func (r *run) described(t *tally) (*resource, bool) {
	m := r.metadata()
	if m.used != nil {
		return m, true
	}
	if d := r.strangers(); d.state == doorUnseen {
		t.unknown(d.initialize, "%s", d.why)
	} else {
		t.without("there is no protected resource metadata: the server takes no tokens, or hides where from")
	}
	return m, false
}

// issuer is the authorization server that the description names first: some clients look at no other.
type issuer struct {
	name  string
	tried []*document
	meta  *discovery.Metadata // nil: none that does
	doc   *document
	why   string // why there is none
}

// authServer finds the metadata of the authorization server, in the order of
// MCP 2026-07-28. Nil: the description names none.
func (r *run) authServer() *issuer {
	if r.facts.issuer != nil {
		return r.facts.issuer
	}
	m := r.metadata()
	if m.used == nil || len(m.Servers) == 0 {
		return nil
	}
	i := &issuer{name: m.Servers[0]}
	r.facts.issuer = i
	urls, err := discovery.URLs(i.name)
	if err != nil {
		i.why = err.Error()
		return i
	}
	if len(urls) > 3 { // the last is no specification's, and not every client looks there
		urls = urls[:3]
	}
	var whys []string
	for _, at := range urls {
		d := r.fetch(at)
		if d.err == "" {
			meta, err := discovery.Parse(d.x.Answer, i.name)
			if err == nil {
				meta.URL, i.meta, i.doc = at, meta, d
				return i
			}
			d.err = err.Error()
		}
		i.tried = append(i.tried, d)
		whys = append(whys, place(at)+": "+d.err)
	}
	i.why = strings.Join(whys, "; ")
	return i
}

// issued says whether there is an authorization server to be judged.
func (r *run) issued(t *tally) (*issuer, bool) {
	if m, ok := r.described(t); !ok {
		return nil, false
	} else if len(m.Servers) == 0 {
		t.without("the metadata names no authorization server")
		return nil, false
	}
	i := r.authServer()
	if i.meta == nil {
		t.unknown(nil, "the metadata of %s was not found (GH-2124)", place(i.name))
		return nil, false
	}
	return i, true
}

func toolNames(x *Exchange) []string {
	a := x.answer()
	if a == nil || a.Result == nil {
		return nil
	}
	var list struct {
		Tools []struct {
			Name string `json:"name"`
		} `json:"tools"`
	}
	if json.Unmarshal(a.Result, &list) != nil {
		return nil
	}
	var names []string
	for _, t := range list.Tools {
		names = append(names, t.Name)
	}
	return names
}

// days between two times, for people.
func days(d time.Duration) int { return int(d.Hours() / 24) }
