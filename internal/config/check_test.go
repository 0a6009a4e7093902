package config

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// verdict reads and judges a file.
func verdict(t *testing.T, text string) Mistakes {
	t.Helper()
	c, err := Parse("f", []byte(text), outside)
	if err == nil {
		err = c.Check()
	}
	var all Mistakes
	if err != nil && !errors.As(err, &all) {
		t.Fatal(err)
	}
	return all
}

const (
	one   = "servers: [{name: a, url: 'http://127.0.0.1:1/mcp'}]\n"
	auth  = "auth: {api_keys: {}}\n"
	allow = "policy: {default: allow}\n"
	https = "public_url: https://mcp.example.com, "
)

// Files of which one section is to be judged.
func server(s string) string  { return "version: 1\n" + one + auth + allow + "server: " + s + "\n" }
func servers(s string) string { return "version: 1\n" + auth + allow + "servers: [" + s + "]\n" }
func rules(s string) string   { return "version: 1\n" + one + auth + "policy: " + s + "\n" }
func rest(s string) string    { return "version: 1\n" + one + auth + allow + s + "\n" }

// refused are files, and what is said of them.
var refused = []struct{ name, text, want string }{
	{"no servers", "version: 1\n" + auth + allow, "servers has none"},
	{"no way in", "version: 1\n" + one + allow, "auth lets nobody in"},
	{"empty auth", "version: 1\n" + one + allow + "auth: {}\n", "f:4:1: auth lets nobody in"},
	{"keys that are off", "version: 1\n" + one + allow + "auth: {api_keys: {enabled: false}}\n", "auth lets nobody in"},
	{"keys without tenant", "version: 1\n" + one + allow + "auth: {api_keys: {allow_tenantless: true}}\n", "every key has a tenant"},
	{"a short pepper", "version: 1\n" + one + allow + "auth: {api_keys: {pepper: '${TOKEN}'}}\n", "auth.api_keys.pepper"},
	{"a policy without default", rules("{rules: [{tools: [x]}]}"), "policy.default is missing"},
	{"deny and no rules", rules("{default: deny}"), "no rule allows anything"},
	{"deny and an empty list of rules", rules("{default: deny, rules: []}"), "policy.rules is an empty list"},
	{"deny and rules that deny", rules("{default: deny, rules: [{tools: [x], effect: deny}]}"), "no rule allows anything"},
	{"a rule without tools", rules("{default: allow, rules: [{effect: deny}]}"), "policy.rules[0].tools is missing"},
	{"a rule with no tools", rules("{default: allow, rules: [{tools: [], effect: deny}]}"), "policy.rules[0].tools is an empty list"},
	{"an unknown effect", rules("{default: allow, rules: [{tools: [x], effect: alow}]}"), `"alow" is not allow or deny. Did you mean "allow"?`},
	{"an effect of later", rules("{default: allow, rules: [{tools: [x], effect: ask}]}"), `"ask" is not available in this version`},
	{"a server that is none", rules("{default: allow, rules: [{tools: [x], servers: [b]}]}"), `policy.rules[0].servers[0] there is no server "b"`},
	{"a tenant that cannot be", rules("{default: allow, rules: [{tools: [x], tenants: [ACME]}]}"), "is not the name of a tenant"},
	{"a pattern that does not compile", rules("{default: allow, rules: [{tools: ['a b']}]}"), "is a pattern with"},
	{"rules about another server", servers("{name: a, url: 'http://127.0.0.1:1/', policy: {default: allow, rules: [{tools: [x], servers: [b]}]}}"), `these are the rules of "a" alone`},

	{"plain HTTP", server("{listen: '0.0.0.0:80'}"), "GH-2004"},
	{"plain HTTP with a public URL", server("{listen: '0.0.0.0:80', public_url: 'https://mcp.example.com'}"), "GH-2004"},
	{"plain HTTP on an unknown socket", server("{listen: 'systemd:gatehouse'}"), "GH-2004"},
	{"a plain public URL", server("{public_url: 'http://mcp.example.com'}"), "GH-2004 f:5:22: server.public_url is http://mcp.example.com. HTTPS is required except on loopback. Give tls.acme, tls.files, or tls.terminated_by_proxy: true with trusted_proxies"},
	{"a bare colon", server("{listen: :9090}"), `":9090" does not say where. Write 9090`},
	{"TLS that is none", server("{tls: {}}"), "says none of files, acme"},
	{"TLS that only has a date", server("{tls: {hsts: 1d}}"), "says none of files, acme"},
	{"two ways of TLS", server("{" + https + "tls: {terminated_by_proxy: true, acme: {accept_tos: true}}}"), "more than one of"},
	{"a certificate without key", server("{" + https + "tls: {files: {cert: a}}}"), "server.tls.files.key is missing"},
	{"terms that nobody agreed to", server("{" + https + "tls: {acme: {email: a@example.com}}}"), "accept_tos is missing"},
	{"terms that were refused", server("{" + https + "tls: {acme: {accept_tos: false}}}"), "accept_tos has to be true"},
	{"required certificates of nobody", server("{" + https + "tls: {acme: {accept_tos: true}, client_required: true}}"), "needs client_ca"},
	{"certificates of anybody that are required", server("{" + https + "tls: {acme: {accept_tos: true}, client_ca: x, client_required: true, client_self_signed: true}}"), "makes client_required mean nothing"},
	{"certificates of anybody at a proxy", server("{" + https + "tls: {terminated_by_proxy: true, client_self_signed: true}}"), "server.tls.client_self_signed"},
	{"client certificates at a proxy", server("{" + https + "tls: {terminated_by_proxy: true, client_ca: x}}"), "server.tls.client_ca"},
	{"TLS without a name", server("{tls: {acme: {accept_tos: true}}}"), "server.public_url is missing"},
	{"a proxy that nobody trusts", server("{" + https + "listen: '0.0.0.0:80', tls: {terminated_by_proxy: true}}"), "needs trusted_proxies"},
	{"everybody as proxy", server("{trusted_proxies: [0.0.0.0/0]}"), "is everybody"},
	{"everybody as proxy, in IPv6", server("{trusted_proxies: ['::/0']}"), "is everybody"},
	{"a network with odd bits", server("{trusted_proxies: [10.0.0.1/8]}"), "did you mean 10.0.0.0/8 or 10.0.0.1"},
	{"PROXY headers of nobody", server("{proxy_protocol: true}"), "needs trusted_proxies"},
	{"a plain listener without TLS", server("{plain_listen: '0.0.0.0:80'}"), "only beside tls.files or tls.acme"},
	{"an origin for everybody", server("{allow_origins: ['https://*.example.com']}"), "is not an origin"},
	{"a public URL for everybody", server("{public_url: 'https://*'}"), "server.public_url"},

	{"two servers of one name", servers("{name: a, url: 'http://h/', path: /x}, {name: a, url: 'http://h/'}"), `servers[1].name "a" appears twice`},
	{"two servers at one place", servers("{name: a, url: 'http://h/'}, {name: b, url: 'http://h/'}"), `/mcp is served by "a" already`},
	{"a server in the shadow of another", servers("{name: a, host: a.example, url: 'http://h/'}, {name: b, url: 'http://h/'}"), `/mcp is served by "a" already`},
	{"two streams at one place", servers("{name: a, url: 'http://h/', sse: /sse}, {name: b, url: 'http://h/', path: /b, sse: /sse}"), `/sse is served by "a" already`},
	{"a server below a stream", servers("{name: a, url: 'http://h/', sse: /sse}, {name: b, url: 'http://h/', path: /sse/x}"), `/sse/x is served by "a" already`},
	{"a stream at the server's own path", servers("{name: a, url: 'http://h/', path: /x, sse: /x}"), "contains, the path of the server"},
	{"a path of ours", servers("{name: a, url: 'http://h/', path: /-/live}"), "is ours"},
	{"a well-known path", servers("{name: a, url: 'http://h/', path: /.well-known/x}"), "servers[0].path"},
	{"any host", servers("{name: a, url: 'http://h/', host: '*'}"), "would match other hosts"},
	{"a host with port", servers("{name: a, url: 'http://h/', host: 'a:1'}"), "is not the name of a host"},
	{"a host that is an address", servers("{name: a, url: 'http://h/', host: 10.0.0.1}"), "is an address"},
	{"an identity for a child", servers("{name: a, stdio: {command: [x]}, forward: {identity: jwt}}"), "servers[0].forward.identity is sent in a header"},
	{"a credential for a child", servers("{name: a, stdio: {command: [x]}, forward: {authorization: 'Bearer ${TOKEN}'}}"), "servers[0].forward.authorization is sent in a header"},
	{"a header that means something", servers("{name: a, url: 'http://h/', forward: {tenant_header: Authorization}}"), "belongs to the protocol or to callers"},
	{"places in a shared child", servers("{name: a, stdio: {command: [x], tenants: {acme: {cwd: y}}}}"), "needs isolation: per_tenant"},
	{"the transport of a child", servers("{name: a, stdio: {command: [x]}, transport: sse}"), "servers[0].transport is for a url"},
	{"a rate that is none", servers("{name: a, url: 'http://h/', limits: {per_tool: {x: 5}}}"), "is no rate"},

	{"operators beyond this machine", rest("admin: {listen: '0.0.0.0:9090'}"), "admin.listen 0.0.0.0:9090 is beyond this machine"},
	{"operators at the callers' door", rest("admin: {listen: 8080}"), "is the address of server.listen"},
	{"a trail without refusals", rest("audit: {include: [admin, tool_call]}"), "leaves out auth_failed"},
	{"a trail without changes", rest("audit: {include: [auth_failed]}"), "leaves out admin"},
	{"an unknown kind", rest("audit: {include: [auth_failed, admin, tool_cal]}"), `Did you mean "tool_call"?`},
	{"a trail in two places", rest("audit: {file: x, stdout: true}"), "both file and stdout"},
	{"arguments of no tools", rest("audit: {arguments: {redact: [x]}}"), "audit.arguments.tools is missing"},
	{"no files kept", rest("audit: {keep: 0}"), "is less than 1"},
	{"keys that never end", rest("limits: {failed_auth: {ban: 0}}"), "is less than 1s"},
	{"two words for one", rest("limits: {failed_auth: {per_ip: 1/s, per_address: 2/s}}"), "says again what per_ip says"},
	{"a literal secret", rest("store: {encryption_key: 0123456789012345678901234567890123456789}"), "is a secret, and a file is copied"},
	{"a half literal secret", rest("store: {encryption_key: 'x${LONG}'}"), "is a secret, and a file is copied"},
	{"a literal credential", servers("{name: a, url: 'http://h/', forward: {authorization: Bearer abc}}"), "has a secret in it"},
	{"a secret by its name", servers("{name: a, stdio: {command: [x], env: {GITHUB_TOKEN: abc}}}"), "looks like a secret by its name"},
	{"a keychain", servers("{name: a, stdio: {command: [x], secrets: {A: 'keychain:x'}}}"), "keychain, which is not available"},
	{"a private key", servers("{name: a, stdio: {command: [x], env: {A: \"-----BEGIN EC PRIVATE KEY-----\\n\"}}}"), "holds a private key"},
}

