package main

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// How people reach a server.
const (
	wayLocal = "local"
	wayACME  = "acme"
	wayProxy = "proxy"

	examplePublic = "https://mcp.example.com"
)

// answers are what a file is written from.
type answers struct {
	name      string
	url       string
	command   []string
	way       string
	publicURL string
	email     string
	proxies   []string // none: the proxy is on this machine
	readOnly  bool     // only tools that read
	limit     string
	state     string // directory
	out       string // the file
}

// begin has the answers of a preset, and what flags say instead.
func (a *app) begin(f *initFlags, p *preset) (*answers, error) {
	w := &answers{way: p.way, limit: "600/min", state: "gatehouse-state", out: f.out, publicURL: f.publicURL, email: f.email}
	if w.way == wayLocal {
		w.command = []string{"npx", "-y", "@modelcontextprotocol/server-everything"}
		w.name = commandName(w.command)
	} else {
		w.url, w.name = "http://127.0.0.1:3000/mcp", "server"
		w.publicURL = orElse(w.publicURL, examplePublic)
		w.email = orElse(w.email, "ops@"+hostName(w.publicURL))
	}
	if w.way == wayLocal && f.publicURL != "" {
		return nil, usage("--public-url needs a preset that others reach: --preset remote or proxy")
	}
	if err := config.CheckPublicURL(w.publicURL); err != nil {
		return nil, usage("--public-url %v", err)
	}
	if len(f.proxies) > 0 {
		if w.way != wayProxy {
			return nil, usage("--trusted-proxy is for --preset proxy")
		}
		if err := w.takeProxies(strings.Join(f.proxies, ",")); err != nil {
			return nil, usage("--trusted-proxy %v", err)
		}
	}
	if len(f.target) == 0 {
		return w, nil
	}
	u, err := a.upstream(&upFlags{target: f.target, dashed: f.dashed})
	if err != nil {
		return nil, err
	}
	w.name, w.url, w.command = serverName(u.Name), u.URL, nil
	if u.Stdio != nil {
		w.command = u.Stdio.Command
	}
	return w, nil
}

// serverName is a name that tells people something: an address does not.
func serverName(name string) string {
	if _, err := netip.ParseAddr(name); err == nil || name == "localhost" {
		return "server"
	}
	return name
}

func (w *answers) takeProxies(text string) error {
	if w.proxies = nil; text == "local" {
		return nil
	}
	for _, one := range strings.Split(text, ",") {
		p, err := config.Network(strings.TrimSpace(one))
		if err != nil {
			return err
		}
		w.proxies = append(w.proxies, p.String())
	}
	return nil
}

// commandLine is the command as one types it.
func (w *answers) commandLine() string {
	words := make([]string, len(w.command))
	for i, word := range w.command {
		words[i] = quoted(word)
	}
	return strings.Join(words, " ")
}

// file writes the configuration.
func (w *answers) file() string {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	line("# yaml-language-server: $schema=%s", config.SchemaID)
	line("# Every setting: docs/reference/config.md, or gatehouse config expand. Check it: gatehouse config validate")
	line("version: 1\n")
	w.server(line)
	line("\nservers:\n  - name: %-28s # for logs and rules", scalar(w.name))
	if w.url != "" {
		line("    url: %s", scalar(w.url))
		line("    # forward: {identity: jwt}         # tell the server who calls, in a signed header")
	} else {
		words := make([]string, len(w.command))
		for i, word := range w.command {
			words[i] = scalar(word)
		}
		line("    stdio:\n      command: [%s]", strings.Join(words, ", "))
		line("      # secrets: {API_TOKEN: \"${API_TOKEN}\"}   # it inherits nothing but PATH, HOME, LANG and TZ")
	}
	line("\nauth:\n  api_keys: {}                       # make one: gatehouse key create -c %s --name laptop", quoted(w.out))
	if w.readOnly {
		line("\npolicy:\n  default: deny                      # what no rule allows\n  rules:")
		line(`    - {name: reading, tools: ["get_*", "list_*", "read_*", "search_*"], effect: allow}`)
	} else {
		line("\npolicy:\n  default: allow                     # a key may call the tools that it was made for: key create … --tools 'get_*'")
		line(`  # rules: [{name: danger, tools: ["delete_*"], effect: deny}]`)
	}
	line("\nlimits:\n  per_key: %s                   # or off", w.limit)
	line("  failed_auth: {per_ip: 20/min, ban: 10m}")
	line("\nstore: {sqlite: %s}\naudit: {file: %s}", scalar(w.state+"/gatehouse.db"), scalar(w.state+"/"+config.AuditFile))
	if w.way != wayLocal {
		line("admin: {listen: 9090}                # /-/live, /-/ready and /-/metrics, on 127.0.0.1")
	}
	return b.String()
}

// server writes what listens.
func (w *answers) server(line func(string, ...any)) {
	line("server:")
	switch w.way {
	case wayACME:
		line("  listen: 0.0.0.0:%s", portOf(w.publicURL))
		line("  public_url: %s", scalar(w.publicURL))
		line("  tls:\n    acme: {email: %s, accept_tos: true}   # certificates of Let's Encrypt, whose terms you agree to", scalar(w.email))
		line("  plain_listen: 0.0.0.0:80           # answers the certificate authority, and refuses everybody else")
	case wayProxy:
		if len(w.proxies) == 0 {
			line("  listen: 127.0.0.1:8080             # only the proxy on this machine reaches it")
		} else {
			line("  listen: 0.0.0.0:8080")
		}
		line("  public_url: %s", scalar(w.publicURL))
		line("  tls: {terminated_by_proxy: true}")
		trusted := w.proxies
		if len(trusted) == 0 {
			trusted = []string{"127.0.0.1", "::1"}
		}
		for i := range trusted {
			trusted[i] = scalar(trusted[i])
		}
		line("  trusted_proxies: [%s]   # whose X-Forwarded-For is believed", strings.Join(trusted, ", "))
	default:
		line("  listen: %s             # this machine only; beyond it needs tls", config.DefaultListen)
	}
}

func portOf(public string) string {
	if u, err := url.Parse(public); err == nil && u.Port() != "" {
		return u.Port()
	}
	return "443"
}

// scalar writes a text so that it is read back as it is, inside brackets too. A
// dollar before a brace would be a reference.
func scalar(text string) string {
	text = strings.ReplaceAll(text, "$", "$$")
	if plainScalar(text) {
		return text
	}
	return strconv.Quote(text)
}

func plainScalar(text string) bool {
	for i, c := range text {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '/' || c == '.' || c == '_'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789-:+=~", c)) {
			return false
		}
	}
	switch strings.ToLower(text) {
	case "", "true", "false", "yes", "no", "on", "off", "null", "y", "n", ".inf", ".nan":
		return false
	}
	return !strings.HasSuffix(text, ":") && !strings.HasPrefix(text, "---")
}
