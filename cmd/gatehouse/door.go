package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
)

const (
	commandWait = 30 * time.Second // for a management command
	pepperVar   = "GATEHOUSE_KEY_PEPPER"
	leastPepper = 32 // characters
)

// door is a way to the admin door, and what ends it.
type door struct {
	*adminapi.Client
	close func() error
}

// open finds the installation and returns its admin door: of the server that
// runs over it, or else of the store opened here. Only make may bring a new
// installation into being.
func (a *app) open(ctx context.Context, mayMake bool) (*door, error) {
	state, err := a.stateDir()
	if err != nil {
		return nil, err
	}
	c := &adminapi.Client{DryRun: a.dry}
	c.Transport, err = adminapi.Dial(ctx, state.Dir)
	if err == nil {
		return &door{c, func() error { return nil }}, nil
	}
	if !errors.Is(err, adminapi.ErrNotRunning) {
		return nil, err
	}
	if !state.Exists() && !mayMake {
		return nil, &fault{exitNotFound, "GH-2401", "There is no installation in " + state.Dir + ". Make one: gatehouse up --demo; or name another: --state DIR."}
	}
	clean := func() error { return nil }
	if !state.Exists() && a.dry { // it would be made: rehearse in one that goes away
		if state.Dir, err = os.MkdirTemp("", "gatehouse-dry-run-"); err != nil {
			return nil, err
		}
		state.Database = ""
		clean = func() error { return os.RemoveAll(state.Dir) }
	}
	o, err := a.options(a.logger(a.err, a.level(slog.LevelWarn)))
	if err != nil {
		return nil, errors.Join(err, clean())
	}
	i, err := state.Open(ctx, o)
	if err != nil {
		return nil, errors.Join(err, clean())
	}
	if a.file != "" {
		f, err := a.load()
		if err != nil {
			return nil, errors.Join(err, i.Close(), clean())
		}
		i.SetAPIKeys(f.Auth.APIKeys)
	}
	c.Transport = server.Local{Door: i.Admin(adminapi.Status{PID: os.Getpid(), Version: version()})}
	return &door{c, func() error { return errors.Join(i.Close(), clean()) }}, nil
}

// with runs do over the admin door.
func (a *app) with(ctx context.Context, mayMake bool, do func(ctx context.Context, d *door) error) error {
	ctx, stop := a.within(ctx, commandWait)
	defer stop()
	d, err := a.open(ctx, mayMake)
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, d), d.close())
}

// stateDir says where the installation is: --state, the file's store, or the
// place that the system has for a user's data. XDG Base Directory Specification
func (a *app) stateDir() (server.State, error) {
	s := server.State{Dir: a.state}
	if a.file != "" {
		c, err := a.load()
		if err != nil {
			return s, err
		}
		if s.Database = c.Store.SQLite; s.Database != "" {
			if a.state != "" {
				return s, usage("--state and the store of %s name two places. Give one of them", a.file)
			}
			s.Dir = c.StateDir()
		}
	}
	if s.Dir == "" {
		data := a.getenv("XDG_DATA_HOME")
		if !filepath.IsAbs(data) { // relative ones are to be ignored
			home := a.getenv("HOME")
			if home == "" {
				return s, usage("HOME is not set, so there is no place for the state. Name one: --state DIR")
			}
			data = filepath.Join(home, ".local", "share")
		}
		s.Dir = filepath.Join(data, "gatehouse")
	}
	dir, err := filepath.Abs(s.Dir)
	s.Dir = dir
	return s, err
}

// load reads the configuration file.
func (a *app) load() (*config.Config, error) {
	c, err := config.Load(a.file, a.lookup)
	var path *os.PathError
	if errors.As(err, &path) {
		return nil, &fault{exitUsage, "GH-2001", "The configuration " + a.file + " cannot be read: " + path.Err.Error() + "."}
	}
	return c, err
}

// options are those of an installation.
func (a *app) options(log *slog.Logger) (server.Options, error) {
	pepper := a.getenv(pepperVar)
	if pepper != "" && len(pepper) < leastPepper {
		return server.Options{}, usage("%s has %d characters; %d are the least that protects anything. Make one: openssl rand -base64 32", pepperVar, len(pepper), leastPepper)
	}
	return server.Options{Pepper: []byte(pepper), Log: log, By: by()}, nil
}

// by names who runs this, for the records.
func by() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "uid " + strconv.Itoa(os.Getuid())
}

// level is how much the log says.
func (a *app) level(otherwise slog.Level) slog.Level {
	switch {
	case a.verbose:
		return slog.LevelDebug
	case a.quiet:
		return slog.LevelError
	}
	return otherwise
}

// logger writes text for a person and JSON for a machine.
func (a *app) logger(to io.Writer, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if terminal(a.err) {
		return slog.New(slog.NewTextHandler(to, o))
	}
	return slog.New(slog.NewJSONHandler(to, o))
}
