package probe

import (
	"net/url"
	"strings"
)

// query brings the credential in the URL.
var query = &Rule{
	Code: "GH-2138", Name: "credential-in-url", Title: "A credential in the URL is refused",
	Group: Refusals, Point: 3, Severity: High, Spec: true,
	Why:   "URLs are in the logs of every proxy, in histories and in Referer headers. A server that takes a credential there makes its users write it there.",
	Fix:   "Read the credential from the Authorization header only, and refuse requests whose query has one.",
	Links: []Link{rfc("6750", "5.3"), mcpAuthorization},
	Check: func(r *run, t *tally) {
		for name, values := range r.given.Query() {
			if secretName(name) && len(strings.Join(values, "")) >= 8 { // ?author=ada has none
				t.fail(nil, "the URL that you gave has a credential in its query (%s)", shown(name))
			}
		}
		if r.given.User != nil {
			t.fail(nil, "the URL that you gave has a user name or password in it")
		}
		if t.has(Fail) || !r.guarded(t) {
			return
		}
		credential, done, ok := r.spent(t)
		if !ok {
			return
		}
		defer done()
		// Only if it is served with the credential in its header does a refusal mean where that is.
		a, x := r.servedWith(credential)
		if x.kind() != served {
			t.unknown(x, "the credential is not accepted in the header either: %s", sight(x))
			return
		}
		for _, name := range []string{"access_token", "api_key", "key", "token"} {
			u := *r.target
			q := u.Query()
			q.Set(name, credential)
			u.RawQuery = q.Encode()
			switch x := r.ask(a.at(u.String())); {
			case x.kind() == served:
				t.fail(x, "a credential in the query (%s) is accepted", name)
			case !x.kind().refuses():
				t.unknown(x, "%s", sight(x))
			}
		}
		t.pass(nil, "a credential in the query string is refused")
	},
}

// spent returns a credential that may end up in logs: one that was made for
// that, or the given one if its owner said so.
func (r *run) spent(t *tally) (credential string, done func(), ok bool) {
	if r.o.Keys != nil {
		id, key, err := r.makeKey()
		if err != nil {
			t.unknown(nil, "%s", r.mask.text(err.Error()))
			return "", nil, false
		}
		return key, func() {
			if err := r.revoke(id); err != nil {
				t.unknown(nil, "%s", r.mask.text(err.Error()))
			}
		}, true
	}
	if _, ok := r.signedIn(t); !ok {
		return "", nil, false
	}
	if !r.o.InURL {
		t.unknown(nil, "the credential would be in logs from then on: --in-url, or --rotate for a key that is made for it")
		return "", nil, false
	}
	return r.o.Credential, func() {}, true
}

// secretName says whether a parameter is one for secrets. There is no list of
// such names (tavilyApiKey, X-Amz-Signature), so what sounds like one is one.
func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, part := range [...]string{"key", "token", "secret", "auth", "passw", "sig"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// secretURL says whether a URL has a secret in it.
func secretURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	_, password := u.User.Password()
	for name := range u.Query() {
		if secretName(name) {
			return true
		}
	}
	return password
}
