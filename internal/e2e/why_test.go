package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// seeker is a client that a person signs in to, step by step.
type seeker struct {
	t    *testing.T
	f    *front
	user *resident
	id   string // client_id
}

// seek registers a client, as one does that has been refused for want of a token.
func seek(t *testing.T, f *front, user *resident, name string) *seeker {
	t.Helper()
	f.call("", reading).wantRefusal(t, "without a token", http.StatusUnauthorized, "GH-1001", "")
	f.ask(f.caller(), http.MethodGet, "https://"+f.address+"/.well-known/oauth-protected-resource/mcp", "", "User-Agent: "+name)
	var got struct {
		ID string `json:"client_id"`
	}
	if status := callJSON(t, f.caller(), "https://"+f.address+"/register", "", map[string]any{
		"client_name": name, "redirect_uris": []string{redirectURI}, "token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code", "refresh_token"},
	}, &got); status != http.StatusCreated {
		t.Fatalf("got %d, want a registration", status)
	}
	return &seeker{t, f, user, got.ID}
}

// code has the person allow it, and returns the code and its verifier.
func (s *seeker) code() (code, verifier string) {
	s.t.Helper()
	at, verifier := asking(s.f, s.id)
	to, err := s.user.visit(s.t.Context(), at)
	if err != nil {
		s.t.Fatal(err)
	}
	return to.Query().Get("code"), verifier
}

// token redeems a code.
func (s *seeker) token(code, verifier string) (token string, answer got) {
	s.t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "client_id": {s.id}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}}
	answer = s.f.ask(s.f.caller(), http.MethodPost, "https://"+s.f.address+"/token", form.Encode(), "Content-Type: application/x-www-form-urlencoded")
	var out struct {
		Access string `json:"access_token"`
	}
	_ = json.Unmarshal([]byte(answer.body), &out)
	return out.Access, answer
}

// why asks the command, and wants an exit code and texts.
func (f *front) why(t *testing.T, exit int, want []string, args ...string) string {
	t.Helper()
	out, code := f.says(t, "", append([]string{"why", "-c", f.file}, args...)...)
	if code != exit {
		t.Errorf("gatehouse why %s: got exit %d, want %d\n%s", strings.Join(args, " "), code, exit, out)
	}
	hasAll(t, out, want)
	if strings.Contains(out, "gthc_") || strings.Contains(out, "gthr_") || strings.Contains(out, "eyJ") || strings.Contains(out, residentPassword) {
		t.Errorf("got a secret in %s", out)
	}
	return out
}

// later is the trail as it will be found an hour after.
func (f *front) later(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, "state", "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	const layout = "2006-01-02T15:04:05.000000Z"
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		const head = `{"time":"`
		at, err := time.Parse(layout, line[len(head):len(head)+len(layout)])
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(head + at.Add(-time.Hour).Format(layout) + line[len(head)+len(layout):])
	}
	path := filepath.Join(stateDir(t), "later.jsonl")
	write(t, path, b.String())
	return path
}

