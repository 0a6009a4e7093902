package main

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/clients"
	"github.com/gatehouse-mcp/gatehouse/internal/clients/disk"
	"github.com/gatehouse-mcp/gatehouse/internal/clients/edit"
)

func (a *app) disconnect() *cobra.Command {
	q := &connecting{}
	c := &cobra.Command{
		Use:   "disconnect CLIENT… [URL]",
		Short: "Take a server out of the configuration of an MCP client",
		Long: "Take out what connect put in. If the file has not changed since, it is again as it was, byte for byte; if connect made it,\n" +
			"it goes. Without a URL and --name the server is the one that runs here. It ends with 4 when there is no such entry.",
		Example: "  gatehouse disconnect cursor\n  gatehouse disconnect claude-code https://mcp.example.com/mcp\n  gatehouse disconnect codex --name acme --dry-run",
		Args:    cobra.MinimumNArgs(1), DisableFlagsInUseLine: true, ValidArgsFunction: a.completePrograms,
		RunE: func(c *cobra.Command, args []string) error { return a.runDisconnect(c.Context(), q, args) },
	}
	f := c.Flags()
	f.BoolVar(&q.project, "project", false, "take it out of the file of the project in this directory")
	f.StringVar(&q.name, "name", "", "what the client calls the server (`NAME`)")
	f.StringVar(&q.server, "server", "", "which of the servers here, by its `NAME`")
	return c
}

func (a *app) runDisconnect(ctx context.Context, q *connecting, args []string) error {
	ids, url, err := clientsAndURL(args)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return usage("gatehouse disconnect needs a client. See: gatehouse connect --list")
	}
	all, err := a.chosen(q, ids)
	if err != nil {
		return err
	}
	if url == "" && q.name == "" {
		to, err := a.where(ctx, q, "")
		if err != nil {
			return err
		}
		url = to.url
	}
	failed := 0
	for _, c := range all {
		err := a.disconnectOne(ctx, q, c, url)
		if err != nil && (len(all) == 1 || ctx.Err() != nil) {
			return err
		}
		if err != nil {
			failed++
			a.report(ctx, err)
		}
	}
	if failed > 0 {
		return &fault{exit: exitPartial}
	}
	return nil
}

// fileOf is a client's file at a path.
func (a *app) fileOf(c *clients.Client, path string) disk.File {
	s := a.system()
	f := disk.File{Path: path, Home: s.Home, Mode: 0o600, Now: a.now}
	if path == c.File(s, true) {
		f.Home, f.Mode = s.Dir, 0o644
	}
	return f
}

// disconnected is the result for scripts.
type disconnected struct {
	Client   string   `json:"client"`
	File     string   `json:"file"`
	Entries  []string `json:"entries"`
	Restored bool     `json:"restored"` // the file is byte for byte as it was
	Backup   string   `json:"backup,omitempty"`
	DryRun   bool     `json:"dry_run,omitempty"`
}

// leaving takes the entries of one client out.
type leaving struct {
	client *clients.Client
	file   disk.File
	names  []string
	copy   string // the copy that the file was restored from
}

func (a *app) disconnectOne(ctx context.Context, q *connecting, c *clients.Client, url string) error {
	s := a.system()
	if !c.Writes() {
		return &fault{exitNotFound, "GH-2202", c.Name + " has no file that is written: take the server out there."}
	}
	path := c.File(s, q.project || c.File(s, false) == "")
	if path == "" {
		return usage("%s has no file for a project. Leave --project out", c.Name)
	}
	l := &leaving{client: c, file: a.fileOf(c, path)}
	text, err := l.file.Read()
	if err != nil {
		return fileFault(path, err)
	}
	if l.names, err = l.find(text, q.name, url); err != nil {
		return err
	}
	after, changes, err := l.without(text)
	if err != nil {
		return fileFault(path, err)
	}
	out := disconnected{Client: c.ID, File: path, Entries: l.names, Restored: l.copy != "" || after == nil, DryRun: a.dry}
	if !a.json && !a.quiet {
		a.print("File     %s\n", a.tilde(path))
		a.showHunks(hunksOf(text, changes))
	}
	if a.dry {
		return a.tellGone(c, &out)
	}
	if !a.yes && terminal(a.in) {
		if ok, err := a.agree(ctx, "Take it out?"); err != nil || !ok {
			return err
		}
	} else if !a.yes {
		a.say("Nothing was changed. Say --yes to have it taken out.\n")
		return nil
	}
	done, err := l.file.Change(!out.Restored, func(now []byte) ([]byte, error) {
		after, _, err := l.without(now)
		return after, err
	})
	if err != nil {
		return fileFault(path, err)
	}
	if out.Backup = done.Backup; out.Restored {
		l.tidy()
	}
	return a.tellGone(c, &out)
}

