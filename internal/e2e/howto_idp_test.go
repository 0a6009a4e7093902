package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// says runs a command over the installation with a text on standard input, and
// returns what it printed and its exit code.
func (p *production) says(t testing.TB, stdin string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(gatehouseBinary(t), args...)
	cmd.Env, cmd.Stdin = append(os.Environ(), "HOME="+p.dir, "NO_COLOR=1"), strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	noRace(t, string(out))
	return string(out), cmd.ProcessState.ExitCode()
}

// hasAll holds an output to texts that have to be in it.
func hasAll(t *testing.T, out string, parts []string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(out, part) {
			t.Errorf("got %s, want %q in it", out, part)
		}
	}
}

// TestGuideOfIdentityProviders walks docs/how-to/identity-providers.md with a
// provider that does by the book what others have a preset for: look at it,
// write its entry, sign in, and find out why a token is refused.
func TestGuideOfIdentityProviders(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	p := nodeProvider(t, map[string]map[string]any{"ada": {}}, map[string]nodeResource{f.url: {Scope: "tools:read"}, "https://other.example/mcp": {Scope: "tools:read"}})
	page := read(t, "docs/how-to/identity-providers.md")
	example := block.FindStringSubmatch(page)
	if example == nil || !strings.Contains(page, "private: [login.internal]`, and `ca: ") {
		t.Fatal("the guide has no configuration, or says nothing of providers inside a network")
	}
	scopes := regexp.MustCompile("`(scopes: {[^`]+)`").FindStringSubmatch(page)
	if scopes == nil {
		t.Fatal("the guide does not say how clients are told what to ask for")
	}
	wants := func(out string, parts ...string) {
		t.Helper()
		hasAll(t, out, parts)
	}
	if out, code := f.says(t, "", "idp", "presets"); code != 0 || !strings.Contains(out, "oidc") {
		t.Errorf("idp presets: got %d %s", code, out)
	}
	where := []string{"--issuer", p.issuer, "--resource", f.url, "--private", "127.0.0.1", "--ca", p.file("cert.pem")}
	out, code := f.says(t, "", append([]string{"idp", "test", "oidc"}, where...)...)
	if code != 0 {
		t.Errorf("idp test: got exit code %d: %s", code, out)
	}
	wants(out, "S256", "✓")

	entry := strings.TrimPrefix(strings.TrimSpace(p.yaml("preset: oidc")), "- ")
	f.open(t, strings.NewReplacer(
		"https://mcp.acme.com", "https://"+f.address, "127.0.0.1:8080", f.address, "{terminated_by_proxy: true}", "{files: {cert: DIR/cert.pem, key: DIR/key.pem}}",
		"http://127.0.0.1:3000/mcp", goServer(t, true), "{preset: auth0, domain: acme.us.auth0.com}", entry,
	).Replace(example[2])+strings.Replace(scopes[1], "notes:read", "tools:read", 1), p)
	if out, code := f.says(t, "", "config", "validate", "-c", f.file); code != 0 {
		t.Errorf("config validate: got %d %s", code, out)
	}
	out, _ = f.says(t, "", "config", "expand", "-c", f.file)
	wants(out, "auth.issuers[oidc-provider].issuer", p.issuer, "auth.issuers[oidc-provider].algorithms", "preset oidc")
	if j := nodeTraveller("2", "client")(t, f, p, "ada", reading); j.Error != "" || len(j.Results) != 1 || j.Results[0].Error != "" {
		t.Errorf("got %+v, want an answer", j)
	}
	out, _ = f.says(t, "", "idp", "list", "-c", f.file)
	wants(out, "oidc-provider", p.issuer, "1, fetched")

	elsewhere := p.token(request{user: "ada", resource: "https://other.example/mcp", scopes: "tools:read"}).Access
	f.call(elsewhere, reading).wantRefusal(t, "another resource's", 401, "GH-1104", "invalid_token")
	out, code = f.says(t, elsewhere, "token", "explain", "-c", f.file, "-")
	if code == 0 {
		t.Errorf("token explain: got %d for a token that is refused", code)
	}
	wants(out, "GH-1104 would be refused", `≠ this server's resource "`+f.url+`"`)
	good := p.token(request{user: "ada", resource: f.url, scopes: "tools:read"}).Access
	out, code = f.says(t, good, "token", "explain", "-c", f.file, "--fetch", "-")
	if code != 0 {
		t.Errorf("token explain: got %d for a good token: %s", code, out)
	}
	wants(out, "signature")
	if strings.Contains(out, good[strings.LastIndex(good, ".")+1:]) {
		t.Error("the signature is shown")
	}
}
