package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// visitor is a person with a browser, on the way from a client to its redirect URI.
type visitor struct {
	t       *testing.T
	browser *http.Client
	p       *provider
	user    string
	seen    []string // pages, by path
	page    string   // the last one
	status  int
}

func newVisitor(t *testing.T, f *front, p *provider, user string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	way := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: f.pool}}
	t.Cleanup(way.CloseIdleConnections)
	return &visitor{t: t, p: p, user: user, browser: &http.Client{
		Transport: way, Jar: jar, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// go follows redirects, signs in and allows, until the browser is at the client,
// or has a page from which it does not go on. It returns what the client is told.
func (v *visitor) travel(at string) url.Values {
	v.t.Helper()
	q := func(target string) *http.Request {
		r, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, target, http.NoBody)
		if err != nil {
			v.t.Fatal(err)
		}
		return r
	}
	r := q(at)
	for range 25 {
		if strings.HasPrefix(r.URL.String(), redirectURI+"?") {
			return r.URL.Query()
		}
		v.seen = append(v.seen, r.URL.Host+r.URL.Path)
		if r.URL.Host == v.p.address && v.p.page != nil && v.p.isPage(r.URL) {
			next, err := v.p.page(v.browser, r.URL, v.user)
			if err != nil {
				v.t.Fatal(err)
			}
			to, err := r.URL.Parse(next)
			if err != nil {
				v.t.Fatal(err)
			}
			r = q(to.String())
			continue
		}
		res, err := v.browser.Do(r)
		if err != nil {
			v.t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		v.page, v.status = string(text), res.StatusCode
		next := v.next(r.URL, res)
		if next == nil {
			return nil
		}
		r = next
	}
	v.t.Fatalf("too many steps: %q", v.seen)
	return nil
}

// next is where a page leads; nil: nowhere.
func (v *visitor) next(at *url.URL, res *http.Response) *http.Request {
	v.t.Helper()
	method, target, body := http.MethodGet, res.Header.Get("Location"), io.Reader(http.NoBody)
	if form := formOf.FindStringSubmatch(v.page); target == "" && form != nil {
		values := url.Values{"flow": {html.UnescapeString(form[2])}, "decision": {"allow"}}
		for _, box := range boxOf.FindAllStringSubmatch(form[3], -1) {
			values.Add("scope", html.UnescapeString(box[1]))
		}
		method, target, body = http.MethodPost, form[1], strings.NewReader(values.Encode())
	}
	if refresh := refreshOf.FindStringSubmatch(v.page); target == "" && refresh != nil {
		target = html.UnescapeString(refresh[1])
	}
	if target == "" {
		return nil
	}
	to, err := at.Parse(target)
	if err != nil {
		v.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(v.t.Context(), method, to.String(), body)
	if err != nil {
		v.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Origin", "https://"+at.Host)
	}
	return r
}

// client is a client of ours that registered itself.
func registered(t *testing.T, v *visitor, f *front) string {
	t.Helper()
	var got struct {
		ID string `json:"client_id"`
	}
	status := callJSON(t, v.browser, "https://"+f.address+"/register", "", map[string]any{
		"client_name": "A client", "redirect_uris": []string{redirectURI}, "token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
	}, &got)
	if status != http.StatusCreated || got.ID == "" {
		t.Fatalf("got %d, %+v", status, got)
	}
	return got.ID
}

// callJSON posts JSON and reads JSON.
func callJSON(t *testing.T, c *http.Client, at, bearer string, body, into any) int {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at, bytes.NewReader(mustMarshal(t, body)))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Accept", "application/json, text/event-stream")
	if bearer != "" {
		q.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := c.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if to, ok := into.(*string); ok {
		*to = string(text)
		return res.StatusCode
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("got %d %s: %v", res.StatusCode, text, err)
	}
	return res.StatusCode
}

// signsIn goes through a client's sign-in, and returns what the client is told and its verifier.
func signsIn(t *testing.T, v *visitor, f *front, client string) (told url.Values, verifier string) {
	t.Helper()
	at, verifier := asking(f, client)
	return v.travel(at), verifier
}

// asking is a client's authorization request, and the verifier that goes with it.
func asking(f *front, client string) (at, verifier string) {
	verifier = rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	return "https://" + f.address + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {redirectURI}, "state": {"a-state"}, "scope": {"tools:read"}, "resource": {f.url},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode(), verifier
}

// redeemed is the access token of a code.
func redeemed(t *testing.T, v *visitor, f *front, client, code, verifier string) string {
	t.Helper()
	res, err := v.browser.PostForm("https://"+f.address+"/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {client}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}, "resource": {f.url},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var g granted
	if err := json.NewDecoder(res.Body).Decode(&g); err != nil || g.Access == "" {
		t.Fatalf("got %s %+v, %v", res.Status, g, err)
	}
	return g.Access
}