// tidy removes the copies that connect made since the file was as it is again.
func (l *leaving) tidy() {
	copies, _ := l.file.Backups()
	now, err := l.file.Read()
	if err != nil {
		return
	}
	for _, name := range copies {
		old, err := os.ReadFile(name)
		if err != nil {
			return
		}
		if bytes.Equal(old, now) && now != nil {
			_ = os.Remove(name)
			return
		}
		if made, _ := l.remade(now, old); !made {
			return
		}
		_ = os.Remove(name)
	}
}

func (a *app) tellGone(c *clients.Client, out *disconnected) error {
	if a.json {
		return a.object(out)
	}
	how := ""
	if out.Restored {
		how = "; its file is as it was before"
	}
	if a.dry {
		a.done("%s would be taken out of %s%s", strings.Join(out.Entries, ", "), c.Name, how)
		return nil
	}
	a.print("%s %s taken out of %s%s\n", a.mark(a.out, "✓"), strings.Join(out.Entries, ", "), c.Name, how)
	if out.Backup != "" {
		a.print("  Before  %s\n", a.tilde(out.Backup))
	}
	return nil
}

// find returns the entries that are meant.
func (l *leaving) find(text []byte, name, url string) ([]string, error) {
	to, all, err := l.client.Entries(text, url)
	if err != nil {
		return nil, fileFault(l.file.Path, err)
	}
	if name != "" {
		to = nil
		if slices.Contains(all, name) {
			to = []string{name}
		}
	}
	if len(to) == 0 {
		what := orElse(name, url)
		return nil, &fault{exitNotFound, "GH-2202", l.client.Name + " has no entry for " + what + " in " + l.file.Path + "."}
	}
	return to, nil
}

// without returns the text without the entries. If connect made it of a copy that
// is still there, it is that copy; nil: connect made the file.
func (l *leaving) without(text []byte) ([]byte, []edit.Splice, error) {
	after, changes, err := l.take(text)
	if err != nil {
		return nil, nil, err
	}
	l.copy = ""
	copies, err := l.file.Backups()
	if err != nil {
		return nil, nil, err
	}
	for _, name := range copies {
		old, err := os.ReadFile(name)
		if err != nil {
			return nil, nil, err
		}
		if made, ok := l.remade(old, text); ok && made {
			l.copy = name
			return old, changes, nil
		}
	}
	if made, ok := l.remade(nil, text); ok && made {
		return nil, changes, nil
	}
	return after, changes, nil
}

func (l *leaving) take(text []byte) ([]byte, []edit.Splice, error) {
	var all []edit.Splice
	for _, name := range l.names {
		after, changes, err := l.client.Take(text, name)
		if err != nil {
			return nil, nil, err
		}
		text, all = after, append(all, changes...)
	}
	return text, all, nil
}

// remade says whether connect would make the text of an older one. The entry is
// taken from the text itself, so it does not matter how it got in.
func (l *leaving) remade(old, text []byte) (made, ok bool) {
	if len(l.names) != 1 {
		return false, false
	}
	server, ok := l.client.Server(text, l.names[0])
	if !ok {
		return false, false
	}
	if old != nil {
		if to, _, err := l.client.Entries(old, server.URL); err != nil || len(to) > 0 {
			return false, false
		}
	}
	now, _, err := l.client.Put(old, server)
	return err == nil && bytes.Equal(now, text), err == nil
}
