package main

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/clients"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
)

// ready is the one line of --json.
type ready struct {
	URL   string  `json:"url"`
	Key   *string `json:"key"` // null: made in an earlier run
	KeyID string  `json:"key_id"`
	State string  `json:"state"`
	PID   int     `json:"pid"`
}

// announce says that the server is ready, where, and what to do next.
func (u *upRun) announce() error {
	if u.json {
		line := ready{URL: u.running.URL, KeyID: u.key.ID, State: u.running.State.Dir, PID: os.Getpid()}
		if u.key.Key != "" {
			line.Key = &u.key.Key
		}
		u.weak()
		return u.object(line)
	}
	if u.quiet {
		u.print("%s\n", u.running.URL)
		if u.key.Key != "" {
			u.print("%s\n", u.key.Key)
		}
		return nil
	}
	name := u.config.Servers[0].Name
	width := max(len(name), len("protected"))
	u.print("%s %-*s  %s\n", u.mark(u.out, "✓"), width, name, u.summary())
	u.print("%s %-*s  %s      no key → 401, checked\n\n", u.mark(u.out, "✓"), width, "protected", u.running.URL)
	u.printKey()
	u.printNext()
	u.weak()
	return nil
}

// summary says what is behind the gateway.
func (u *upRun) summary() string {
	s := u.config.Servers[0]
	text := "reached at " + s.URL
	if s.Stdio != nil {
		text = fmt.Sprintf("started (%s, pid %d)", filepath.Base(s.Stdio.Command[0]), u.found.PID)
	}
	tools := fmt.Sprintf("%d tools", u.found.Tools)
	if u.found.Tools == 1 {
		tools = "1 tool"
	}
	return fmt.Sprintf("%s, %s, MCP %s", text, tools, revisions(u.found.Versions))
}

// revisions names the newest; who speaks the older ones can look them up.
func revisions(newestFirst []string) string {
	switch len(newestFirst) {
	case 0:
		return "of an unknown revision"
	case 1:
		return newestFirst[0]
	}
	return newestFirst[0] + " and older"
}

func (u *upRun) printKey() {
	if u.key.Key == "" {
		u.print("  API key     id %s, name %q; it was shown when it was made\n", u.key.ID, u.key.Name)
		u.print("              another: gatehouse key create%s --name laptop\n", u.place())
		return
	}
	u.print("  API key     %s\n", u.key.Key)
	u.print("              shown once · name %q · %s tools · expires %s\n", u.key.Name, tools(u.key.Tools), u.until(u.key.Expires))
}

func (u *upRun) printNext() {
	which := "your key"
	if u.key.Key != "" {
		which = "the key above"
	}
	u.print("\n  Next        export %s=<%s>\n", clients.Variable(u.config.Servers[0].Name), which)
	u.print("              gatehouse connect claude-code%s      or cursor, vscode, codex … (gatehouse connect --list)\n", u.place())
	u.print("              gatehouse key list%s      who uses which key\n", u.place())
	u.print("              gatehouse why%s REQUEST_ID      why a call was refused\n", u.place())
	u.print("  Stop        Ctrl+C      state stays in %s  (remove: gatehouse up --forget%s)\n", u.running.State.Dir, u.place())
	if u.config.Server.PublicURL == "" {
		u.print("  Share       only this machine can reach it; behind a proxy with TLS: --public-url https://…\n")
	}
}

// place repeats how the installation was chosen, for commands to be copied.
func (a *app) place() string {
	where := ""
	if a.file != "" { // it has the names of issuers and servers, wherever the state is
		where = " -c " + quoted(a.file)
	}
	if a.state != "" {
		where += " --state " + quoted(a.state)
	}
	return where
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// quoted makes a word safe to paste into a shell.
func quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// weak names everything that makes this weaker than it could be.
func (u *upRun) weak() {
	c, s := u.config, u.config.Servers[0]
	if host, _, err := net.SplitHostPort(u.running.Address); err == nil && !config.Loopback(host) {
		u.warn("Listening on %s: whoever reaches that address without the proxy sends keys in the clear.", u.running.Address)
	}
	if c.Server.PublicURL != "" {
		u.warn("Reachable from outside as %s: TLS must end in the proxy in front.", c.Server.PublicURL)
	}
	for _, o := range c.Server.AllowOrigins {
		u.warn("Pages of %s may call from browsers.", o)
	}
	builtIn := s.Stdio != nil && slices.Contains(s.Stdio.Command, demoCommand)
	if s.Stdio != nil && s.Stdio.User == "" && os.Getuid() == 0 && !builtIn {
		u.warn("The server runs as root and can read every key's record. Give it an account of its own: --user nobody")
	}
	if s.URL != "" {
		if target, err := url.Parse(s.URL); err == nil && target.Scheme == "http" && !config.Loopback(target.Hostname()) {
			u.warn("Calls travel to %s without TLS.", target.Host)
		}
	}
}

// rehearse says what up would do.
func (a *app) rehearse(c *config.Config, state server.State) error {
	s := c.Servers[0]
	target := s.URL
	if s.Stdio != nil {
		target = strings.Join(s.Stdio.Command, " ")
	}
	listen := orElse(c.Server.Listen, config.DefaultListen)
	if a.json {
		return a.object(map[string]any{"name": s.Name, "server": target, "listen": listen, "state": state.Dir, "dry_run": true})
	}
	a.done("%s (%s) would be protected on %s, with the state in %s", s.Name, target, listen, state.Dir)
	return nil
}

// runners are programs whose first argument says more than they do.
var runners = map[string]bool{
	"npx": true, "uvx": true, "bunx": true, "node": true, "python": true, "python3": true, "uv": true, "deno": true, "go": true,
}

var noName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// commandName calls a command by its program, or by what a runner runs:
// "npx -y @scope/server-files@1.2 ./docs" is "server-files".
func commandName(command []string) string {
	word := command[0]
	if base := filepath.Base(word); runners[strings.TrimSuffix(base, ".exe")] {
		for _, w := range command[1:] {
			if w == "-c" || w == "-e" { // what follows is a program, not a name
				break
			}
			if !strings.HasPrefix(w, "-") && w != "run" {
				word = w
				break
			}
		}
	}
	word = filepath.Base(word)
	if i := strings.LastIndexByte(word, '@'); i > 0 {
		word = word[:i]
	}
	return named(strings.TrimSuffix(word, filepath.Ext(word)))
}

// hostName calls a server by its host.
func hostName(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "server"
	}
	return named(u.Hostname())
}

func named(text string) string {
	text = strings.Trim(noName.ReplaceAllString(text, "-"), "-._")
	return orElse(text[:min(len(text), 64)], "server")
}
