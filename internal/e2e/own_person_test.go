package e2e

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// openOwn starts a front in front of a server, whose people have accounts of
// ours and sign in at our own authorization server. Edits of its configuration
// are pairs of what is there and what is there instead.
func (f *front) openOwn(t testing.TB, upstream string, edits ...string) {
	t.Helper()
	write(t, filepath.Join(f.dir, "kek"), strings.Repeat("k", 40))
	settings := cmp.Or(f.embedded, "accounts: true, clients: {cimd: {private: [127.0.0.1], ca: DIR/cert.pem}}")
	f.open(t, strings.NewReplacer(edits...).Replace(strings.NewReplacer(
		"\n  issuers:\n", "\n  embedded: {name: Acme Weather, "+settings+"}\n",
		"gatehouse.db}", `gatehouse.db, encryption_key: "${file:DIR/kek}"}`,
	).Replace(f.text(upstream, readsAndWrites))))
}

// resident is a person with an account of ours, a browser and an authenticator app.
type resident struct {
	f       *front
	name    string
	id      string // usr_…
	browser *http.Client
	secret  []byte   // of the authenticator
	deny    bool     // they say no
	between func()   // what happens before each of their steps; nil: nothing
	pages   []string // forms that they filled in
}

const residentPassword = "seven olives under a lamp"

// settle makes an account, as a script does that brings people in.
func settle(t testing.TB, f *front, name string) *resident {
	t.Helper()
	cmd := exec.Command(gatehouseBinary(t), "user", "create", name, "--password-stdin", "--quiet", "-c", f.file)
	cmd.Stdin = strings.NewReader(residentPassword + "\n")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("user create: %v\n%s%s", err, &out, &errs)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	way := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: f.pool}}
	if f.listen != "" {
		way.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", f.listen)
		}
	}
	t.Cleanup(way.CloseIdleConnections)
	return &resident{f: f, name: name, id: strings.TrimSpace(out.String()), browser: &http.Client{
		Transport: way, Jar: jar, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// code is what the authenticator app shows. RFC 6238 §4
func (r *resident) code() string {
	mac := hmac.New(sha1.New, r.secret)
	_ = binary.Write(mac, binary.BigEndian, time.Now().Unix()/30)
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

// visit goes from an authorization request to where the client is told of it,
// which it does not go to itself, or to the page that says that a device is.
func (r *resident) visit(ctx context.Context, at string) (*url.URL, error) {
	u, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	var form url.Values // nil: a link
	for range 20 {
		if u.Host != r.f.address {
			return u, nil
		}
		if r.between != nil {
			r.between()
		}
		res, err := r.send(ctx, u, form)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			return nil, err
		}
		next, page := res.Header.Get("Location"), string(text)
		form = nil
		if refresh := refreshOf.FindStringSubmatch(page); next == "" && refresh != nil {
			next = html.UnescapeString(refresh[1])
		}
		if next == "" {
			if !strings.Contains(page, `<p class="site">Acme Weather</p>`) {
				return nil, fmt.Errorf("%s: the page does not say whose it is: %s", u.Path, page)
			}
			next, form = r.fill(page)
		}
		if next == "" && strings.Contains(page, "return to your device") {
			return u, nil
		}
		if next == "" {
			return nil, fmt.Errorf("%s: got %s and no way on: %s", u.Path, res.Status, page)
		}
		if u, err = u.Parse(next); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("too many steps, the last one to %s after %q", u.Path, r.pages)
}

// send follows a link, or sends a form as a browser does.
func (r *resident) send(ctx context.Context, to *url.URL, form url.Values) (*http.Response, error) {
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	q, err := http.NewRequestWithContext(ctx, method, to.String(), body)
	if err != nil {
		return nil, err
	}
	if form != nil {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		q.Header.Set("Origin", "https://"+r.f.address)
		q.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return r.browser.Do(q)
}

var (
	aForm      = regexp.MustCompile(`(?s)<form [^>]*method="post" action="([^"]+)"[^>]*>(.*?)</form>`)
	aHidden    = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	aCode      = regexp.MustCompile(`name="user_code" value="([^"]+)"`)
	aSecret    = regexp.MustCompile(`id="key">([A-Z2-7 ]+)<`)
	aPersonsDo = map[string]string{ // forms that a person sends, by a part of them that others do not have
		"/auth/consent": `value="allow"`, "/auth/local": `name="password"`, "/auth/local/code": `name="code"`,
		"/auth/setup/password": `name="code"`, "/auth/continue": `name="flow"`, "/device": `name="user_code"`,
	}
)

// fill fills in the form of a page; the name of none: there is nothing to do.
func (r *resident) fill(page string) (action string, form url.Values) {
	for _, f := range aForm.FindAllStringSubmatch(page, -1) {
		action, body := f[1], f[2]
		if part := aPersonsDo[action]; part == "" || !strings.Contains(body, part) {
			continue
		}
		form = url.Values{}
		for _, h := range aHidden.FindAllStringSubmatch(body, -1) {
			form.Add(h[1], html.UnescapeString(h[2]))
		}
		for _, box := range boxOf.FindAllStringSubmatch(body, -1) {
			form.Add("scope", html.UnescapeString(box[1]))
		}
		switch action {
		case "/auth/consent":
			form.Set("decision", "allow")
			if r.deny {
				form.Set("decision", "deny")
			}
		case "/device":
			form.Set("user_code", aCode.FindStringSubmatch(body)[1])
		case "/auth/local":
			form.Set("username", r.name)
			form.Set("password", residentPassword)
		case "/auth/setup/password":
			if key := aSecret.FindStringSubmatch(body); key != nil {
				r.secret, _ = base32.StdEncoding.DecodeString(strings.ReplaceAll(key[1], " ", ""))
			}
			form.Set("code", r.code())
		case "/auth/local/code":
			form.Set("code", r.code())
		}
		r.pages = append(r.pages, action)
		return action, form
	}
	return "", nil
}
