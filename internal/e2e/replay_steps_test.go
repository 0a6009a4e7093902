package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// discovers reads what the client reads before it can sign in.
func (r *replay) discovers(steps []string) {
	r.t.Helper()
	for _, step := range steps {
		want, path, _ := strings.Cut(step, " ")
		if want == "401" {
			got := r.f.ask(r.f.caller(), http.MethodPost, r.f.url, toolCall(reading, `{}`), toolHeaders("", reading)[1:]...)
			challenge := got.header.Get("WWW-Authenticate")
			if got.status != http.StatusUnauthorized || !strings.Contains(challenge, "resource_metadata=") || strings.Contains(challenge, "error=") {
				r.t.Errorf("got %d, %s, want a challenge without an error", got.status, challenge)
			}
			continue
		}
		got := r.f.ask(r.f.caller(), http.MethodGet, "https://"+r.f.address+path, "")
		if (want == "200") != (got.status == http.StatusOK) || want == "404" && got.status != http.StatusNotFound {
			r.t.Errorf("%s: got %d, want %s", path, got.status, want)
		}
		if got.status == http.StatusOK {
			r.believes(path, got.body)
		}
	}
}

// believes holds a document to what strict clients compare. RFC 8414 §3.3, RFC 9728 §3.3
func (r *replay) believes(path, body string) {
	r.t.Helper()
	var d struct {
		Resource  string
		Issuer    string
		Servers   []string `json:"authorization_servers"`
		Scopes    []string `json:"scopes_supported"`
		Methods   []string `json:"token_endpoint_auth_methods_supported"`
		Challenge []string `json:"code_challenge_methods_supported"`
		Documents bool     `json:"client_id_metadata_document_supported"`
		Iss       bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		r.t.Fatalf("%s: %v", path, err)
	}
	issuer, offline := "https://"+r.f.address, slices.Contains(d.Scopes, "offline_access")
	switch {
	case d.Resource != "":
		if d.Resource != r.f.url || !slices.Equal(d.Servers, []string{issuer}) || offline {
			r.t.Errorf("%s: got %s", path, body)
		}
	case d.Issuer != issuer || !d.Documents || !d.Iss || !offline || !slices.Equal(d.Challenge, []string{"S256"}) ||
		!slices.Contains(d.Methods, "none") || !slices.Contains(d.Methods, "private_key_jwt"):
		r.t.Errorf("%s: got %s", path, body)
	}
}

// refusedAt checks a refusal, if it is here that one is expected. Pages are
// answered to people, and lead nowhere by themselves.
func (r *replay) refusedAt(at string, status int, location, body string) bool {
	r.t.Helper()
	if r.Refused.At != at {
		return false
	}
	if status < http.StatusBadRequest || location != "" || !strings.Contains(body, r.Refused.Code) {
		r.t.Errorf("%s: got %d, to %q, %s, want %s", at, status, location, body, r.Refused.Code)
	}
	return true
}

// known makes the client known; false: it was to be refused, and was.
func (r *replay) known(document json.RawMessage) bool {
	r.t.Helper()
	switch r.By {
	case "document":
		var d struct {
			ID string `json:"client_id"`
		}
		if err := json.Unmarshal([]byte(r.in(string(document))), &d); err != nil {
			r.t.Fatal(err)
		}
		r.id = d.ID
		return true
	case "static":
		var c struct {
			ID     string `json:"client_id"`
			Secret string `json:"client_secret"`
		}
		args := []string{"client", "create", "--json", "--name", "replayed"}
		for _, a := range r.Static {
			args = append(args, r.in(a))
		}
		if err := json.Unmarshal([]byte(r.f.run(args...)), &c); err != nil {
			r.t.Fatal(err)
		}
		r.id, r.secret = c.ID, c.Secret
		return true
	}
	return r.registers()
}

// registers sends the client's registration. RFC 7591 §3.1
func (r *replay) registers() bool {
	r.t.Helper()
	r.preflight("register")
	kind := r.Type
	if kind == "" {
		kind = "application/json"
	}
	body := r.in(string(r.Register))
	got := r.f.ask(r.f.caller(), http.MethodPost, r.endpoint("register"), body, "Content-Type: "+kind)
	if r.refusedAt("register", got.status, "", got.body) {
		return false
	}
	var said, told struct {
		ID        string   `json:"client_id"`
		Secret    *string  `json:"client_secret"`
		Redirects []string `json:"redirect_uris"`
		Method    string   `json:"token_endpoint_auth_method"`
	}
	if err := json.Unmarshal([]byte(body), &said); err != nil {
		r.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(got.body), &told); err != nil || got.status != http.StatusCreated || strings.Contains(got.body, "null") {
		r.t.Fatalf("register: got %d %s, want 201 and no null", got.status, got.body)
	}
	want := slices.DeleteFunc(said.Redirects, func(uri string) bool { return slices.Contains(r.Dropped, uri) })
	if !slices.Equal(told.Redirects, want) || said.Method != "" && told.Method != said.Method || (told.Secret != nil) != strings.HasPrefix(told.Method, "client_secret") {
		r.t.Errorf("register: got %s for %s", got.body, body)
	}
	if r.id = told.ID; told.Secret != nil {
		r.secret = *told.Secret
	}
	return true
}

var anAnswer = regexp.MustCompile(`(?:href|content)="(?:0;url=)?([^"]*[?&;]error=[^"]*)"`)

// authorizes sends the user, and returns the answer at the redirect URI; nil: none
// was to come.
func (r *replay) authorizes(change map[string]string) url.Values {
	r.t.Helper()
	sum := sha256.Sum256([]byte(r.verifier))
	redirect := r.in(r.Redirect)
	ask := url.Values{
		"response_type": {"code"}, "client_id": {r.id}, "redirect_uri": {redirect}, "scope": {"tools:read"}, "state": {r.state}, "resource": {r.f.url},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	at := r.endpoint("authorize") + "?" + r.with(r.with(ask, r.Authorize), change).Encode()
	if r.Refused.At == "authorize" {
		r.refusedOnAPage(at)
		return nil
	}
	r.user.deny = r.Deny
	to, err := r.user.visit(r.t.Context(), at)
	r.user.deny = false
	if err != nil && r.Deny {
		if m := anAnswer.FindStringSubmatch(err.Error()); m != nil { // a page that leads there by a button
			to, err = url.Parse(html.UnescapeString(m[1]))
		}
	}
	if err != nil {
		r.t.Fatal(err)
	}
	back := to.Query()
	want := map[string]string{"iss": "https://" + r.f.address, "state": ask.Get("state")}
	if r.Deny {
		want["error"] = "access_denied"
	}
	for name, value := range want {
		if back.Get(name) != value {
			r.t.Errorf("got %s, want %s=%s", to, name, value)
		}
	}
	if !strings.HasPrefix(to.String(), redirect+"?") || !r.Deny && back.Get("code") == "" {
		r.t.Fatalf("got to %s, want a code at %s", to, redirect)
	}
	if r.Deny {
		return nil
	}
	return back
}

// refusedOnAPage opens what is to be refused.
func (r *replay) refusedOnAPage(at string) {
	r.t.Helper()
	to, err := url.Parse(at)
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := r.user.send(r.t.Context(), to, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var page bytes.Buffer
	if _, err := io.Copy(&page, res.Body); err != nil {
		r.t.Fatal(err)
	}
	r.refusedAt("authorize", res.StatusCode, res.Header.Get("Location"), page.String())
}
