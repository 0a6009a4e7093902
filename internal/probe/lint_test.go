package probe

import (
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// careful is a file in which everything is as it should be.
const careful = `version: 1
server:
  public_url: https://mcp.example.com
  listen: 0.0.0.0:8443
  tls: {files: {cert: cert.pem, key: key.pem}}
servers:
  - {name: notes, url: "http://127.0.0.1:3000/mcp"}
auth:
  api_keys: {pepper: "${PEPPER}"}
  issuers:
    - {name: acme, issuer: "https://id.example.com"}
policy: {default: deny, rules: [{name: all, tools: ["*"]}]}
limits: {per_key: 60/min, failed_auth: {per_ip: 20/min, ban: 10m}}
store: {sqlite: state/gatehouse.db}
`

// lint judges a file with one line changed.
func lint(t *testing.T, old, with string) *Report {
	t.Helper()
	if !strings.Contains(careful, old) {
		t.Fatalf("the file has no %q", old)
	}
	lookup := func(string) (string, bool) { return strings.Repeat("p", 40), true }
	c, err := config.Parse("gatehouse.yaml", []byte(strings.Replace(careful, old, with, 1)), config.Outside{Lookup: lookup})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Lint("gatehouse.yaml", c, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestEveryRuleAboutAFileSeesItsFault has each pass a careful file, and warn of one that is not.
func TestEveryRuleAboutAFileSeesItsFault(t *testing.T) {
	t.Parallel()
	for _, res := range lint(t, "version: 1", "version: 1").Results {
		if res.Outcome != Pass {
			t.Errorf("%s: got %s: %s, want pass", res.Rule.Name, res.Outcome, res.Text)
		}
	}
	tests := []struct {
		rule      *Rule
		old, with string
		want      Outcome
	}{
		{configEntry, "default: deny", "default: allow", Warn},
		{configUpstream, "http://127.0.0.1:3000", "http://10.0.3.7:3000", Warn},
		{configKeys, `{pepper: "${PEPPER}"}`, "{}", Warn},
		{configHTTPS, "  tls: {files: {cert: cert.pem, key: key.pem}}\n", "", Fail},
		{configHTTPS, "listen: 0.0.0.0:8443\n  tls: {files: {cert: cert.pem, key: key.pem}}\n", "listen: 127.0.0.1:8443\n", Warn},
		{configHTTPS, "key: key.pem}}", "key: key.pem}, hsts: 0s}", Warn},
		{configLimits, "per_key: 60/min, ", "per_key: off, ", Warn},
		{configFailures, "per_ip: 20/min", "per_ip: off", Warn},
		{configRotation, `"${PEPPER}"}`, `"${PEPPER}", rotation_overlap: 30d}`, Warn},
		{configTokens, `"https://id.example.com"}`, `"https://id.example.com", clients: [any], audience: {mode: none}}`, Warn},
	}
	proven := []*Rule{configSecrets} // a file with a literal secret is not even read
	for _, tt := range tests {
		proven = append(proven, tt.rule)
		for _, res := range lint(t, tt.old, tt.with).Results {
			if res.Rule == tt.rule && res.Outcome != tt.want {
				t.Errorf("%s with %s: got %s: %s, want %s", res.Rule.Name, tt.with, res.Outcome, res.Text, tt.want)
			}
		}
	}
	for _, r := range ConfigRules() {
		if !slices.Contains(proven, r) {
			t.Errorf("%s: no file fails it", r.Name)
		}
	}
}

// TestAURLWithASecretIsAskedWithoutIt has what is secret in a URL neither sent by strangers nor written down.
func TestAURLWithASecretIsAskedWithoutIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "query taken")
	o := h.options()
	o.URL = "https://example.com/mcp?api_key=" + goodKey
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(r.URL, goodKey) {
		t.Errorf("the report has %s", r.URL)
	}
	for _, res := range r.Results {
		if res.Rule == demanded && res.Outcome != Pass || res.Rule == query && res.Outcome != Fail {
			t.Errorf("%s: got %s: %s", res.Rule.Name, res.Outcome, res.Text)
		}
		for _, x := range res.Evidence {
			if strings.Contains(x.Request(), goodKey) {
				t.Errorf("%s shows the key", res.Rule.Name)
			}
		}
	}
}