// TestWhyTellsLogins has clients of our own authorization server go all the way,
// and stop at each of the places where clients stop.
func TestWhyTellsLogins(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	f.openOwn(t, goServer(t, true))
	ada := settle(t, f, "ada")

	good := seek(t, f, ada, "Good Client")
	token, _ := good.token(good.code())
	if got := f.call(token, reading); got.status != http.StatusOK {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	steps := []string{
		"✓ CONNECTED  login ", "(Good Client)", "✓ discovery     fetched /.well-known/oauth-protected-resource/mcp (Good Client)", "✓ challenge",
		"✓ registration", "✓ authorization the browser came", "✓ consent       the person allowed tools:read", "✓ sign-in       signed in as " + ada.id,
		"✓ code ", "✓ token ", "✓ call          called tools/call " + reading + " on front",
	}
	list := f.why(t, 0, []string{"connected", "Good Client", ada.id}, "--client", "good client", "--user", "ada")
	id := list[strings.LastIndex(strings.TrimSpace(list), " ")+1:]
	f.why(t, 0, steps, strings.TrimSpace(id))
	f.why(t, 0, steps, id[:10])

	// What a token may not do is told with its login.
	denied := f.call(token, writing)
	denied.wantRefusal(t, "a tool that needs another scope", http.StatusForbidden, "GH-1201", "insufficient_scope")
	f.why(t, 1, []string{
		"✗ DENIED  tools/call " + writing, ada.id + " (ada)", "scopes: tools:read", "GH-1201", `rule "write" (`, "gatehouse.yaml:21)", "Missing  scope tools:write",
		`error="insufficient_scope"`, "steps up", "Login    gatehouse why",
	}, denied.header.Get("X-Request-Id"))

	// A code that was redeemed with the wrong verifier belongs to its login.
	clumsy := seek(t, f, ada, "Clumsy")
	code, _ := clumsy.code()
	_, refused := clumsy.token(code, strings.Repeat("x", 43))
	var body struct {
		Request string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(refused.body), &body); err != nil || refused.status != http.StatusBadRequest {
		t.Fatalf("got %d %s", refused.status, refused.body)
	}
	for _, args := range [][]string{{"--client", clumsy.id}, {body.Request}} {
		f.why(t, 1, []string{"✗ REFUSED at token", "✗ token         GH-1410", "code_verifier is not that of the code_challenge"}, args...)
	}

	// Clients that stop without a word: how long they have stopped is what tells.
	idle := seek(t, f, ada, "Idle")
	idle.code()
	f.why(t, 0, []string{"under_way"}, "--client", "Idle")
	mute := seek(t, f, ada, "Mute")
	mute.token(mute.code())
	bare := seek(t, f, ada, "Bare")
	bare.token(bare.code())
	f.call("", reading)
	trail := f.later(t)
	f.why(t, 1, []string{"✗ UNFINISHED at token", "✗ token         the client has a code, and never came", "127.0.0.1:33418", "iss parameter", "gatehouse check URL"}, "--client", "Idle", "--trail", trail)
	f.why(t, 1, []string{"✗ REFUSED at unsigned-call", "does not send the token", "Authorization"}, "--client", "Bare", "--trail", trail)
	f.whyOffline(t, trail, ada)
}

// whyOffline asks when no server runs: the answers are the same, from the files.
func (f *front) whyOffline(t *testing.T, trail string, ada *resident) {
	t.Helper()
	var calm strings.Builder // the call without a token came from the same address: without it the client only kept still
	text, err := os.ReadFile(trail)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, `"kind":"auth_failed"`) {
			calm.WriteString(line)
		}
	}
	write(t, trail, calm.String())
	f.why(t, 1, []string{"✗ UNFINISHED at call", "✗ call          the client has a token, and never called", "which is " + f.url}, "--client", "Mute", "--trail", trail)
	f.why(t, 1, []string{"By grant ", "DENIED, unless the caller asks for more", "is asked for the scopes tools:read tools:write", ada.id + " (ada)"}, "--user", "ada", "--tool", writing)
	f.why(t, 0, []string{"ALLOWED", "By grant "}, "--user", ada.id, "--tool", reading)
	f.why(t, 4, []string{"GH-2401"}, "--user", "nobody", "--tool", reading)
	before := f.why(t, 1, nil, "--user", "ada", "--json")
	if err := f.stop(); err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Kind   string
		OK     bool
		Logins []map[string]any
	}
	if err := json.Unmarshal([]byte(before), &answer); err != nil || answer.Kind != "logins" || answer.OK || len(answer.Logins) != 5 {
		t.Errorf("got %v %s", err, before)
	}
	after := f.why(t, 1, nil, "--user", "ada", "--json")
	var again struct{ Logins []map[string]any }
	if err := json.Unmarshal([]byte(after), &again); err != nil || len(again.Logins) != len(answer.Logins) || again.Logins[0]["request"] != answer.Logins[0]["request"] {
		t.Errorf("got %s without the server, want what it said: %s", after, before)
	}
}
