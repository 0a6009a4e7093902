package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/doctor"
	"github.com/gatehouse-mcp/gatehouse/internal/keychain"
	"github.com/gatehouse-mcp/gatehouse/internal/process"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
	"github.com/gatehouse-mcp/gatehouse/internal/server/edge"
	"github.com/gatehouse-mcp/gatehouse/internal/signin"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
)

// machine gathers what the checks have to know, and gives them ways to look.
func (a *app) machine(ctx context.Context) (*doctor.Machine, error) {
	state, err := a.stateDir()
	if err != nil {
		return nil, err
	}
	m := &doctor.Machine{
		State: state.Dir, Database: state.DatabasePath(), Trail: state.AuditPath(config.Audit{}), Root: os.Geteuid() == 0,
		Environ: a.environ, System: a.system(), Now: a.now, Resolver: net.DefaultResolver,
		Gather: gather, Program: a.program, Free: freeBytes, Files: openFiles, Listen: edge.Try,
		Resolve: func(program, dir string) (string, error) { return process.Resolve(program, a.getenv("PATH"), dir) },
		CAA:     caaRecords, Dial: (&net.Dialer{}).DialContext, Synced: clockIsSet, Switch: os.ReadFile, Writable: writable, Bounds: boundsOf,
		Account: func(name string) error { _, err := user.Lookup(name); return err },
	}
	m.Inspect = func(ctx context.Context) (*doctor.Database, error) { return inspectStore(ctx, m.Database) }
	m.Verify = func(ctx context.Context) (*doctor.Verified, error) { return verifyTrail(ctx, m.Trail) }
	m.Issued = func(ctx context.Context, name string) (*x509.Certificate, error) {
		return edge.Issued(ctx, state.ACMEPath(), m.Config.Server.TLS.ACME, name)
	}
	m.Accounts = func(ctx context.Context) (string, []signin.Account, error) { return a.keptAccounts(ctx, state.Dir) }
	if a.file != "" {
		if err := a.judgeFile(m); err != nil {
			return nil, err
		}
	}
	if _, err := a.options(m.Config, a.logger(a.err, a.level(0))); err != nil {
		m.Pepper = err.Error()
	}
	a.askServer(ctx, m)
	return m, nil
}

// judgeFile reads the configuration as config validate does.
func (a *app) judgeFile(m *doctor.Machine) error {
	m.File = a.file
	c, err := a.load()
	if err != nil && !errors.As(err, &m.Mistakes) {
		return err
	}
	if c == nil {
		return nil
	}
	var wrong config.Mistakes
	if !errors.As(server.Check(c), &wrong) {
		wrong = a.otherFiles(c)
	}
	m.Mistakes = append(wrong, c.Warnings()...)
	if len(wrong) == 0 {
		m.Hash = c.Hash()
	}
	m.Config, m.Trail = c, server.State{Dir: m.State, Database: m.Database}.AuditPath(c.Audit)
	if c.Audit.Stdout {
		m.Trail = ""
	}
	for i := range c.Servers {
		m.URLs = append(m.URLs, server.Resource(c, &c.Servers[i], c.Server.Listen))
	}
	return nil
}

// askServer asks the server that runs, if one does.
func (a *app) askServer(ctx context.Context, m *doctor.Machine) {
	to, err := adminapi.Dial(ctx, m.State)
	if errors.Is(err, adminapi.ErrNotRunning) {
		return
	}
	if err == nil {
		m.Status, err = (&adminapi.Client{Transport: to}).Status(ctx)
	}
	if err != nil {
		m.Unasked = err
		return
	}
	if m.Config == nil {
		m.URLs = nil
		for i := range m.Status.Servers {
			m.URLs = append(m.URLs, m.Status.Servers[i].URL)
		}
	}
}

func inspectStore(ctx context.Context, path string) (*doctor.Database, error) {
	s, err := store.Inspect(ctx, path)
	if err != nil {
		return nil, err
	}
	return &doctor.Database{Schema: s.Schema, Known: s.Known, Bytes: s.Size, Tenants: s.Tenants, Keys: s.Keys}, nil
}

// verifyTrail reads every line of a trail.
func verifyTrail(ctx context.Context, path string) (*doctor.Verified, error) {
	r, err := audit.Search(ctx, path, audit.Query{}, func(audit.Match) error { return nil })
	if err != nil {
		return nil, err
	}
	v := &doctor.Verified{Files: r.Files, Damaged: r.Damaged}
	if len(r.Damage) > 0 {
		v.Where = fmt.Sprintf("%s at byte %d", filepath.Base(r.Damage[0].File), r.Damage[0].At)
	}
	return v, nil
}

// keptAccounts opens the keychain of the bridge if there is one, and makes none. With
// a file it may be elsewhere than the installation: clients start the bridge without.
func (a *app) keptAccounts(ctx context.Context, state string) (string, []signin.Account, error) {
	o := a.keychainOptions(state, &reach{keychain: "auto", look: true})
	s, err := keychain.Open(ctx, o)
	if errors.Is(err, fs.ErrNotExist) {
		if left, _ := filepath.Glob(filepath.Join(state, "keychain", "*", "*.sealed")); len(left) > 0 {
			return "", nil, fmt.Errorf("what it was sealed under is not here, and %s has %s", filepath.Join(state, "keychain"), count(len(left), "entry", "entries"))
		}
	}
	if errors.Is(err, fs.ErrNotExist) && a.state == "" {
		if own, wrong := a.userDir(); wrong == nil && own != state {
			return a.keptAccounts(ctx, own)
		}
	}
	if err != nil {
		return "", nil, err
	}
	all, err := signin.Accounts(ctx, s)
	return s.Where(), all, err
}
