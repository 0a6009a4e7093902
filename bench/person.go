package main

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

const password = "seven olives under a lamp" //nolint:gosec // of nobody

// person is somebody with an account at Gatehouse.
type person struct {
	name    string
	cookies map[string]string // of their browser, once they are signed in
	secret  []byte            // of their authenticator
}

var (
	formOf   = regexp.MustCompile(`(?s)<form [^>]*method="post" action="([^"]+)"[^>]*>(.*?)</form>`)
	hiddenOf = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	boxOf    = regexp.MustCompile(`name="scope" value="([^"]+)"[^>]* checked`)
	secretOf = regexp.MustCompile(`id="key">([A-Z2-7 ]+)<`)
)

// fill signs in at Gatehouse, sets an authenticator up, and allows what is asked for.
func (p *person) fill(_ *hand, _ *url.URL, page string) (action string, form url.Values) {
	part := map[string]string{
		"/auth/consent": `value="allow"`, "/auth/local": `name="password"`, "/auth/setup/password": `name="code"`, "/auth/continue": `name="flow"`,
	}
	for _, f := range formOf.FindAllStringSubmatch(page, -1) {
		action, body := f[1], f[2]
		if part[action] == "" || !strings.Contains(body, part[action]) {
			continue
		}
		form = url.Values{}
		for _, h := range hiddenOf.FindAllStringSubmatch(body, -1) {
			form.Add(h[1], html.UnescapeString(h[2]))
		}
		for _, box := range boxOf.FindAllStringSubmatch(body, -1) {
			form.Add("scope", html.UnescapeString(box[1]))
		}
		switch action {
		case "/auth/consent":
			form.Set("decision", "allow")
		case "/auth/local":
			form.Set("username", p.name)
			form.Set("password", password)
		case "/auth/setup/password":
			if key := secretOf.FindStringSubmatch(body); key != nil {
				p.secret, _ = base32.StdEncoding.DecodeString(strings.ReplaceAll(key[1], " ", ""))
			}
			form.Set("code", p.code())
		}
		return action, form
	}
	return "", nil
}

// code is what their authenticator shows. RFC 6238 §4
func (p *person) code() string {
	mac := hmac.New(sha1.New, p.secret)
	_ = binary.Write(mac, binary.BigEndian, time.Now().Unix()/30)
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}