func TestCheckRefuses(t *testing.T) {
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			var said []string
			for _, m := range verdict(t, tt.text) {
				said = append(said, m.Code+" "+m.Error())
			}
			if all := strings.Join(said, "\n"); !strings.Contains(all, tt.want) {
				t.Errorf("got %q, want it to contain %q", all, tt.want)
			}
			if len(said) > 2 {
				t.Errorf("one mistake is said as %d: %q", len(said), said)
			}
		})
	}
}

func TestCheckAccepts(t *testing.T) {
	for name, text := range map[string]string{
		"a proxy on this machine":      base + "server: {public_url: 'https://mcp.example.com', tls: {terminated_by_proxy: true}}\n",
		"a unix socket":                base + "server: {listen: 'unix:/run/g.sock', public_url: 'https://mcp.example.com', tls: {terminated_by_proxy: true}}\n",
		"loopback behind a tunnel":     base + "server: {listen: 8181, public_url: 'https://mcp.example.com'}\n",
		"servers by host":              "version: 1\n" + auth + allow + "servers: [{name: a, host: a.example, url: 'http://h/'}, {name: b, host: b.example, url: 'http://h/'}]\n",
		"servers by path":              "version: 1\n" + auth + allow + "servers: [{name: a, path: /a, url: 'http://h/'}, {name: b, path: /a/b, url: 'http://h/'}]\n",
		"policies of the servers":      "version: 1\n" + auth + "servers: [{name: a, url: 'http://h/', policy: {default: allow}}]\n",
		"keys that are not tenantless": "version: 1\n" + one + allow + "auth: {api_keys: {enabled: true, allow_tenantless: false}}\n",
		"one pair of files":            base + "server: {public_url: 'https://x.example', tls: {files: {cert: a, key: b}}}\n",
		"the other word":               base + "limits: {failed_auth: {per_address: 5/min}}\n",
		"an admin socket":              base + "admin: {listen: 'unix:admin.sock'}\n",
	} {
		if all := verdict(t, text); len(all) > 0 {
			t.Errorf("%s: got %v, want it accepted", name, all)
		}
	}
}

