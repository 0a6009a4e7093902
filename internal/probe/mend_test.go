package probe

import (
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

func outside() config.Outside {
	return config.Outside{Lookup: func(string) (string, bool) { return strings.Repeat("p", 40), true }}
}

// mended reads a file in which something is wrong, changes what the checker says, and returns what it finds then.
func mended(t *testing.T, text string) (mends []Mend, after *Report) {
	t.Helper()
	judge := func(text string) (*config.Config, *Report) {
		c, err := config.Parse("gatehouse.yaml", []byte(text), outside())
		if err != nil {
			t.Fatal(err)
		}
		r, err := Lint("gatehouse.yaml", c, nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return c, r
	}
	c, before := judge(text)
	mends = before.Mends(c)
	for _, m := range mends {
		if m.Value == "" {
			continue
		}
		done, err := config.Amend("gatehouse.yaml", []byte(text), []config.Amendment{{Path: m.Path, Value: m.Value}}, outside())
		if err != nil {
			t.Fatalf("%s: %v", m.Path, err)
		}
		text = string(done)
	}
	_, after = judge(text)
	return mends, after
}

// TestWhatIsMendedIsFoundNoMore makes each change that the checker asks for, and has it look again.
func TestWhatIsMendedIsFoundNoMore(t *testing.T) {
	t.Parallel()
	if m, _ := mended(t, careful); len(m) != 0 {
		t.Errorf("got %v of a file in which nothing is wrong", m)
	}
	for name, tt := range map[string]struct {
		rule            *Rule
		old, with, path string
	}{
		"policy":               {configEntry, "default: deny", "default: allow", "policy.default"},
		"policy of a server":   {configEntry, `3000/mcp"}`, `3000/mcp", policy: {default: allow, rules: [{tools: [x]}]}}`, "servers[0].policy.default"},
		"upstream":             {configUpstream, "http://127.0.0.1:3000", "http://10.0.3.7:3000", "servers[0].forward.identity"},
		"HSTS":                 {configHTTPS, "key: key.pem}}", "key: key.pem}, hsts: 0s}", "server.tls.hsts"},
		"a proxy":              {configHTTPS, "listen: 0.0.0.0:8443\n  tls: {files: {cert: cert.pem, key: key.pem}}\n", "listen: 127.0.0.1:8443\n", "server.tls.terminated_by_proxy"},
		"limits":               {configLimits, "per_key: 60/min, ", "per_key: off, ", "limits.per_principal"},
		"failures":             {configFailures, "per_ip: 20/min", "per_ip: off", "limits.failed_auth.per_ip"},
		"the life of keys":     {configRotation, `"${PEPPER}"}`, `"${PEPPER}", default_ttl: 1000d}`, "auth.api_keys.default_ttl"},
		"the overlap of keys":  {configRotation, `"${PEPPER}"}`, `"${PEPPER}", rotation_overlap: 30d}`, "auth.api_keys.rotation_overlap"},
		"keys without an end*": {configRotation, `"${PEPPER}"}`, `"${PEPPER}", default_ttl: 1000d, rotation_overlap: 30d}`, "auth.api_keys.default_ttl"},
	} {
		m, after := mended(t, strings.Replace(careful, tt.old, tt.with, 1))
		if len(m) == 0 || m[0].Path != tt.path || m[0].Value == "" || m[0].Note == "" || m[0].Rule != tt.rule {
			t.Errorf("%s: got %+v, want %s", name, m, tt.path)
		}
		for i := range after.Results {
			if res := &after.Results[i]; res.Outcome == Warn || res.Outcome == Fail {
				t.Errorf("%s: still %s: %s", name, res.Rule.Name, res.Text)
			}
		}
	}
}

// TestWhatAPersonHasToChoose has no value where a program's choice would shut people out.
func TestWhatAPersonHasToChoose(t *testing.T) {
	t.Parallel()
	for path, edit := range map[string][2]string{
		"auth.api_keys.pepper":          {`{pepper: "${PEPPER}"}`, "{}"},
		"policy.default":                {`{default: deny, rules: [{name: all, tools: ["*"]}]}`, "{default: allow}"},
		"server.tls":                    {"  tls: {files: {cert: cert.pem, key: key.pem}}\n", ""},
		"auth.issuers[0].audience.mode": {`"https://id.example.com"}`, `"https://id.example.com", clients: any, audience: {mode: issuer_and_client}}`},
	} {
		m, _ := mended(t, strings.Replace(careful, edit[0], edit[1], 1))
		if len(m) != 1 || m[0].Path != path || m[0].Value != "" || m[0].Note == "" {
			t.Errorf("got %+v, want %s, by hand", m, path)
		}
	}
}

// TestWhatIsFoundAtAServerIsMendedInItsFile goes from what is seen outside to settings.
func TestWhatIsFoundAtAServerIsMendedInItsFile(t *testing.T) {
	t.Parallel()
	found := func(text, at string, rule *Rule) []Mend {
		c, err := config.Parse("gatehouse.yaml", []byte(text), outside())
		if err != nil {
			t.Fatal(err)
		}
		return (&Report{URL: at, Results: []Result{{rule, Verdict{Outcome: Fail}}, {rule, Verdict{Outcome: Warn}}, {encrypted, Verdict{Outcome: Fail}}}}).Mends(c)
	}
	const behind = "  tls: {terminated_by_proxy: true}\n"
	unlimited := func(tls, listen string) string {
		return strings.NewReplacer("  tls: {files: {cert: cert.pem, key: key.pem}}\n", tls, "listen: 0.0.0.0:8443", listen, "per_ip: 20/min", "per_ip: off").Replace(careful)
	}
	own := strings.Replace(careful, "  api_keys:", "  embedded: {clients: {dcr: {enabled: false}, cimd: {enabled: false}}}\n  api_keys:", 1)
	for name, tt := range map[string]struct {
		text, at string
		rule     *Rule
		want     string
	}{
		"another name":       {careful, "https://tools.example.com/mcp", named, "server.public_url: "},
		"another path":       {careful, "https://mcp.example.com/other", named, ""},
		"a host of its own":  {strings.Replace(careful, "{name: notes,", "{name: notes, host: a.example.com,", 1), "https://tools.example.com/mcp", named, ""},
		"no registration":    {own, houseURL, registration, "auth.embedded.clients.dcr.enabled: true, auth.embedded.clients.cimd.enabled: true"},
		"of somebody else":   {careful, houseURL, registration, ""},
		"HSTS by a proxy":    {strings.Replace(careful, "{files: {cert: cert.pem, key: key.pem}}", "{terminated_by_proxy: true}", 1), houseURL, hsts, ""},
		"limits that are on": {careful, houseURL, failures, ""},
		"failures behind a proxy that is not named": {unlimited(behind, "listen: 127.0.0.1:8443"), houseURL, failures, "limits.failed_auth.per_ip: "},
		"failures behind a proxy nobody speaks of":  {unlimited("", "listen: 127.0.0.1:8443"), houseURL, failures, "limits.failed_auth.per_ip: "},
		"failures behind a proxy that is named":     {unlimited(behind, "listen: 127.0.0.1:8443\n  trusted_proxies: [127.0.0.1/32]"), houseURL, failures, "limits.failed_auth.per_ip: 20/min"},
		"failures behind a proxy on a socket":       {unlimited(behind, "listen: unix:/run/gatehouse.sock"), houseURL, failures, "limits.failed_auth.per_ip: 20/min"},
	} {
		var got []string
		for _, m := range found(tt.text, tt.at, tt.rule) {
			got = append(got, m.Path+": "+m.Value)
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	if got := mendPublicURL(&config.Config{}, &url.URL{}); got != nil {
		t.Errorf("got %v of a file", got)
	}
}
