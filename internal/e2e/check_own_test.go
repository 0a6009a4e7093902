package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/probe"
)

// secret writes a credential to a file of the front, and returns the source that a flag takes.
func (f *front) secret(t testing.TB, name, text string) string {
	t.Helper()
	at := filepath.Join(f.dir, name)
	write(t, at, text)
	return "file:" + at
}

// tight are the limits of a production, instead of none.
func tight(text string) string {
	return strings.Replace(text, "{per_key: off, failed_auth: {per_ip: 1000000/min, ban: 1m}}", "{per_key: 60/min, failed_auth: {per_ip: 25/min, ban: 1m}}", 1)
}

// TestCheckFindsNothingInOurOwnHouse looks at the real program with all that the checker can do.
func TestCheckFindsNothingInOurOwnHouse(t *testing.T) {
	t.Parallel()
	t.Run("with keys", func(t *testing.T) {
		t.Parallel()
		f := reserved(t)
		f.open(t, tight(strings.Replace(f.text(goServer(t, false), readsAndWrites, ""), "\n  issuers:\n", "\n", 1)))
		_, ada := f.key("--name", "ada")
		_, ben := f.key("--name", "ben")
		id, dead := f.key("--name", "dead")
		f.run("key", "revoke", id, "--yes")
		c := check(t, f.url, "-c", f.file, "--ca", f.all, "--key-from", f.secret(t, "ada", ada), "--other-from", f.secret(t, "ben", ben),
			"--bad-token", "revoked="+f.secret(t, "dead", dead), "--rotate", "--burst")
		c.wants(t, probe.Fail)
		c.wants(t, probe.Warn, "GH-2121 resource-metadata") // there is none: it takes keys only
		c.wants(t, probe.Unknown, "GH-2136 expired")
		c.everybody(t, "pass: with a key")
	})
	t.Run("with our authorization server", func(t *testing.T) {
		t.Parallel()
		f := reserved(t)
		f.openOwn(t, goServer(t, true))
		ada, ben := settle(t, f, "ada"), settle(t, f, "ben")
		token := goTraveller(t, f, own(t, f, ada, known{}), ada.name, reading).Token
		other := goTraveller(t, f, own(t, f, ben, known{}), ben.name, reading).Token
		c := check(t, f.url, "-c", f.file, "--ca", f.all, "--token-from", f.secret(t, "ada", token), "--other-from", f.secret(t, "ben", other), "--register", "--in-url")
		c.wants(t, probe.Fail)
		c.wants(t, probe.Warn)
		c.wants(t, probe.Unknown, "GH-2133 audience", "GH-2134 id-token", "GH-2135 refresh-token", "GH-2136 expired", "GH-2137 revoked",
			"GH-2148 iss-sent", "GH-2151 rate-limit", "GH-2152 failed-attempts", "GH-2153 rotation")
		c.everybody(t, "pass: ")
	})
	t.Run("with tokens of a provider", func(t *testing.T) {
		t.Parallel()
		f := reserved(t)
		const elsewhere = "https://other.example/mcp"
		p := nodeProvider(t, map[string]map[string]any{"ada": {}}, map[string]nodeResource{f.url: {Scope: "tools:read"}, elsewhere: {Scope: "tools:read"}})
		f.open(t, f.text(goServer(t, true), readsAndWrites, p.yaml("")), p)
		mine := p.token(request{user: "ada", resource: f.url, scopes: "openid tools:read"})
		theirs := p.token(request{user: "ada", resource: elsewhere, scopes: "tools:read"})
		c := check(t, f.url, "-c", f.file, "--ca", f.all, "--token-from", f.secret(t, "mine", mine.Access),
			"--bad-token", "other-resource="+f.secret(t, "theirs", theirs.Access), "--bad-token", "id-token="+f.secret(t, "id", mine.ID), "--register", "--in-url")
		c.wants(t, probe.Fail)
		c.wants(t, probe.Warn, "GH-2126 registration", "GH-2128 server-metadata") // the provider's own
		c.wants(t, probe.Unknown, "GH-2135 refresh-token", "GH-2136 expired", "GH-2137 revoked", "GH-2151 rate-limit", "GH-2152 failed-attempts", "GH-2153 rotation")
		for name, want := range map[string]string{"Cursor": "pass: registers itself", "Zed": "warn: it cannot get a client id there, and does with a key only"} {
			if got := c.client(name); got != want {
				t.Errorf("%s: got %s, want %s", name, got, want)
			}
		}
	})
}

// everybody wants every client to come in, but those that connect from the internet.
func (c *checked) everybody(t testing.TB, want string) {
	t.Helper()
	for _, f := range c.Clients {
		cloud := f.Client == "ChatGPT" || strings.HasPrefix(f.Client, "Claude (")
		if got := f.Outcome + ": " + f.Text; !strings.HasPrefix(got, want) && !(cloud && strings.HasPrefix(got, "unknown: it connects from the internet")) {
			t.Errorf("%s: got %s, want %s", f.Client, got, want)
		}
	}
}
