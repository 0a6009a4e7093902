package probe

import (
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
)

// leaky is what an answer should not have.
var leaky = []struct {
	what string
	is   *regexp.Regexp
}{
	{"a stack trace", regexp.MustCompile(`Traceback \(most recent call last\)|goroutine \d+ \[|\n\s+at [\w.<>$ ]+\(?[^\n]*:\d+:\d+\)?|\bat [\w.$]+\([\w]+\.java:\d+\)|System\.\w+Exception: |\.go:\d+ \+0x`)},
	{"a path of the server's file system", regexp.MustCompile(`(?:^|["'\s(=])(?:/(?:home|Users|usr/src|usr/local|opt|var/www|srv|app|root)/[\w.@-]+(?:/[\w.@-]+)+|[A-Z]:\\\\?(?:Users|inetpub|app)\\\\?[\w.\\-]+)`)},
	{"an error of a database", regexp.MustCompile(`(?i)SQLSTATE|ORA-\d{5}|sqlite3?\.\w*Error|psycopg2?\.|pq: |syntax error at or near`)},
}

var (
	address = regexp.MustCompile(`\b(?:\d{1,3}\.){3}\d{1,3}\b`)
	version = regexp.MustCompile(`(?i)\b(?:nginx|apache|iis|express|php|tomcat|jetty|uvicorn|gunicorn|werkzeug|kestrel|openresty|python|node)[/ ]v?\d+(\.\d+)*`)
)

// leaks looks through every answer that came so far, and provokes some more.
var leaks = &Rule{
	Code: "GH-2144", Name: "leaks", Title: "Answers and errors tell nothing that is not for strangers",
	Group: Behaviour, Point: 3, Severity: Medium,
	Why:   "Stack traces, paths, versions and internal addresses show an attacker where to look; a secret in an answer is a secret no more.",
	Fix:   "Answer errors with a fixed sentence and an id; keep the story in the log. Turn off debug modes and Server headers with versions.",
	Links: []Link{{"CWE-209", "https://cwe.mitre.org/data/definitions/209.html"}, {"OWASP, error handling", "https://cheatsheetseries.owasp.org/cheatsheets/Error_Handling_Cheat_Sheet.html"}},
	Check: func(r *run, t *tally) {
		r.provoke()
		seen := 0
		for _, x := range r.all {
			if x.Status == 0 {
				continue
			}
			seen++
			r.leaksOf(t, x)
		}
		if seen == 0 {
			t.unknown(r.strangers().initialize, "%s", r.strangers().why)
			return
		}
		t.pass(nil, "no secret, no trace of the inside and no version to look up in %d answers", seen)
	},
}

// provoke asks what servers stumble over.
func (r *run) provoke() {
	own := [][2]string{{"Content-Type", "application/json"}, {"Accept", "application/json, text/event-stream"}}
	for _, h := range [][][2]string{own, append(own[:2:2], bearer(madeUp)), append(own[:2:2], r.credential()...)} {
		for _, body := range []string{`{"jsonrpc":`, `[]`, `{"jsonrpc":"2.0","id":{},"method":1,"params":"x"}`} {
			r.ask(ask{method: http.MethodPost, header: h, body: body})
			if h[len(h)-1] == bearer(madeUp) {
				break // each of these counts as a failed attempt
			}
		}
	}
	r.ask(ask{url: r.url("/%00%ff/gatehouse-check")})
}

// credential is the credential as a header, if there is one.
func (r *run) credential() [][2]string {
	if r.o.Credential == "" {
		return nil
	}
	return [][2]string{bearer(r.o.Credential)}
}

func (r *run) leaksOf(t *tally, x *Exchange) {
	text := string(x.Answer)
	if x.kind() == served && x.Sent.Get("Authorization") != "" {
		text = "" // what tools are described with is for whoever may see it
	}
	for _, l := range leaky {
		if m := l.is.FindString(text); m != "" {
			t.fail(x, "%s → %d has %s", x.Method+" "+pathOf(x), x.Status, l.what)
		}
	}
	for _, sent := range []string{madeUp, r.o.Credential} {
		if sent != "" && strings.Contains(text, sent) {
			t.fail(x, "%s → %d says back the credential that was sent, and so it is in logs of answers", x.Method+" "+pathOf(x), x.Status)
		}
	}
	for _, m := range address.FindAllString(text, -1) {
		ip, err := netip.ParseAddr(m)
		if err == nil && ip.IsPrivate() && m != r.target.Hostname() {
			t.warn(x, "an internal address (%s) is in the answer to %s", m, x.Method+" "+pathOf(x))
		}
	}
	if m := looksKey.FindString(text); m != "" && !strings.Contains(m, "gatehouse-check") && !strings.Contains(m, "EXAMPLE") {
		t.fail(x, "what looks like a secret (%s) is in the answer to %s", x.mask.text(m), x.Method+" "+pathOf(x))
	}
	for _, h := range []string{"Server", "X-Powered-By", "X-AspNet-Version", "Via"} {
		v := x.Header.Get(h)
		if version.MatchString(v) || h != "Server" && h != "Via" && v != "" {
			t.warn(nil, "%s", fmt.Sprintf("%s: %.60s tells which software, and what to look up about it", h, shown(v)))
		}
	}
	if loc := x.Header.Get("Location"); secretURL(loc) {
		t.fail(x, "a redirect has a secret in its URL")
	}
}

func pathOf(x *Exchange) string {
	_, rest, _ := strings.Cut(x.URL, "://")
	_, path, _ := strings.Cut(rest, "/")
	path, _, _ = strings.Cut(path, "?")
	return "/" + shown(path)
}
