package e2e

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"testing"
)

// TestA214ASignInOutlivesRestarts has the program restart before each step of a
// sign-in, of the exchange of its code and of the refreshes after it, by turns as
// it is told to and as it is killed. The person and the client notice nothing,
// and what was good once is so no second time.
func TestA214ASignInOutlivesRestarts(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	f.openOwn(t, newDouble(t, nil).URL)
	f.run("client", "create", "--id", "app", "--name", "App", "--redirect-uri", redirectURI, "--public")
	ada := settle(t, f, "ada")
	restarts := 0
	again := func() {
		t.Helper()
		if restarts++; restarts%2 == 0 {
			f.kill(t)
		} else if err := f.stop(); err != nil {
			t.Fatal(err)
		}
		ada.browser.CloseIdleConnections()
		f.launch(t)
	}
	ada.between = again
	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	to, err := ada.visit(t.Context(), "https://"+f.address+"/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {redirectURI}, "resource": {f.url}, "state": {"s"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"/auth/consent", "/auth/local", "/auth/setup/password", "/auth/continue"}; !slices.Equal(ada.pages, want) || to.Query().Get("state") != "s" {
		t.Errorf("got to %s after %q, want the pages %q once each", to, ada.pages, want)
	}
	ask := func(form url.Values) (got, granted) {
		t.Helper()
		again()
		form.Set("client_id", "app")
		return f.grant(f.caller(), form)
	}
	code := url.Values{"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}}
	answer, first := ask(code)
	if answer.status != http.StatusOK {
		t.Fatalf("got %d %s, want a token", answer.status, answer.body)
	}
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.Refresh}}
	_, second := ask(refresh)
	if _, same := ask(refresh); second.Refresh == "" || same.Refresh != second.Refresh {
		t.Errorf("got %q and %q of one refresh token, want the same successor", second.Refresh, same.Refresh)
	}
	if got := f.call(second.Access, reading); got.status != http.StatusOK {
		t.Errorf("got %d %s, want an answer", got.status, got.body)
	}
	if answer, g := ask(code); answer.status != http.StatusBadRequest || g.Error != "invalid_grant" {
		t.Errorf("the code again: got %d %s, want invalid_grant", answer.status, answer.body)
	}
	if answer, g := ask(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {second.Refresh}}); g.Error != "invalid_grant" {
		t.Errorf("after the code came again: got %d %s, want the grant to be over", answer.status, answer.body)
	}
	t.Logf("%d restarts", restarts)
}
