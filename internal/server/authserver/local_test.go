package authserver

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
)

const pass = "four olives walk home"

// newLocalHouse is a house whose people have accounts of ours.
func newLocalHouse(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	h.Accounts = h.logins
	return h
}

// account makes one with a password, and an invitation to set up the rest.
func (h *house) account(name string) (u *login.User, link string) {
	h.t.Helper()
	u, err := h.logins.Create(h.t.Context(), &login.NewUser{Tenant: h.tenant, Username: name, Name: strings.ToUpper(name[:1]) + name[1:]})
	if err != nil {
		h.t.Fatal(err)
	}
	link, _, err = h.logins.Invite(h.t.Context(), h.tenant, u.ID, "root", false)
	if err != nil {
		h.t.Fatal(err)
	}
	return u, strings.TrimPrefix(link, h.logins.Issuer)
}

var input = regexp.MustCompile(`name="([a-z]+)" value="([^"]*)"`)

// fields are all hidden fields of a page.
func (p *reply) fields() url.Values {
	v := url.Values{}
	for _, m := range input.FindAllStringSubmatch(p.text, -1) {
		v.Set(m[1], html.UnescapeString(m[2]))
	}
	return v
}

// fill is what a form of the page sends, with what somebody types: pairs of name and value.
func (p *reply) fill(pairs ...string) url.Values {
	v := p.fields()
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

var shownKey = regexp.MustCompile(`id="key">([A-Z2-7 ]+)<`)

// shows is what the authenticator shows that was given the key on a page.
func (h *house) shows(p *reply) func() string {
	h.t.Helper()
	m := shownKey.FindStringSubmatch(p.text)
	if m == nil {
		h.t.Fatalf("no key: %d\n%s", p.StatusCode, p.text)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(m[1], " ", ""))
	if err != nil {
		h.t.Fatal(err)
	}
	return func() string { return totp(secret, h.clock()) }
}

// totp is what an authenticator app shows. RFC 6238 §4
func totp(secret []byte, at time.Time) string {
	mac := hmac.New(sha1.New, secret)
	_ = binary.Write(mac, binary.BigEndian, at.Unix()/30)
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

// begin allows a client's request, and returns the page of ways to sign in.
func (b *tab) begin() *reply {
	b.h.t.Helper()
	return b.get(b.decide(b.get(askTrusted()), "allow").Header.Get("Location"))
}

// setUp accepts an invitation with a password and an authenticator.
func (b *tab) setUp(link string) (shows func() string, codes []string) {
	b.h.t.Helper()
	page := b.get(link)
	shows = b.h.shows(page)
	done := b.post("/auth/setup/password", page.fill("password", pass, "code", shows()))
	for _, m := range regexp.MustCompile(`<li><code>([a-z2-7-]{19})</code>`).FindAllStringSubmatch(done.text, -1) {
		codes = append(codes, m[1])
	}
	if done.StatusCode != http.StatusOK || len(codes) != 10 {
		b.h.t.Fatalf("got %d, want recovery codes\n%s", done.StatusCode, done.text)
	}
	if on := b.post("/auth/continue", done.fields()); on.Header.Get("Location") != "/account" {
		b.h.t.Fatalf("got %d %s\n%s", on.StatusCode, on.Header.Get("Location"), on.text)
	}
	b.h.wait(time.Minute) // the code is spent
	return shows, codes
}

// signsIn gives a password and a code to a page of ways to sign in.
func (b *tab) signsIn(page *reply, name, code string) *reply {
	b.h.t.Helper()
	second := b.post("/auth/local", page.fill("username", name, "password", pass))
	return b.post("/auth/local/code", second.fill("code", code))
}

func TestInvitationThenSignIn(t *testing.T) {
	h := newLocalHouse(t)
	u, link := h.account("ada")
	mail := h.browser()
	for range 2 { // a program that reads mail looks, too
		if p := mail.get(link); p.StatusCode != http.StatusOK || p.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Fatalf("got %d %v", p.StatusCode, p.Header)
		}
	}
	shows, codes := h.browser().setUp(link)
	isPage(t, "the link again", mail.get(link), http.StatusGone, "GH-1432")

	b := h.browser()
	if to := b.signsIn(b.begin(), "Ada", shows()).goes(); !strings.HasPrefix(to, "https://claude.ai/api/mcp/auth_callback?code=") {
		t.Errorf("got %q, want a code for the client", to)
	}
	sessions, err := h.logins.Sessions(t.Context(), h.tenant, u.ID)
	if err != nil || len(sessions) != 2 || strings.Join(sessions[0].Methods, " ") != "pwd otp mfa" || sessions[0].Address != "192.0.2.1" {
		t.Errorf("got %+v, %v", sessions, err)
	}
	c := h.browser()
	if to := c.signsIn(c.begin(), "ada", strings.ToUpper(codes[7])).goes(); !strings.HasPrefix(to, "https://claude.ai/") {
		t.Errorf("by a recovery code: got %q", to)
	}
	c = h.browser()
	isPage(t, "the same again", c.signsIn(c.begin(), "ada", codes[7]), http.StatusForbidden, "not accepted")
	if e := h.trail.last(); e.Action != "login" || e.Outcome != audit.Refused || e.Code != "GH-1430" || e.ClientID != trusted {
		t.Errorf("got %+v", e)
	}
	for _, secret := range append(codes, pass, strings.TrimPrefix(link, "/auth/invite?code=")) {
		if strings.Contains(fmt.Sprint(h.trail.events)+h.log.String(), secret) {
			t.Errorf("%q is in the trail or the log", secret)
		}
	}
}

// Pages say the same whether or not there is such an account, and count each refusal.
func TestTheSameAnswerForEverybody(t *testing.T) {
	h := newLocalHouse(t)
	_, link := h.account("ada")
	h.browser().setUp(link)
	h.account("invited")
	counted := 0
	h.Failed = func(_ *http.Request, code string) {
		if code == "GH-1430" {
			counted++
		}
	}
	b := h.browser()
	page := b.begin()
	var first string
	for _, try := range [][2]string{{"ada", "xyzzyplugh"}, {"nobody", pass}, {"invited", pass}, {"", ""}, {"ada\x00", pass}} {
		p := b.post("/auth/local", page.fill("username", try[0], "password", try[1]))
		text := regexp.MustCompile(`value="[^"]*"|data-options="[^"]*"|flow=[^"]*`).ReplaceAllString(p.text, "")
		if first == "" {
			first = text
		}
		if p.StatusCode != http.StatusForbidden || text != first || !strings.Contains(text, "That was not accepted") || strings.Contains(text, try[1]) && try[1] != "" {
			t.Errorf("%q: got %d\n%s", try, p.StatusCode, text)
		}
	}
	if counted != 5 {
		t.Errorf("got %d refusals counted, want each", counted)
	}
	for range 8 {
		page = b.post("/auth/local", page.fill("username", "nobody", "password", "x"))
	}
	if page.StatusCode != http.StatusTooManyRequests || page.Header.Get("Retry-After") == "" || !strings.Contains(page.text, "Too many attempts") {
		t.Errorf("got %d %v\n%s", page.StatusCode, page.Header, page.text)
	}
}

// A form of signing in is for one flow, in one browser, from our page.
func TestFormsOfSigningInAreOurs(t *testing.T) {
	h := newLocalHouse(t)
	_, link := h.account("ada")
	shows, _ := h.browser().setUp(link)
	b, other := h.browser(), h.browser()
	page := b.begin()
	isPage(t, "another browser", other.post("/auth/local", page.fill("username", "ada", "password", pass)), http.StatusForbidden, "GH-1421")
	r := formFrom("/auth/local", page.fill("username", "ada", "password", pass), "cross-site")
	isPage(t, "another site", b.do(r), http.StatusForbidden, "GH-1423")
	second := b.post("/auth/local", page.fill("username", "ada", "password", pass))
	elsewhere := other.begin()
	v := second.fill("code", shows())
	v.Set("flow", elsewhere.field(t, "flow"))
	isPage(t, "a ticket of another flow", other.post("/auth/local/code", v), http.StatusGone, "GH-1432")
	h.wait(flowTime)
	isPage(t, "too late", b.post("/auth/local/code", second.fill("code", shows())), http.StatusBadRequest, "GH-1420")
	isPage(t, "no flow", b.get("/auth/recover"), http.StatusBadRequest, "GH-1420")
	for _, path := range []string{"/auth/local", "/auth/local/code", "/auth/passkey", "/auth/recover", "/auth/continue", "/auth/setup/password", "/auth/setup/passkey", "/account/security/remove", "/account/security/codes"} {
		isPage(t, path, b.do(formFrom(path, url.Values{}, "cross-site")), http.StatusForbidden, "GH-1423")
	}
}

func formFrom(path string, v url.Values, site string) *http.Request {
	r, err := http.NewRequest(http.MethodPost, path, strings.NewReader(v.Encode()))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", site)
	return r
}

// A cookie that somebody planted before is of no use after.
func TestSessionFixation(t *testing.T) {
	h := newLocalHouse(t)
	_, link := h.account("ada")
	shows, _ := h.browser().setUp(link)
	b := h.browser()
	b.setCookie(sessionCookie, "PLANTEDPLANTEDPLANTEDPLANT")
	b.signsIn(b.begin(), "ada", shows())
	if _, err := h.logins.Session(t.Context(), "PLANTEDPLANTEDPLANTEDPLANT"); err == nil {
		t.Error("the planted cookie is of use")
	}
	if p := b.get("/account"); p.StatusCode != http.StatusOK || !strings.Contains(p.text, "<strong>ada<") {
		t.Errorf("got %d\n%s", p.StatusCode, p.text)
	}
}

func TestSetUpRefusals(t *testing.T) {
	h := newLocalHouse(t)
	_, link := h.account("ada")
	b := h.browser()
	page := b.get(link)
	shows := h.shows(page)
	isPage(t, "weak", b.post("/auth/setup/password", page.fill("password", "password1234", "code", shows())), http.StatusUnprocessableEntity, "too easy to guess")
	isPage(t, "another code", b.post("/auth/setup/password", page.fill("password", pass, "code", "000000")), http.StatusUnprocessableEntity, "does not fit")
	isPage(t, "no invitation", b.post("/auth/setup/password", url.Values{"invitation": {"x"}, "password": {pass}}), http.StatusGone, "GH-1432")
	isPage(t, "nothing", b.post("/auth/setup/password", url.Values{}), http.StatusForbidden, "GH-1423")
	isPage(t, "no passkey", b.post("/auth/setup/passkey", page.fill("answer", "{}")), http.StatusForbidden, "not accepted")
	if p := b.post("/auth/setup/password", page.fill("password", pass, "code", shows())); p.StatusCode != http.StatusOK {
		t.Errorf("nothing was spent: got %d\n%s", p.StatusCode, p.text)
	}
	none := newHouse(t)
	isPage(t, "no accounts", none.browser().get(link), http.StatusNotFound, "GH-1426")
	isPage(t, "no accounts", none.browser().post("/auth/local", url.Values{}), http.StatusNotFound, "GH-1426")
}

func TestSecurityPage(t *testing.T) {
	h := newLocalHouse(t)
	u, link := h.account("ada")
	b := h.browser()
	shows, _ := b.setUp(link)
	page := b.get("/account/security")
	isPage(t, "what there is", page, http.StatusOK, "You have 10 left")
	codes := b.post("/account/security/codes", page.fields())
	isPage(t, "new codes", codes, http.StatusOK, "Keep your recovery codes")
	if on := b.post("/auth/continue", codes.fields()); on.Header.Get("Location") != "/account/security" {
		t.Errorf("got %d %s", on.StatusCode, on.Header.Get("Location"))
	}
	codes = b.post("/account/security/codes", page.fields())
	at, err := url.Parse(issuer)
	if err != nil {
		t.Fatal(err)
	}
	mine := b.jar.Cookies(at)
	b.signIn(h.another("eve"))
	isPage(t, "codes of another session", b.post("/auth/continue", codes.fields()), http.StatusBadRequest, "GH-1420")
	for _, c := range mine {
		c.Path, c.Secure = "/", true
	}
	b.jar.SetCookies(at, mine)
	isPage(t, "somebody else's passkey", b.post("/account/security/remove", page.fill("passkey", "pky_x")), http.StatusNotFound, "GH-1426")
	b.post("/auth/setup/password", page.fill("password", "another tangled kettle", "code", ""))
	if p, err := h.logins.Password(t.Context(), &login.Try{Username: "ada", Password: "another tangled kettle"}); err != nil || p.Next != login.Code {
		t.Errorf("the new password, with the same authenticator: got %+v, %v", p, err)
	}
	if list, err := h.logins.Sessions(t.Context(), h.tenant, u.ID); err != nil || len(list) != 1 {
		t.Errorf("got %d sessions, %v, want the new one only", len(list), err)
	}
	page = b.get("/account/security")
	h.wait(login.Fresh + time.Second)
	if p := b.get("/account/security"); !strings.HasPrefix(p.Header.Get("Location"), "/auth/login?") {
		t.Errorf("a while later: got %d %v, want to sign in again", p.StatusCode, p.Header)
	}
	isPage(t, "a page that lay open", b.post("/account/security/codes", page.fields()), http.StatusForbidden, "GH-1438")
	isPage(t, "a password, from it", b.post("/auth/setup/password", page.fill("password", pass+"!", "code", shows())), http.StatusGone, "GH-1432")
}
