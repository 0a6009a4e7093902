package probe

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
)

// uniform compares refusals with one another.
var uniform = &Rule{
	Code: "GH-2131", Name: "uniform-refusals", Title: "A refusal does not tell what was wrong with a credential",
	Group: Refusals, Point: 6, Severity: Medium,
	Why:   "An answer that differs between a key that is unknown and one that was revoked, or between a wrong and a nearly right one, tells a thief which of what he has is worth something.",
	Fix:   "Give every credential that is well-formed and not accepted the same status, headers and text; keep the reason in the log, under a request id.",
	Links: []Link{{"OWASP, authentication and error messages", "https://cheatsheetseries.owasp.org/cheatsheets/Authentication_Cheat_Sheet.html#authentication-and-error-messages"}, rfc("6750", "3.1")},
	Check: func(r *run, t *tally) {
		if !r.guarded(t) {
			return
		}
		sent := []struct{ what, credential string }{
			{"an unknown one", madeUp},
			{"another unknown one", "gatehouse-check-nobody-has-this-one-1111111111111"},
		}
		for _, kind := range []Bad{BadRevoked, BadExpired} {
			if c := r.o.Bad[kind]; c != "" {
				sent = append(sent, struct{ what, credential string }{"a credential that is " + string(kind), c})
			}
		}
		if c := r.o.Credential; len(c) > 12 && !signed(c) && r.signIn().era != "" {
			near := changed(c)
			r.mask.hide(near) // all but its end is the real one
			sent = append(sent, struct{ what, credential string }{"one that is nearly a real one", near})
		}
		var first *Exchange
		for _, s := range sent {
			x := r.ask(modern("tools/list", nil, bearer(s.credential)))
			switch k := x.kind(); {
			case k == served:
				t.fail(x, "%s is served", s.what)
				continue
			case !k.refuses():
				t.unknown(x, "%s", sight(x))
				continue
			case first == nil:
				first = x
				continue
			}
			r.compare(t, first, x, s.what)
		}
		if first != nil && !t.has(Fail) && len(sent) == 2 {
			t.pass(first, "two unknown credentials are answered alike; revoked and expired ones were not given (--bad-token)")
			return
		}
		t.pass(first, "%d credentials that are not accepted are answered alike", len(sent))
	},
}

// compare tells in what a refusal differs from another.
func (r *run) compare(t *tally, first, x *Exchange, what string) {
	switch {
	case x.Status != first.Status:
		t.fail(x, "%s is answered %d, and an unknown one %d", what, x.Status, first.Status)
	case signed(bearerIn(x)): // that it is a token, and of when, can be read in it by anybody
	case !slices.Equal(headerNames(x.Header), headerNames(first.Header)):
		t.warn(x, "%s is answered with other headers than an unknown one", what)
	case r.even(x) != r.even(first):
		t.warn(x, "%s is answered with another text than an unknown one", what)
	}
}

// signed says whether a credential is a signed token.
func signed(c string) bool {
	_, err := jws.Read(c)
	return err == nil
}

func bearerIn(x *Exchange) string {
	return strings.TrimPrefix(x.Sent.Get("Authorization"), "Bearer ")
}

// varying is what differs between two answers without telling anything.
var varying = regexp.MustCompile(`"(?:request_?id|trace_?id|correlation_?id|id|time|timestamp|date|nonce)"\s*:\s*("[^"]*"|\d+)|[0-9a-fA-F]{8}-?[0-9a-fA-F-]{8,}|[0-9A-Z]{12,}|[A-Za-z0-9+/_-]{20,}={0,2}|\d{2,}`)

// even is a refusal without what differs each time.
func (r *run) even(x *Exchange) string {
	text := string(x.Answer) + "\n" + strings.Join(x.Header.Values("WWW-Authenticate"), ", ")
	return varying.ReplaceAllString(r.mask.text(text), "·")
}

// fleeting are headers that come and go.
var fleeting = []string{"Date", "Age", "Set-Cookie", "Connection", "Keep-Alive", "Alt-Svc", "Cf-Ray", "Retry-After", "Transfer-Encoding", "Content-Length"}

func headerNames(h http.Header) []string {
	var names []string
	for n := range h {
		if !slices.Contains(fleeting, n) && !strings.HasPrefix(n, "Ratelimit") && !strings.HasPrefix(n, "X-Ratelimit") {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

// changed is a credential with its last four characters turned into others of
// their kind. One of ours with a wrong checksum is not well-formed, so it becomes
// another that is.
func changed(c string) string {
	if keytext.Is(c) {
		if _, text, err := keytext.Mint(nil); err == nil {
			return text
		}
	}
	b := []byte(c)
	for i := len(b) - 4; i < len(b); i++ {
		switch {
		case b[i] >= '0' && b[i] <= '8', b[i] >= 'a' && b[i] < 'z', b[i] >= 'A' && b[i] < 'Z':
			b[i]++
		default:
			b[i] = 'a'
		}
	}
	return string(b)
}