func TestWarnings(t *testing.T) {
	rules := func(s string) string {
		return "version: 1\n" + one + auth + "policy: {default: deny, rules: [" + s + "]}\n"
	}
	tests := []struct {
		name, text, want string
		weakens          bool
	}{
		{"nothing", base, "", false},
		{"no limit", base + "limits: {per_key: off}\n", "limits.per_key is off", true},
		{"no bans", base + "limits: {failed_auth: {per_ip: off}}\n", "limits.failed_auth.per_ip is off", true},
		{"operators anywhere", base + "admin: {listen: '0.0.0.0:1', insecure_external: true}\n", "admin.insecure_external lets everybody", true},
		{"plain identity", "version: 1\n" + auth + allow + "servers: [{name: a, url: 'http://127.0.0.1/', forward: {identity: headers}}]\n", "claim to be anybody", true},
		{"a credential in the clear", "version: 1\n" + auth + allow + "servers: [{name: a, url: 'http://h/', forward: {authorization: '${TOKEN}'}}]\n", "without TLS", true},
		{"an unusual path", "version: 1\n" + auth + allow + "servers: [{name: a, url: 'http://h/', path: /x}]\n", "some clients only call /mcp", false},
		{"a wide network", base + "server: {trusted_proxies: [10.0.0.0/8]}\n", "f:5:28: server.trusted_proxies[0] 10.0.0.0/8 is a wide network", true},
		{"a rule that says the same", rules("{tools: ['get_*']}, {tools: [get_x]}"), "f:4:53: policy.rules[1] can never match: policy.rules[0] allows all of it already", false},
		{"a rule that is denied later", rules("{tools: [get_x]}, {tools: ['*'], effect: deny}"), "policy.rules[0] can never match: policy.rules[1] denies all of it already", false},
		{"a rule for more tenants", rules("{tools: ['*'], tenants: [a]}, {tools: [x]}"), "", false},
		{"a rule for fewer", rules("{tools: ['*']}, {tools: [x], tenants: [a], keys: ['c*']}"), "can never match", false},
		{"a rule that only overlaps", rules("{tools: ['get_*']}, {tools: ['*_x']}"), "", false},
		{"a denial that is narrower", rules("{tools: ['*']}, {tools: [x], effect: deny}"), "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := parsed(t, tt.text, outside)
			if err := c.Check(); err != nil {
				t.Fatal(err)
			}
			got := c.Warnings()
			switch {
			case tt.want == "" && len(got) > 0, tt.want != "" && len(got) != 1:
				t.Fatalf("got %v, want %q", got, tt.want)
			case tt.want == "":
				return
			}
			if !strings.Contains(got[0].Error(), tt.want) || got[0].Code != "GH-2010" || !got[0].Warning {
				t.Errorf("got %s %v, want %q", got[0].Code, got[0], tt.want)
			}
			if weak := c.Weakened(); (len(weak) == 1) != tt.weakens {
				t.Errorf("weakened: got %q", weak)
			}
		})
	}
	up := &Config{Servers: []Upstream{{Name: "a", URL: "http://127.0.0.1:1/", Path: "/x"}}, Auth: Auth{APIKeys: &APIKeys{}}, Policy: Policy{Default: Allow}}
	up.Complete()
	if got := up.Warnings(); len(got) > 0 || up.Check() != nil {
		t.Errorf("of flags: got %v and %v, want nothing", got, up.Check())
	}
	if !up.Limits.PerKey.Zero() || !up.Limits.FailedAuth.PerAddress.Zero() || up.Server.TLS.HSTS != 0 {
		t.Error("flags get the limits of a file")
	}
}

