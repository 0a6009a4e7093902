package probe

import (
	"fmt"
	"strings"
)

// challengeRule looks at how the server asks for a credential.
var challengeRule = &Rule{
	Code: "GH-2120", Name: "challenge", Title: "Strangers are asked for a credential in the way that clients understand",
	Group: Discovery, Severity: High, Spec: true,
	Why:   "Clients begin to sign in when they see 401 with a Bearer challenge. A 403, or a refusal within 200, is final for them: the user sees an error and no sign-in.",
	Fix:   `Answer 401 with WWW-Authenticate: Bearer resource_metadata="…", scope="…", and no error when no credential was sent.`,
	Links: []Link{rfc("6750", "3"), rfc("9728", "5.1"), mcpAuthorization},
	Check: func(r *run, t *tally) {
		d := r.strangers()
		switch d.state {
		case doorOpen:
			t.without("the server serves strangers, so this does not matter yet")
			return
		case doorUnseen:
			t.unknown(d.initialize, "%s", d.why)
			return
		}
		for _, x := range []*Exchange{d.initialize, d.list} {
			if k := x.kind(); k != challenged {
				t.fail(x, "a stranger is refused with %s (status %d), so that no client begins to sign in", k, x.Status)
				continue
			}
			r.asksFor(t, x)
		}
		if m := r.metadata(); m.used != nil {
			t.pass(d.initialize, "401 with %s", asked(d.initialize))
		} else {
			t.pass(d.initialize, "401 with a Bearer challenge")
		}
	},
}

// asksFor judges a challenge to a request without a credential.
func (r *run) asksFor(t *tally, x *Exchange) {
	sent := x.Header.Values("WWW-Authenticate")
	c := bearerOf(challenges(sent))
	switch {
	case len(sent) == 0:
		t.fail(x, "401 without WWW-Authenticate") // RFC 9110 §15.5.2
	case c == nil:
		t.fail(x, "401 without a Bearer challenge: WWW-Authenticate: %.80s", shown(r.mask.text(sent[0])))
	case c.twice:
		t.warn(x, "a parameter of the challenge occurs twice, and clients differ in which one they take")
	case c.params["error"] != "":
		t.warn(x, "the challenge says error=%q though no credential was sent", c.params["error"]) // RFC 6750 §3.1
	}
	if m := r.metadata(); c == nil || m.used == nil && c.params["resource_metadata"] == "" {
		return // a server of keys alone has nothing more to say
	} else if m.used != nil {
		if c.params["resource_metadata"] == "" {
			t.warn(x, "the challenge has no resource_metadata, and some clients look nowhere else")
		}
		if c.params["scope"] == "" && len(m.Scopes) > 0 {
			t.warn(x, "the challenge has no scope, so clients ask for all of scopes_supported")
		}
	}
	if strings.Contains(" "+c.params["scope"]+" ", " offline_access ") {
		t.warn(x, "the challenge asks for offline_access, which is between client and authorization server")
	}
}

// asked names what is in a challenge.
func asked(x *Exchange) string {
	c := bearerOf(challenges(x.Header.Values("WWW-Authenticate")))
	if c == nil {
		return "a challenge"
	}
	var all []string
	for _, n := range []string{"resource_metadata", "scope"} {
		if v := c.params[n]; v != "" && n == "scope" {
			all = append(all, fmt.Sprintf("scope=%q", shown(v)))
		} else if v != "" {
			all = append(all, n)
		}
	}
	if len(all) == 0 {
		return "a Bearer challenge"
	}
	return "WWW-Authenticate: " + strings.Join(all, ", ")
}
