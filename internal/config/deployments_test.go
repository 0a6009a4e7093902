package config

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// deployments are the files of the documented format in testdata. Each says what
// is refused by name, the edits that take exactly that out, and what is then
// still to be decided by its author, with the edits that do.
var deployments = []struct {
	file    string
	refused []string // settings that are only planned
	edits   [][2]string
	then    []string // what Check says then
	mended  [][2]string
}{
	{file: "1-dev-stdio-keys.yaml"},
	{
		file: "2-remote-auth0.yaml",
	},
	{
		file: "3-embedded-as-google-github.yaml",
		refused: []string{
			"admin.sso",
		},
		edits: [][2]string{
			{`, sso: .*?$`, "}"},
		},
		then:   []string{"admin.listen 0.0.0.0:9090 is beyond this machine"},
		mended: [][2]string{{`listen: 0.0.0.0:9090`, "listen: 9090"}},
	},
	{
		file: "4-saas-k8s-postgres-redis.yaml",
		refused: []string{
			"auth.api_keys.last_used", "limits.by_plan",
			"limits.on_store_failure", "store.postgres", "store.migrate", "cache", "audit.sinks", "observability", "admin.public_url", "admin.sso",
		},
		edits: [][2]string{
			{`^    last_used:[^\n]*$`, ""}, {`^  (by_plan|on_store_failure):.*?$`, ""},
			{`^(store|cache|audit|observability):[^\n]*$`, ""}, {`, public_url: https://console.*?$`, "}"},
		},
		then: []string{"auth.embedded.login[0].authkit_domain is missing", "admin.listen 0.0.0.0:9090 is beyond this machine"},
		mended: [][2]string{
			{`listen: 0.0.0.0:9090`, "insecure_external: true, listen: 0.0.0.0:9090"},
			{`preset: workos, client_id`, "preset: workos, authkit_domain: saas.authkit.app, allow: {everyone: true}, client_id"},
		},
	},
	{
		file:    "5-authorizer-envoy-nginx.yaml",
		refused: []string{"mode"},
		edits:   [][2]string{{`^mode:.*?^servers`, "servers"}},
		then:    []string{"servers[0] needs a url or stdio"},
		mended:  [][2]string{{`path: /mcp\}`, "path: /mcp, url: 'http://127.0.0.1:3000/mcp'}"}},
	},
	{
		file:    "6-local-stdio-sandboxed.yaml",
		refused: []string{"servers[0].stdio.secrets.GITHUB_TOKEN", "servers[0].stdio.sandbox", "servers[0].stdio.pin", "auth.local", "policy.rules[1].effect"},
		edits: [][2]string{
			{`"keychain:github-mcp"`, `"${GITHUB_TOKEN}"`}, {`^      sandbox:.*?^auth`, "auth"}, {`local: \{peer: same_user\}`, ""},
			{`effect: ask`, "effect: deny"},
		},
		then:   []string{"auth lets nobody in"},
		mended: [][2]string{{`auth: \{\}`, "auth: {api_keys: {}}"}},
	},
}

func TestDeploymentsLoadAsFarAsTheirFeaturesExist(t *testing.T) {
	o := Outside{Lookup: func(name string) (string, bool) { return "value-of-" + name, name != "CREDENTIALS_DIRECTORY" }}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("x", 40)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, d := range deployments {
		t.Run(d.file, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata/deployments", d.file))
			if err != nil {
				t.Fatal(err)
			}
			text := regexp.MustCompile(`/run/secrets/\w+`).ReplaceAllLiteralString(string(data), secret)
			if got := refusals(t, text, o); !slices.Equal(got, d.refused) {
				t.Errorf("refused by name:\ngot  %q\nwant %q", got, d.refused)
			}
			c := parsed(t, edited(t, text, d.edits), o)
			var all Mistakes
			_ = errors.As(c.Check(), &all)
			if len(all) != len(d.then) {
				t.Fatalf("Check: got %v, want %q", all, d.then)
			}
			for i, m := range all {
				if !strings.HasPrefix(m.Text, d.then[i]) {
					t.Errorf("Check: got %q, want %q", m.Text, d.then[i])
				}
			}
			c = parsed(t, edited(t, edited(t, text, d.edits), d.mended), o)
			if err := c.Check(); err != nil {
				t.Errorf("Check: got %v, want nil", err)
			}
		})
	}
}

// refusals are the paths that are refused because this version has not got them;
// any other mistake that a reader makes is an error.
func refusals(t *testing.T, text string, o Outside) []string {
	t.Helper()
	var paths []string
	_, err := Parse("f", []byte(text), o)
	var all Mistakes
	if err != nil && !errors.As(err, &all) {
		t.Fatal(err)
	}
	for _, m := range all {
		named := strings.Contains(m.Text, "not available in this version")
		switch {
		case named:
			paths = append(paths, m.Path)
		case !strings.HasPrefix(m.Path, "admin") && !strings.HasPrefix(m.Path, "auth.embedded.login") && m.Path != "servers[0]" && m.Path != "policy.default":
			t.Errorf("also refused: %v", m)
		}
	}
	return paths
}

func edited(t *testing.T, text string, edits [][2]string) string {
	t.Helper()
	for _, e := range edits {
		pattern := regexp.MustCompile("(?ms)" + e[0])
		if !pattern.MatchString(text) {
			t.Fatalf("%s is not in\n%s", e[0], text)
		}
		text = pattern.ReplaceAllLiteralString(text, e[1])
	}
	return text
}

func parsed(t *testing.T, text string, o Outside) *Config {
	t.Helper()
	c, err := Parse("f", []byte(text), o)
	if err != nil {
		t.Fatalf("got %v, want nil, of\n%s", err, text)
	}
	return c
}
