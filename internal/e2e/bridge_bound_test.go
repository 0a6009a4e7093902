package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// TestA054BridgesProveTheirKey has bridges before a gateway that takes bound tokens
// with nonces in their proofs only: they share one sign-in and its key, renew the token
// when it is revoked, and give it up. Whoever steals the token can do nothing with it.
func TestA054BridgesProveTheirKey(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	f.embedded = "accounts: true, dpop: required"
	f.openOwn(t, goServer(t, true), "\n  embedded:", "\n  dpop_nonce: true\n  embedded:")
	ada := settle(t, f, "ada")
	d := newDesktop(t, f, ada)
	bridges, all := d.crew(f)
	all(1)
	first := d.token()
	_, claims := peek(t, first)
	if d.visits.Load() != 1 || claims["cnf"] == nil {
		t.Fatalf("%d windows opened, for a token of %v", d.visits.Load(), claims)
	}
	f.stolen(t, first)
	f.run("token", "revoke", "--issuer", "gatehouse", "--jti", fmt.Sprint(claims["jti"]), "--yes")
	all(2)
	_, renewed := peek(t, d.token())
	if n := ada.told("refresh", "ok"); n != 1 || d.visits.Load() != 1 || fmt.Sprint(renewed["cnf"]) != fmt.Sprint(claims["cnf"]) {
		t.Errorf("%d renewed the token, %d windows opened, for the keys %v and %v", n, d.visits.Load(), claims["cnf"], renewed["cnf"])
	}
	out, errs, code := run(t, patience, d.bridge()[0], "bridge", "status", "--keychain", "file", "--state", d.state)
	if code != 0 || !strings.Contains(out, "bound to a key") {
		t.Errorf("status: %d %s%s", code, out, errs)
	}
	for _, l := range bridges {
		l.bye()
		if said := l.stderr.String(); strings.Contains(said, first) || strings.Contains(said, `"d"`) {
			t.Errorf("it said %s", said)
		}
	}
	cmd := exec.Command(d.bridge()[0], "bridge", "logout", f.url, "--keychain", "file", "--state", d.state, "--json")
	cmd.Env = d.env
	if text, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(text), `"revoked":true`) {
		t.Errorf("logout: %v %s", err, text)
	}
	if j := goTraveller(t, f, own(t, f, ada, known{}), "ada", reading); j.Error == "" {
		t.Errorf("got %+v for a client without proofs, want a refusal", j)
	}
}

// crew are bridges to a server, of clients of each kind, and how all of them read.
func (d *desktop) crew(f *front) (bridges [3]*talker, all func(id int)) {
	t := d.t
	t.Helper()
	for i := range bridges {
		bridges[i] = talk(t, d.env, d.bridge(f.url)...)
	}
	cmd := exec.Command(d.bridge()[0], d.bridge(f.url, "--listen", "127.0.0.1:0", "--json")[1:]...)
	cmd.Env = d.env
	p := start(t, cmd)
	var at struct{ URL, Key string }
	eventually(t, "the bridge listens", func() bool { return json.Unmarshal([]byte(p.stdout.String()), &at) == nil })
	return bridges, func(id int) {
		var busy sync.WaitGroup
		for i, l := range bridges {
			busy.Go(func() {
				if i == 0 {
					l.readsAnew(id)
					return
				}
				if id == 1 {
					l.hello()
				}
				l.reads(id)
			})
		}
		busy.Go(func() { listens(t, at.URL, at.Key) })
		busy.Wait()
	}
}

// readsAnew has a bridge call a tool, as a client of 2026-07-28 does.
func (l *talker) readsAnew(id int) {
	l.t.Helper()
	m, err := l.ask(id, "tools/call", `{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"e2e","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}},"name":"`+reading+`","arguments":{}}`)
	if err == nil && m.Error != nil {
		err = fmt.Errorf("%s", m.Error.Message)
	}
	if err != nil {
		l.t.Error(err)
	}
}

// listens calls a tool at a bridge that listens.
func listens(t testing.TB, at, key string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, at, strings.NewReader(toolCall(reading, `{}`)))
	if err != nil {
		t.Error(err)
		return
	}
	for _, one := range toolHeaders(key, reading) {
		name, value, _ := strings.Cut(one, ": ")
		r.Header.Set(name, value)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("DPoP", "a client's own, which goes no further")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = res.Body.Close() }()
	if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("got %d %s, %v", res.StatusCode, text, err)
	}
}
