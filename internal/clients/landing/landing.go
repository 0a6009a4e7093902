// Package landing makes the page that a person sees who opens the URL of an MCP
// server in a browser: how each client is connected to it. It is made of the
// configuration alone, and has nothing in it that whoever has the URL may not know.
package landing

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/internal/clients"
)

// Page is what a page is made of.
type Page struct {
	URL   string // of the server, as clients are given it
	OAuth bool   // people sign in
	Keys  bool   // API keys are accepted
	Name  string // of the server, as connect calls it; strangers are not told it
}

//go:embed page.html
var text string

// page is read when it is asked for: most commands never show it.
var page = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(text)) })

// HTML returns the page.
func (p Page) HTML() ([]byte, error) {
	u, err := url.Parse(p.URL)
	if err != nil {
		return nil, fmt.Errorf("the URL of the server: %w", err)
	}
	if p.Name == "" || !clients.OnlyHere(u.Hostname()) {
		p.Name = clients.NameOf(p.URL)
	}
	p.Name = clients.EntryName(p.Name)
	v := view{Page: p, Var: clients.Variable(p.Name), Host: u.Host}
	for _, c := range ordered() {
		if c.Cloud && (clients.OnlyHere(u.Hostname()) || !p.OAuth) {
			continue // it cannot come here
		}
		e, err := p.entry(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		if e != nil {
			v.Clients = append(v.Clients, *e)
		}
	}
	var b bytes.Buffer
	if err := page().Execute(&b, v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// first are the clients that most people have.
var first = []string{"claude-ai", "claude-code", "claude-desktop", "chatgpt", "cursor", "vscode", "codex", "copilot-cli", "gemini", "windsurf", "zed"}

// ordered has those first, and then the others as they come.
func ordered() []*clients.Client {
	all := clients.All()
	slices.SortStableFunc(all, func(a, b *clients.Client) int { return rank(a) - rank(b) })
	return all
}

func rank(c *clients.Client) int {
	if i := slices.Index(first, c.ID); i >= 0 {
		return i
	}
	return len(first)
}

// view is what the template is given.
type view struct {
	Page
	Var, Host string
	Clients   []entry
}

// entry is one client on the page.
type entry struct {
	ID, Name, How string
	Link          template.URL // adds the server in the client
	Command       string       // of the client's own, for a shell
	Places        []place      // of its file
	Snippet       string
	Steps         []string // what to do by hand, or afterwards
	Bridge, Key   bool     // the snippet starts our bridge; it wants a key that the person has
}

// place is where the file is on a system.
type place struct{ System, Path string }

// entry says how a client is connected; nil: it cannot get in.
func (p Page) entry(c *clients.Client) (*entry, error) {
	v := clients.Server{Name: p.Name, URL: p.URL, Var: clients.Variable(p.Name)}
	var offered []clients.Way
	if p.OAuth {
		offered = append(offered, clients.ByOAuth)
	}
	if p.Keys {
		offered = append(offered, clients.ByKey)
	}
	i := slices.IndexFunc(offered, c.Can)
	e := &entry{ID: c.ID, Name: c.Name}
	switch {
	case i >= 0:
		v.Way = offered[i]
		e.Key = v.Way == clients.ByKey
	case c.Can(clients.ByBridge):
		from := ""
		if e.Bridge = true; !p.OAuth {
			from, e.Key = "keychain:"+p.Name, true
		}
		v.Way, v.Line = clients.ByBridge, clients.Bridge("gatehouse", p.URL, from)
	default:
		return nil, nil //nolint:nilnil // it is left out
	}
	e.How = how(c, e)
	if !c.Writes() {
		e.Steps = v.Texts(c.Steps)
		return e, nil
	}
	var err error
	if e.Snippet, err = c.Snippet(v); err != nil {
		return nil, err
	}
	e.Link = template.URL(c.DeepLink(v)) //nolint:gosec // made by us, with a scheme of the client's
	e.Command, e.Places = shell(c.Command(v)), places(c)
	e.Steps = v.Texts(c.After)
	if v.Way == clients.ByOAuth && c.SignIn != "" {
		e.Steps = append(e.Steps, v.Texts([]string{c.SignIn})...)
	}
	return e, nil
}

func how(c *clients.Client, e *entry) string {
	switch {
	case e.Bridge && e.Key:
		return "key, through the bridge"
	case e.Bridge:
		return "signs in, through the bridge"
	case e.Key && c.Prompt:
		return "asks for the key"
	case e.Key:
		return "key"
	}
	return "signs in"
}

// places says where the client's file is, once if that is the same everywhere.
func places(c *clients.Client) []place {
	of := c.User
	if of.Linux == nil {
		of = c.Project
	}
	at := func(paths []string) string {
		for _, p := range paths {
			if strings.HasPrefix(p, "$") && !strings.HasPrefix(p, "$CONFIG/") && !strings.HasPrefix(p, "$SUPPORT/") && !strings.HasPrefix(p, "$APPDATA/") {
				continue // somebody's own place
			}
			return strings.NewReplacer("$CONFIG/", "~/.config/", "$SUPPORT/", "~/Library/Application Support/", "$APPDATA/", "%APPDATA%/").Replace(p)
		}
		return ""
	}
	linux, mac, windows := at(of.Linux), at(of.Mac), at(of.Windows)
	if linux == mac && mac == windows {
		return []place{{"", linux}}
	}
	return []place{{"macOS", mac}, {"Windows", windows}, {"Linux", linux}}
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=@%+,-]+$`)

// shell writes a command as one types it; "": there is none.
func shell(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		if out[i] = w; !plainWord.MatchString(w) {
			out[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}
