package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/clients"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// awaitClients waits for the first request of each client that was written to;
// if it was said how long, also of those to which nothing had to be.
func (a *app) awaitClients(ctx context.Context, q *connecting, to *target, done []*plan, said bool) error {
	var waited []*plan
	for _, p := range done {
		if p.result.State == "written" || said && p.result.State == "unchanged" {
			waited = append(waited, p)
		}
	}
	if len(waited) == 0 || q.noWait || q.wait == 0 || !said && !terminal(a.out) {
		return nil
	}
	path, err := a.trailPath()
	if err != nil || to.server == "" {
		a.say("The server is not one of this machine: whether the client gets in is for its own log to tell.\n")
		return nil
	}
	r, err := audit.Search(ctx, path, audit.Query{Limit: 1}, func(audit.Match) error { return nil })
	if errors.Is(err, audit.ErrNoTrail) {
		a.say("There is no audit trail here, so nobody can tell when the client comes.\n")
		return nil
	}
	if err != nil {
		return err
	}
	a.say("Waiting for the first request, at most %s (Ctrl+C to skip) …\n", q.wait)
	limited, stop := context.WithTimeout(ctx, q.wait)
	defer stop()
	w := waiting{app: a, to: to, left: waited, told: map[string]bool{}}
	err = audit.Follow(limited, path, r.End, audit.Query{Server: to.server, Oldest: true}, func(m audit.Match) error { return w.look(ctx, m.Event) })
	if errors.Is(err, errSeen) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		err = nil
	}
	for _, p := range w.left {
		a.warn("no request of %s yet. See: gatehouse audit tail -f%s", p.client.Name, a.place())
	}
	return err
}

var errSeen = errors.New("all have come")

// waiting is who has not come yet.
type waiting struct {
	*app
	to   *target
	left []*plan
	told map[string]bool // refusals that were spoken of
}

// look judges one event of the trail.
func (w *waiting) look(ctx context.Context, e *audit.Event) error {
	if e.Kind == config.AuditAuthFailed || e.Kind == config.AuditDenied {
		// A client begins with nothing, to learn how it gets in, and looks for metadata.
		if !w.told[e.Code] && e.Code != "GH-1001" && e.Code != "GH-1305" {
			w.told[e.Code] = true
			w.warn("a request was refused: %s %s", e.Code, audit.Plain(e.Reason, 200))
		}
		return nil
	}
	if e.Outcome != audit.OK || e.Client == "" && e.Method == "" {
		return nil
	}
	i := slices.IndexFunc(w.left, func(p *plan) bool { return p.client.Is(e.Client) })
	if i < 0 {
		return nil
	}
	w.came(ctx, w.left[i].client, e)
	w.left = slices.Delete(w.left, i, i+1)
	if len(w.left) == 0 {
		return errSeen
	}
	return nil
}

// came says who came, as whom, and what they find.
func (w *waiting) came(ctx context.Context, c *clients.Client, e *audit.Event) {
	as := ""
	switch {
	case e.KeyName != "":
		as = " with key " + strconv.Quote(e.KeyName)
	case e.Subject != "":
		as = " as " + audit.Plain(e.Subject, 80)
	}
	if n := w.tools(ctx); n > 0 {
		as += fmt.Sprintf(": %d tools", n)
	}
	if w.json {
		_ = w.object(map[string]any{"client": c.ID, "connected": true, "name": e.Client, "key": e.KeyName, "subject": e.Subject})
		return
	}
	w.print("%s %s connected%s\n", w.mark(w.out, "✓"), c.Name, as)
}

// tools counts what the server was last seen to have; 0: not known.
func (w *waiting) tools(ctx context.Context) int {
	state, err := w.stateDir()
	if err != nil {
		return 0
	}
	to, err := adminapi.Dial(ctx, state.Dir)
	if err != nil {
		return 0
	}
	list, err := (&adminapi.Client{Transport: to}).Tools(ctx, w.to.server)
	if err != nil {
		return 0
	}
	return len(list)
}

// clientRow is one client of connect --list.
type clientRow struct {
	Client string   `json:"client"`
	Name   string   `json:"name"`
	Found  bool     `json:"found"`
	File   string   `json:"file,omitempty"`
	State  string   `json:"state"` // connected, not connected, unreadable or manual
	As     []string `json:"as,omitempty"`
	Detail string   `json:"detail,omitempty"`
}

// listClients shows which clients are here, and which are connected.
func (a *app) listClients(ctx context.Context, q *connecting, at string) error {
	var to *target
	if t, err := a.where(ctx, q, at); err == nil {
		to = t
	} else if at != "" {
		return err
	}
	rows := [][]string{{"CLIENT", "FOUND", "FILE", "STATE"}}
	all := []clientRow{}
	s := a.system()
	for _, c := range clients.All() {
		one := clientRow{Client: c.ID, Name: c.Name, Found: c.Installed(s, a.program), State: "manual"}
		if c.Writes() {
			one.File = c.File(s, q.project || c.File(s, false) == "")
		}
		if one.File != "" {
			one.look(c, to, a)
		}
		all = append(all, one)
		found := "–"
		if one.Found {
			found = "yes"
		}
		rows = append(rows, []string{c.ID, found, orElse(a.orTilde(one.File), "–"), strings.TrimSpace(one.State + " " + one.Detail)})
	}
	if a.json {
		return a.object(all)
	}
	if err := a.table(rows); err != nil {
		return err
	}
	next := "gatehouse connect CLIENT"
	if to == nil {
		next += " URL"
	}
	a.say("\nNext  %s   (or --print, to see what it would write)\n", next)
	return nil
}

func (a *app) orTilde(path string) string {
	if path == "" {
		return ""
	}
	return a.tilde(path)
}

// look says what is in the file of a client.
func (l *clientRow) look(c *clients.Client, to *target, a *app) {
	f := a.fileOf(c, l.File)
	text, err := f.Read()
	url := ""
	if to != nil {
		url = to.url
	}
	var all []string
	if err == nil && text != nil {
		l.As, all, err = c.Entries(text, url)
	}
	switch {
	case err != nil:
		l.State, l.Detail = "unreadable", "("+audit.Plain(err.Error(), 80)+")"
	case len(l.As) > 0:
		l.State, l.Detail = "connected", "as "+strings.Join(l.As, ", ")
	default:
		l.State = "not connected"
		switch len(all) {
		case 0:
		case 1:
			l.Detail = "(1 other server)"
		default:
			l.Detail = fmt.Sprintf("(%d other servers)", len(all))
		}
	}
}
