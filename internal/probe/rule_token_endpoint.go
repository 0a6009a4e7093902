package probe

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// tokenEndpoint redeems a code that nobody gave out.
var tokenEndpoint = &Rule{
	Code: "GH-2129", Name: "token-endpoint", Title: "The token endpoint refuses a made-up code in the way that clients understand",
	Group: Issuer, Severity: Medium, Spec: true,
	Why:   "Clients decide by the error: invalid_client has them register again, invalid_grant has them sign in again. A web page, or an error within 200, leaves them in a loop.",
	Fix:   "Answer 400 or 401 with JSON {\"error\": \"invalid_client\" or \"invalid_grant\"} and Cache-Control: no-store.",
	Links: []Link{rfc("6749", "5.2")},
	Check: func(r *run, t *tally) {
		i, ok := r.issued(t)
		if !ok {
			return
		}
		if i.meta.TokenEndpoint == "" {
			t.unknown(nil, "the metadata has no token_endpoint")
			return
		}
		form := url.Values{
			"grant_type": {"authorization_code"}, "code": {"gatehouse-check-no-such-code"}, "client_id": {"gatehouse-check-no-such-client"},
			"redirect_uri": {redirectURI}, "code_verifier": {strings.Repeat("gatehouse", 5)},
		}
		x := r.ask(ask{
			method: http.MethodPost, url: i.meta.TokenEndpoint, body: form.Encode(),
			header: [][2]string{{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}},
		})
		var e struct {
			Error string `json:"error"`
			Token string `json:"access_token"`
		}
		read := json.Unmarshal(x.Answer, &e)
		switch {
		case x.Status == 0 || x.Status == http.StatusTooManyRequests || x.wantsBrowser():
			t.unknown(x, "%s", sight(x))
		case e.Token != "":
			t.fail(x, "a made-up code got a token")
		case x.Status >= 200 && x.Status < 300:
			t.fail(x, "a made-up code is answered %d", x.Status)
		case x.Status >= 500:
			t.fail(x, "a made-up code is answered %d", x.Status)
		case x.Status >= 300 && x.Status < 400:
			t.fail(x, "the token endpoint redirects to %s", place(x.Header.Get("Location")))
		case read != nil || !slices.Contains([]string{"invalid_client", "invalid_grant", "unauthorized_client", "invalid_request"}, e.Error):
			t.warn(x, "a made-up code is answered %d without an error that clients know", x.Status)
		case !strings.Contains(x.Header.Get("Cache-Control"), "no-store"):
			t.warn(x, "answers of the token endpoint may be kept by caches (no Cache-Control: no-store)")
		default:
			t.pass(x, "a made-up code → %d %s", x.Status, e.Error)
		}
	},
}
