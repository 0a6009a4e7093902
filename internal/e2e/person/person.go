// Package person plays people who sign in at our authorization server: it fills
// in its pages as they would, without a browser.
package person

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what authenticators use
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Person is somebody with an account and an authenticator app.
type Person struct {
	Name, Password string
	Coded          time.Time // when they last typed a code in: it is good once, and there is another in half a minute

	secret []byte // of the authenticator, once it is set up
}

var (
	aRefresh = regexp.MustCompile(`http-equiv="refresh" content="0;url=([^"]+)"`)
	aForm    = regexp.MustCompile(`(?s)<form [^>]*method="post" action="([^"]+)"[^>]*>(.*?)</form>`)
	aHidden  = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	aBox     = regexp.MustCompile(`name="scope" value="([^"]+)"[^>]* checked`)
	aSecret  = regexp.MustCompile(`id="key">([A-Z2-7 ]+)<`)
)

// forms are what a person fills in, each with a part of it that others do not have.
func forms() map[string]string {
	return map[string]string{
		"/auth/consent": `value="allow"`, "/auth/local": `name="password"`, "/auth/local/code": `name="code"`,
		"/auth/setup/password": `name="code"`, "/auth/continue": `name="flow"`,
	}
}

// Next says where somebody goes from a page: they follow it where it goes on by
// itself (form is nil), or fill in its form, and allow what it asks for. The
// empty string: there is no way on.
func (p *Person) Next(page string) (to string, form url.Values) {
	if m := aRefresh.FindStringSubmatch(page); m != nil {
		return html.UnescapeString(m[1]), nil
	}
	for _, f := range aForm.FindAllStringSubmatch(page, -1) {
		action, body := f[1], f[2]
		if part := forms()[action]; part == "" || !strings.Contains(body, part) {
			continue
		}
		form = url.Values{}
		for _, h := range aHidden.FindAllStringSubmatch(body, -1) {
			form.Add(h[1], html.UnescapeString(h[2]))
		}
		for _, box := range aBox.FindAllStringSubmatch(body, -1) {
			form.Add("scope", html.UnescapeString(box[1]))
		}
		p.fill(action, body, form)
		return action, form
	}
	return "", nil
}

func (p *Person) fill(action, body string, form url.Values) {
	switch action {
	case "/auth/consent":
		form.Set("decision", "allow")
	case "/auth/local":
		form.Set("username", p.Name)
		form.Set("password", p.Password)
	case "/auth/setup/password":
		if key := aSecret.FindStringSubmatch(body); key != nil {
			p.secret, _ = base32.StdEncoding.DecodeString(strings.ReplaceAll(key[1], " ", "")) // a wrong one is refused
		}
		form.Set("code", p.code())
	case "/auth/local/code":
		form.Set("code", p.code())
	}
}

// code is what their authenticator shows. RFC 6238 §4
func (p *Person) code() string {
	p.Coded = time.Now()
	mac := hmac.New(sha1.New, p.secret)
	_ = binary.Write(mac, binary.BigEndian, p.Coded.Unix()/30) // never fails
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}
