package signin

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSigningInOnceIsEnough(t *testing.T) {
	w := newWorld(t)
	cred, err := w.first(w.client())
	if err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequest(http.MethodPost, w.url+"/mcp", http.NoBody)
	cred.Apply(r)
	if got := r.Header.Get("Authorization"); got != "Bearer at-1" {
		t.Errorf("got %q", got)
	}
	form := w.forms[0]
	if form.Get("resource") != w.url+"/mcp" || form.Get("grant_type") != "authorization_code" || len(form.Get("code_verifier")) < 43 || form.Get("client_id") != "client-1" {
		t.Errorf("got %v", form)
	}
	if kind := w.regs[0]["application_type"]; kind != "native" {
		t.Errorf("registered as %v", kind)
	}
	again, err := w.client().Credential(t.Context())
	if err != nil || again == nil || again.text != cred.text || w.visits != 1 {
		t.Errorf("got %v, %v after %d visits", again, err, w.visits)
	}
}

func TestOneWindowHoweverManyStart(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := w.first(w.client()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if w.visits != 1 {
		t.Errorf("%d windows opened", w.visits)
	}
}

func TestATokenIsRenewedOnceForAll(t *testing.T) {
	w := newWorld(t)
	if _, err := w.first(w.client()); err != nil {
		t.Fatal(err)
	}
	later := func() time.Time { return time.Now().Add(2 * time.Hour) }
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			c := w.client()
			c.Now = later
			if got, err := c.Credential(t.Context()); err != nil || got.text != "at-2" {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	all.Wait()
	if form := w.forms[1]; len(w.forms) != 2 || form.Get("refresh_token") != "rt-1" || form.Get("resource") != w.url+"/mcp" {
		t.Errorf("got %v", w.forms)
	}
}

func TestWhatEndedIsAskedForOnce(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	cred := w.begun(c)
	w.ended()
	c.Now = func() time.Time { return time.Now().Add(time.Hour) }
	got, err := c.Renew(t.Context(), refusal(401, `Bearer error="invalid_token"`, cred))
	if err != nil || got.text != "new" || w.visits != 2 {
		t.Fatalf("got %v, %v after %d visits", got, err, w.visits)
	}
	if _, err := c.Renew(t.Context(), refusal(401, `Bearer error="invalid_token"`, got)); code(err) != CodeRefused || w.visits != 2 {
		t.Errorf("got %v after %d visits: it must not go round and round", err, w.visits)
	}
}

func TestAServerThatIsDownEndsNoSignIn(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	w.begun(c)
	c.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	for status, body := range map[int]string{503: "", 403: "<html>", 404: `{"error":"not_found"}`, 407: "", 400: `{"error":"temporarily_unavailable"}`, 429: `{"error":"invalid_grant"}`} {
		w.token = func(url.Values) (int, string) { return status, body }
		if got, err := c.Credential(t.Context()); got != nil || code(err) != CodeToken {
			t.Errorf("%d: got %v, %v", status, got, err)
		}
	}
	w.token = nil
	if got, err := c.Credential(t.Context()); err != nil || !strings.HasPrefix(got.text, "at-") || w.visits != 1 {
		t.Errorf("got %v, %v after %d visits", got, err, w.visits)
	}
}

func TestStepUpIsBounded(t *testing.T) {
	w := newWorld(t)
	w.prm["scopes_supported"] = []string{"read"}
	c := w.client()
	cred := w.begun(c)
	cred, err := c.Renew(t.Context(), refusal(403, `Bearer error="insufficient_scope", scope="write"`, cred))
	if err != nil {
		t.Fatal(err)
	}
	all, err := Accounts(t.Context(), w.store)
	if err != nil || len(all) != 1 || !slices.Equal(all[0].Scopes, []string{"read", "write"}) {
		t.Errorf("got %+v, %v", all, err)
	}
	if _, err := c.Renew(t.Context(), refusal(403, `Bearer error="insufficient_scope", scope="write"`, cred)); code(err) != CodeRefused || w.visits != 2 {
		t.Errorf("got %v after %d visits", err, w.visits)
	}
	if _, err := c.Renew(t.Context(), refusal(403, `Bearer`, cred)); code(err) != CodeRefused || w.visits != 2 {
		t.Errorf("a refusal that no scope cures: got %v after %d visits", err, w.visits)
	}
}

func TestAClientThatWasForgottenRegistersAgain(t *testing.T) {
	w := newWorld(t)
	w.token = func(f url.Values) (int, string) {
		if f.Get("client_id") == "client-1" {
			return 401, `{"error":"invalid_client"}`
		}
		return 200, `{"access_token":"x","token_type":"Bearer"}`
	}
	if got, err := w.first(w.client()); err != nil || got.text != "x" || len(w.regs) != 2 {
		t.Errorf("got %v, %v after %d registrations", got, err, len(w.regs))
	}
}

func TestAClientThatThePageWouldNotKnowRegistersAgain(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	cred := w.begun(c)
	w.lost = "client-1"
	w.ended()
	c.Now = func() time.Time { return time.Now().Add(time.Hour) }
	got, err := c.Renew(t.Context(), refusal(401, "Bearer", cred))
	if err != nil || got.text != "new" || len(w.regs) != 2 || w.visits != 2 {
		t.Errorf("got %v, %v after %d registrations and %d visits", got, err, len(w.regs), w.visits)
	}
}

func TestATokenThatWorkedAndWasRevokedIsReplacedAtOnce(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	cred := w.begun(c)
	w.ended()
	cred.Worked()
	cred, err := c.Renew(t.Context(), refusal(401, "Bearer", cred))
	if err != nil || w.visits != 2 {
		t.Fatalf("got %v after %d visits", err, w.visits)
	}
	cred.Worked() // for one request, and is refused for the next: no end of windows
	if _, err := c.Renew(t.Context(), refusal(401, "Bearer", cred)); code(err) != CodeRefused || w.visits != 2 {
		t.Errorf("got %v after %d visits", err, w.visits)
	}
}

func TestAClockThatJumps(t *testing.T) {
	for name, by := range map[string]time.Duration{"ahead": 48 * time.Hour, "back": -48 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.client()
			w.begun(c)
			c.Now = func() time.Time { return time.Now().Add(by) }
			cred, err := c.Credential(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			w.ended()
			cred, err = c.Renew(t.Context(), refusal(401, "Bearer", cred)) // the real time has passed, too
			if err != nil || cred.text != "new" || w.visits != 2 {
				t.Errorf("got %v after %d visits", err, w.visits)
			}
		})
	}
}

func TestLogoutRevokesAndForgets(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	w.begun(c)
	w.token = func(url.Values) (int, string) { return 200, "" }
	was, revoked, err := c.Logout(t.Context())
	if !was || !revoked || err != nil || w.forms[1].Get("token") != "rt-1" {
		t.Errorf("got %v, %v, %v; asked %v", was, revoked, err, w.forms)
	}
	if got, err := c.Credential(t.Context()); got != nil || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if was, _, err := c.Logout(t.Context()); was || err != nil {
		t.Errorf("a second time: got %v, %v", was, err)
	}
}

func TestNobodyThere(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	c.Open = nil
	if _, err := w.first(c); code(err) != CodeNobody || len(w.regs) != 0 {
		t.Errorf("got %v after %d registrations", err, len(w.regs))
	}
}

func TestAKeyIsReadAgain(t *testing.T) {
	text := "first"
	k := &Key{Server: "http://127.0.0.1:1/mcp", Header: "X-API-Key", Read: func(context.Context) (string, error) { return text + "\n", nil }}
	first, err := k.Credential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Renew(t.Context(), refusal(401, "Bearer", first)); code(err) != CodeRefused {
		t.Errorf("the same again: got %v", err)
	}
	text = "second"
	again, err := k.Renew(t.Context(), refusal(401, "Bearer", first))
	if err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequest(http.MethodPost, "http://127.0.0.1:1/mcp", http.NoBody)
	again.Apply(r)
	if r.Header.Get("X-API-Key") != "second" || r.Header.Get("Authorization") != "" {
		t.Errorf("got %v", r.Header)
	}
	for _, bad := range []string{"", "a b", "a\r\nX: y", "ü"} {
		text = bad
		if _, err := (&Key{Server: k.Server, Read: k.Read}).Credential(t.Context()); code(err) != CodeSettings {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}
