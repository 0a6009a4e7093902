package probe

import (
	"net/http"
	"regexp"
)

// debugPaths are what operators look at, with what is in it when it is that.
var debugPaths = []struct {
	path string
	has  *regexp.Regexp
}{
	{"/debug/pprof/", regexp.MustCompile("goroutine")}, {"/debug/vars", regexp.MustCompile("memstats")},
	{"/metrics", regexp.MustCompile("(?m)^# (TYPE|HELP) ")}, {"/actuator/env", regexp.MustCompile("propertySources")},
	{"/.env", regexp.MustCompile("(?m)^[A-Z][A-Z0-9_]+=")}, {"/.git/HEAD", regexp.MustCompile("^ref: ")},
	{"/server-status", regexp.MustCompile("Apache Server Status")}, {"/openapi.json", regexp.MustCompile(`"openapi"`)},
}

// debug looks for what is meant for operators.
var debug = &Rule{
	Code: "GH-2113", Name: "debug-routes", Title: "Nothing for operators is shown to strangers",
	Group: Entry, Point: 1, Severity: High,
	Why:   "Profiles, metrics, configuration and environments hold secrets, names of customers and a way to stop the server.",
	Fix:   "Let them listen on an address of their own, on loopback or behind the operators' sign-in.",
	Links: []Link{{"CWE-215", "https://cwe.mitre.org/data/definitions/215.html"}, {"CWE-538", "https://cwe.mitre.org/data/definitions/538.html"}},
	Check: func(r *run, t *tally) {
		control := r.ask(ask{url: r.url("/gatehouse-check-nothing")})
		if control.Status == 0 {
			t.unknown(control, "%s", sight(control))
			return
		}
		for _, d := range debugPaths {
			x := r.ask(ask{url: r.url(d.path)})
			if x.unasked() {
				t.unknown(x, "%v", x.Err)
			}
			// The same answer as to a path that is none says nothing.
			if x.Status != http.StatusOK || !d.has.Match(x.Answer) || string(x.Answer) == string(control.Answer) {
				continue
			}
			if d.path == "/openapi.json" || d.path == "/metrics" {
				t.warn(x, "GET %s is shown to strangers", d.path)
				continue
			}
			t.fail(x, "GET %s is shown to strangers", d.path)
		}
		t.pass(nil, "%d paths that operators use show nothing", len(debugPaths))
	},
}
