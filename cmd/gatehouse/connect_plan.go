package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/clients"
	"github.com/gatehouse-mcp/gatehouse/internal/clients/disk"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// plan is what is to be done for one client.
type plan struct {
	client   *clients.Client
	server   clients.Server
	file     disk.File // no path: there is none that we write
	project  bool
	ours     bool     // the server is one of this machine's installation
	command  []string // the client's own, to be run instead of editing
	warnings []string
	next     []string
	result   connection
}

// connection is the result for scripts.
type connection struct {
	Client   string   `json:"client"`
	Server   string   `json:"server"` // the name of the entry
	URL      string   `json:"url"`
	Way      string   `json:"way"`              // open, oauth, key or bridge
	State    string   `json:"state"`            // written, unchanged, planned or manual
	File     string   `json:"file,omitempty"`   // absent: the client has none that is written
	Backup   string   `json:"backup,omitempty"` // of the file as it was
	Command  []string `json:"command,omitempty"`
	Snippet  string   `json:"snippet,omitempty"` // a file with nothing but the entry
	Link     string   `json:"link,omitempty"`
	Variable string   `json:"variable,omitempty"` // that the key has to be in
	Warnings []string `json:"warnings,omitempty"`
	Next     []string `json:"next,omitempty"` // what to do in the client
}

// plan decides how a client gets in.
func (a *app) plan(q *connecting, c *clients.Client, to *target) (*plan, error) {
	s := a.system()
	p := &plan{client: c, ours: to.server != "", server: clients.Server{Name: to.name, URL: to.url}}
	p.project = q.project || c.Writes() && c.File(s, false) == "" // which the line of a bridge depends on
	if err := p.choose(q, to); err != nil {
		return nil, err
	}
	if err := p.byProxy(a); err != nil {
		return nil, err
	}
	if c.Writes() {
		path := c.File(s, p.project)
		if path == "" {
			return nil, usage("%s has no file for a project. Leave --project out", c.Name)
		}
		p.file = disk.File{Path: path, Home: s.Home, Mode: 0o600, Now: a.now}
		if p.project {
			p.file.Home, p.file.Mode = s.Dir, 0o644
		}
		if words := c.Command(p.server); !p.project && !q.file && len(words) > 0 && a.program(words[0]) {
			p.command = words
		}
	} else if q.project {
		return nil, usage("%s has no file for a project. Leave --project out", c.Name)
	}
	p.warn(to, a)
	p.next = p.server.Texts(c.After)
	if p.server.Way == clients.ByOAuth && c.SignIn != "" {
		p.next = append(p.next, p.server.Texts([]string{c.SignIn})...)
	}
	p.result = connection{
		Client: c.ID, Server: to.name, URL: to.url, Way: string(p.server.Way), State: "planned", File: p.file.Path,
		Command: p.command, Link: c.DeepLink(p.server), Variable: p.server.Var, Warnings: p.warnings, Next: p.next,
	}
	if !c.Writes() {
		p.result.State, p.result.Next = "manual", p.server.Texts(c.Steps)
		return p, nil
	}
	var err error
	p.result.Snippet, err = c.Snippet(p.server)
	return p, err
}

// choose picks the way in: what the server takes and the client can. The bridge
// does for a client what it cannot do itself.
func (p *plan) choose(q *connecting, to *target) error {
	c, keyFrom := p.client, q.keyFrom
	want := to.enter.Way
	if keyFrom != "" {
		want = clients.ByKey
	}
	u, err := url.Parse(to.url)
	if err != nil {
		return usage("the URL is not a URL")
	}
	if c.Cloud && clients.OnlyHere(u.Hostname()) {
		return &fault{exitFailure, "GH-2206", fmt.Sprintf("%s connects from its maker's servers, and %s is reached from here only. Give the server a public address: gatehouse init --preset remote", c.Name, u.Host)}
	}
	kind, variable, _ := strings.Cut(keyFrom, ":")
	byBridge := q.via == viaBridge || want == clients.ByKey && keyFrom != "" && kind != "env" || !c.Can(want)
	switch {
	case !byBridge:
		p.server.Way = want
		if want == clients.ByKey && len(c.Key) > 0 {
			p.server.Var = orElse(variable, clients.Variable(to.name))
		}
		return nil
	case c.Can(clients.ByBridge):
		p.server.Way = clients.ByBridge
		if want == clients.ByKey && keyFrom == "" {
			keyFrom = "keychain:" + to.name
		}
		p.server.Line = clients.Bridge(p.self(), to.url, keyFrom)
		return nil
	case q.via == viaBridge || c.Can(want):
		return &fault{exitFailure, "GH-2205", c.Name + " cannot start a program, so there is no bridge for it. Leave --via and --key-from out."}
	case want == clients.ByKey:
		return &fault{exitFailure, "GH-2205", c.Name + " can only use OAuth; this server accepts API keys only. Turn on auth.embedded, or name an identity provider in auth.issuers: docs/how-to/authorization-server.md."}
	}
	return &fault{exitFailure, "GH-2205", c.Name + " cannot sign in by OAuth, which is what this server offers. If it accepts API keys too, say --key-from env:NAME."}
}

// warn says what will surprise people.
func (p *plan) warn(to *target, a *app) {
	say := func(format string, args ...any) { p.warnings = append(p.warnings, fmt.Sprintf(format, args...)) }
	c, v := p.client, p.server
	if u, err := url.Parse(v.URL); err == nil && u.Scheme == "http" && !config.Loopback(u.Hostname()) {
		say("%s is plain HTTP: everybody on the way can read the credential, and most clients refuse it.", v.URL)
	}
	if v.Way == clients.Open {
		say("The server lets everybody in.")
	}
	if v.Way == clients.ByKey && !c.Prompt && v.Var != "" {
		if c.Desktop {
			say("%s started from a menu or dock does not see your shell's variables. Safer: gatehouse connect %s --via bridge   (the key in the keychain, no variable)", c.Name, c.ID)
		}
		if c.Unset != "" && a.getenv(v.Var) == "" {
			say("%s is not set here. Where it is not, %s %s.", v.Var, c.Name, c.Unset)
		}
	}
	if p.project && v.Way == clients.ByBridge {
		say("The file starts gatehouse by its name: everybody who uses the project needs it in PATH, and the key in a keychain of their own.")
	}
	for _, n := range to.enter.Notes {
		say("%s", audit.Plain(n, 600)) // the server's words are in it
	}
	if v.Way == clients.ByOAuth && to.enter.Register != nil && !slices.ContainsFunc(c.Register, func(r string) bool { return slices.Contains(to.enter.Register, r) }) {
		say("The authorization server offers none of the ways in which %s becomes a client of it (%s). Register one by hand: gatehouse client create", c.Name, strings.Join(c.Register, ", "))
	}
}

// tilde writes a path as people do.
func (a *app) tilde(path string) string {
	if home := a.system().Home; home != "" && strings.HasPrefix(path, home+string(os.PathSeparator)) {
		return "~" + path[len(home):]
	}
	if dir, err := os.Getwd(); err == nil && strings.HasPrefix(path, dir+string(os.PathSeparator)) {
		return "." + path[len(dir):]
	}
	return filepath.Clean(path)
}
