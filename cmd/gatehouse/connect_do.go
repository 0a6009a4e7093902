package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/gatehouse-mcp/gatehouse/internal/clients"
	"github.com/gatehouse-mcp/gatehouse/internal/clients/disk"
	"github.com/gatehouse-mcp/gatehouse/internal/clients/edit"
	"github.com/gatehouse-mcp/gatehouse/internal/process"
)

// connectOne connects one client, or shows how.
func (a *app) connectOne(ctx context.Context, q *connecting, c *clients.Client, to *target) (*plan, error) {
	p, err := a.plan(q, c, to)
	if err != nil {
		return nil, err
	}
	if !c.Writes() || q.show {
		return p, a.showPlan(p, nil)
	}
	text, err := p.file.Read()
	if err == nil {
		err = p.file.Writable() // of the client's own command nobody knows whether it asks
	}
	if err != nil {
		return nil, fileFault(p.file.Path, err)
	}
	if err := p.free(q, text); err != nil {
		return nil, err
	}
	after, changes, err := c.Put(text, p.server)
	if err != nil {
		return nil, fileFault(p.file.Path, err)
	}
	if len(changes) == 0 {
		p.result.State, p.command = "unchanged", nil
		p.result.Command = nil
		return p, a.showPlan(p, nil)
	}
	if _, known := c.URLOf(text, p.server.Name); known {
		p.command, p.result.Command = nil, nil // what is there is changed, not added
	}
	hunks := hunksOf(text, changes)
	if a.dry {
		return p, a.showPlan(p, hunks)
	}
	ok, err := a.agreed(ctx, p, hunks)
	if err != nil || !ok {
		return p, err
	}
	if err := a.apply(p, text, after); err != nil {
		return nil, err
	}
	return p, a.showDone(p)
}

// free refuses an entry of the same name that is somebody else's.
func (p *plan) free(q *connecting, text []byte) error {
	at, found := p.client.URLOf(text, p.server.Name)
	if !found || at == p.server.URL || q.replace {
		return nil
	}
	what := "starts another program"
	if at != "" {
		what = "leads to " + at
	}
	return &fault{exitConflict, "GH-2207", p.client.Name + " has a server " + p.server.Name + " already, which " + what + ". Choose another name with --name, or say --replace."}
}

// agreed shows the plan and asks. Where nobody can answer, nothing is written.
func (a *app) agreed(ctx context.Context, p *plan, hunks []hunk) (bool, error) {
	if a.yes {
		if !a.json {
			a.describe(p, hunks)
		}
		return true, nil
	}
	if a.json || !terminal(a.in) {
		err := a.showPlan(p, hunks)
		a.say("Nothing was written. Say --yes to have it written.\n")
		return false, err
	}
	a.describe(p, hunks)
	return a.agree(ctx, "Write it?")
}

// agree asks a person for a yes, which is also what Enter says.
func (a *app) agree(ctx context.Context, question string) (bool, error) {
	a.say("%s [Y/n] ", question)
	a.lines()
	select {
	case <-ctx.Done():
		a.say("\n")
		return false, ctx.Err()
	case line, open := <-a.typed:
		switch answer := strings.ToLower(strings.TrimSpace(line)); {
		case open && slices.Contains([]string{"", "y", "yes"}, answer):
			return true, nil
		case !open:
			a.say("\n")
		}
		a.say("Nothing was written.\n")
		return false, nil
	}
}

// apply has the client's own command write the entry, or writes it. before is
// what was shown, and may have changed since: the edit is made anew.
func (a *app) apply(p *plan, before, after []byte) error {
	if p.command != nil {
		done, err := a.byCommand(p)
		if err != nil || done {
			return err
		}
		p.command, p.result.Command = nil, nil
	}
	out, err := p.file.Change(true, func(text []byte) ([]byte, error) {
		if slices.Equal(text, before) && (text == nil) == (before == nil) {
			return after, nil
		}
		now, _, err := p.client.Put(text, p.server)
		return now, err
	})
	if err != nil {
		return fileFault(p.file.Path, err)
	}
	p.result.State, p.result.Backup = "written", out.Backup
	return nil
}

// byCommand runs the client's own command and looks at what it wrote; false: it
// did not do what it should.
func (a *app) byCommand(p *plan) (bool, error) {
	before, err := p.file.Read()
	if err != nil {
		return false, fileFault(p.file.Path, err)
	}
	backup, err := p.file.Copy()
	if err != nil {
		return false, fileFault(p.file.Path, err)
	}
	_, err = process.AskWith(p.command, a.environ, p.client.CLI.Pass...)
	text, wrong := p.file.Read()
	if wrong != nil {
		return false, fileFault(p.file.Path, wrong)
	}
	_, left, wrong := p.client.Put(text, p.server)
	if err == nil && wrong == nil && len(left) == 0 {
		p.result.State, p.result.Backup = "written", backup
		return true, nil
	}
	if backup != "" && bytes.Equal(text, before) {
		_ = os.Remove(backup) // the edit makes its own of the same
	}
	a.warn("%s did not do it (%s); its file is edited instead.", p.command[0], reason(err))
	return false, nil
}

func reason(err error) string {
	if err == nil {
		return "it wrote something else"
	}
	return err.Error()
}

// fileFault says what is wrong with a client's file.
func fileFault(path string, err error) error {
	var syntax *edit.SyntaxError
	var form *edit.FormError
	var unsafe *disk.UnsafeError
	var system syscall.Errno
	switch {
	case errors.As(err, &syntax):
		return &fault{exitUsage, "GH-2203", path + ":" + sentence(syntax.Error()) + " It was left as it is. Correct it first, or see what to write with --print."}
	case errors.As(err, &form):
		return &fault{exitFailure, "GH-2204", path + ": " + sentence(form.Reason) + " It was left as it is. See what to write with --print."}
	case errors.As(err, &unsafe):
		return &fault{exitFailure, "GH-2208", sentence(unsafe.Error()) + " It was left alone."}
	case errors.As(err, &system):
		return &fault{exitFailure, "GH-2209", path + " cannot be changed: " + sentence(err.Error()) + " See what to write with --print."}
	}
	return err
}
