package probe

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
)

// Exchange is one request and what came of it.
type Exchange struct {
	Method string
	URL    string // as it was asked for, its path byte for byte
	Sent   http.Header
	Body   string

	Status int // 0: there was no answer
	Header http.Header
	Answer []byte // at most maxAnswer bytes; of a stream its first events
	Cut    bool   // there is more of it
	Err    error  // why there was no answer
	TLS    *tls.ConnectionState
	Took   time.Duration

	unreached bool // somebody was dialled, and no connection came about
	mask      *mask
}

const (
	maxAnswer = 256 << 10 // bytes of an answer that are looked at
	maxShown  = 2 << 10   // bytes of a body in evidence
)

// media is the media type of the answer, without parameters.
func (x *Exchange) media() string {
	kind, _, _ := strings.Cut(x.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// html says whether the answer is a web page, whatever it claims to be.
func (x *Exchange) html() bool {
	head := strings.ToLower(string(x.Answer[:min(len(x.Answer), 512)]))
	return x.media() == "text/html" || x.media() == "application/xhtml+xml" ||
		strings.HasPrefix(strings.TrimSpace(head), "<!doctype html") || strings.HasPrefix(strings.TrimSpace(head), "<html")
}

// Line is the exchange in a few words: "POST /mcp → 401".
func (x *Exchange) Line() string {
	at := x.URL
	if u, err := url.Parse(x.URL); err == nil {
		if at = u.EscapedPath(); u.RawQuery != "" {
			at += "?…"
		}
	}
	end := "no answer"
	if x.Status != 0 {
		end = strconv.Itoa(x.Status)
	}
	return shown(x.mask.text(x.Method+" "+at)) + " → " + end
}

// Request is what was sent, without secrets.
func (x *Exchange) Request() string {
	return shown(x.mask.text(x.Method+" "+x.URL)) + "\n" + x.mask.header(x.Sent) + body(x.mask.text(x.Body), false)
}

// Response is what came back, without secrets.
func (x *Exchange) Response() string {
	if x.Status == 0 {
		return "no answer: " + shown(x.mask.text(x.Err.Error())) + "\n"
	}
	return strconv.Itoa(x.Status) + " " + http.StatusText(x.Status) + "\n" + x.mask.header(x.Header) + body(x.mask.text(string(x.Answer)), x.Cut)
}

// body is a body as it is shown: short, and without what a terminal acts upon.
func body(text string, cut bool) string {
	if text == "" {
		return ""
	}
	if len(text) > maxShown {
		text, cut = strings.ToValidUTF8(text[:maxShown], ""), true
	}
	if cut {
		text += " …"
	}
	return "\n" + shown(text) + "\n"
}

// shown is a text of a stranger in which nothing acts upon a terminal or turns
// the direction of writing.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, text)
}

// mask hides secrets: those that are known, and what looks like one.
type mask struct{ known []string }

// newMask never hides what is so short that it is everywhere.
func newMask(secrets ...string) *mask {
	m := &mask{}
	for _, s := range secrets {
		if len(s) >= 8 {
			m.hide(s)
		}
	}
	return m
}

// hide has a secret hidden from now on, as it is and as it is in a URL. Longer
// ones come first, so that none is left where another is a part of it.
func (m *mask) hide(s string) {
	for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s)} {
		if form != "" && !slices.Contains(m.known, form) {
			m.known = append(m.known, form)
		}
	}
	slices.SortStableFunc(m.known, func(a, b string) int { return len(b) - len(a) })
}

// hideURL has what is secret in a URL hidden.
func (m *mask) hideURL(u *url.URL) {
	const short = 4 // a shorter one is hidden where it stands, by its name, but not everywhere
	var all []string
	if u.User != nil {
		password, _ := u.User.Password()
		all = append(all, u.User.Username(), password)
	}
	for name, values := range u.Query() {
		if secretName(name) {
			all = append(all, values...)
		}
	}
	for _, s := range append(looksKey.FindAllString(u.Path, -1), looksJWT.FindAllString(u.Path, -1)...) {
		all = append(all, s, s[1:], strings.ToUpper(s)) // the path is asked for in other spellings too
	}
	for _, s := range all {
		if len(s) >= short {
			m.hide(s)
		}
	}
}

var (
	looksJWT = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`)
	looksKey = regexp.MustCompile(`\b(?:gth[a-z]_[0-9A-Za-z]{12}_|sk-|sk_live_|sk_test_|rk_live_|ghp_|gho_|ghs_|github_pat_|xox[abpr]-|AKIA|AIza|glpat-)[0-9A-Za-z_-]{12,}`)
	member   = regexp.MustCompile(`((?i:"[\w-]*(?:token|secret|passwd|password|api[_-]?key)")\s*:\s*")[^"]{4,}`)
	dialled  = regexp.MustCompile(`((?i:[?&;](?:code|[^=&;\s"]*(?:key|token|secret|auth|passw|sig)[^=&;\s"]*)=))[^&;\s"]+`)
	userInfo = regexp.MustCompile(`(://)[^/?#@\s"]+@`)
)

const hidden = "‹hidden›"

func (m *mask) text(s string) string {
	if m != nil {
		for _, k := range m.known {
			s = strings.ReplaceAll(s, k, hidden)
		}
	}
	s = looksJWT.ReplaceAllString(s, hidden)
	s = looksKey.ReplaceAllStringFunc(s, func(k string) string {
		if keytext.Is(k) { // its id is no secret, and says which key to revoke
			return k[:keytext.SecretAt] + hidden
		}
		return k[:4] + hidden
	})
	s = member.ReplaceAllString(s, "${1}"+hidden)
	s = userInfo.ReplaceAllString(s, "${1}"+hidden+"@")
	return dialled.ReplaceAllString(s, "${1}"+hidden)
}

// private are the headers whose values are nobody's business.
var private = []string{"Authorization", "X-Api-Key", "Cookie", "Set-Cookie", "Dpop", "Mcp-Session-Id", "Proxy-Authorization"}

// public are headers whose names only sound like secrets.
var public = []string{"Www-Authenticate", "Sec-Websocket-Key"}

func (m *mask) header(h http.Header) string {
	names := make([]string, 0, len(h))
	for n := range h {
		names = append(names, n)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, n := range names {
		for _, v := range h[n] {
			if slices.Contains(private, n) || secretName(n) && !slices.Contains(public, n) {
				scheme, rest, two := strings.Cut(v, " ")
				if v = hidden; two && n == "Authorization" && rest != "" && len(scheme) < 12 {
					v = scheme + " " + hidden
				}
			}
			b.WriteString(shown(n) + ": " + shown(m.text(v)) + "\n")
		}
	}
	return b.String()
}