func TestCheckJudgesWhatIsMadeByHand(t *testing.T) {
	sound := func() *Config {
		c := &Config{Servers: []Upstream{{Name: "a", URL: "http://127.0.0.1:1/"}}, Auth: Auth{APIKeys: &APIKeys{}}, Policy: Policy{Default: Allow}}
		c.Complete()
		return c
	}
	for want, edit := range map[string]func(c *Config){
		"policy.rules[0].tools is missing":  func(c *Config) { c.Policy.Rules = []Rule{{Effect: Deny}} },
		"policy.rules[0].effect \"\"":       func(c *Config) { c.Policy.Rules = []Rule{{Tools: []string{"x"}}} },
		"servers[0].name \"\"":              func(c *Config) { c.Servers[0].Name = "" },
		"servers[0].stdio.command is empty": func(c *Config) { c.Servers[0].URL, c.Servers[0].Stdio = "", &Stdio{} },
		"limits.failed_auth.ban is missing": func(c *Config) { c.Limits.FailedAuth.PerAddress.Count = 1 },
		"server.trusted_proxies[0]":         func(c *Config) { c.Server.TrustedProxies = make([]netip.Prefix, 1) },
		"auth lets nobody in":               func(c *Config) { c.Auth.APIKeys = nil },
		"limits.per_tool.a b":               func(c *Config) { c.Limits.PerTool = []ToolRate{{Tools: "a b"}} },
	} {
		c := sound()
		if err := c.Check(); err != nil {
			t.Fatal(err)
		}
		edit(c)
		if err := c.Check(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestANameThatPeopleAreShownCanBeRead(t *testing.T) {
	for name, want := range map[string]bool{
		"Acme Notes": true, "Café №1": true, "": false, "  ": false, "Acme\u202eetoN": false, "a\nb": false, strings.Repeat("a", 64): true, strings.Repeat("a", 65): false,
	} {
		if got := checkShownName(name) == nil; got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}

// The words may not import the nouns, so they say again what a pattern and a
// tenant's name are; here both are held together.
func FuzzWordsAreThoseOfTheNouns(f *testing.F) {
	for _, s := range []string{"get_*", "", "a b", "a,b", "ü", "a\u202eb", "acme", "-x", "A", strings.Repeat("a", 63), strings.Repeat("a", 129), "a\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := policy.Compile([]string{s}); (err == nil) != (CheckPattern(s) == nil) {
			t.Errorf("pattern %q: policy says %v, we %v", s, err, CheckPattern(s))
		}
		if err := tenant.Validate(s); (err == nil) != (checkTenant(s) == nil) {
			t.Errorf("tenant %q: it says %v, we %v", s, err, checkTenant(s))
		}
	})
}

// FuzzCovered: what one rule is said to cover, policy matches too.
func FuzzCovered(f *testing.F) {
	f.Add("get_*", "get_x*", "get_xyz")
	f.Add("*a*b", "xab", "xab")
	f.Fuzz(func(t *testing.T, whole, part, tool string) {
		w, err := policy.Compile([]string{whole})
		if err != nil {
			return
		}
		p, err := policy.Compile([]string{part})
		if err == nil && matches(whole, part) && p.Allows(tool) && !w.Allows(tool) {
			t.Errorf("%q is said to cover %q, but not %q", whole, part, tool)
		}
	})
}
