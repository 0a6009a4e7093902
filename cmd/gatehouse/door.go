package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/process"
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
	a.elsewhere(state)
	c := &adminapi.Client{DryRun: a.dry}
	c.Transport, err = adminapi.Dial(ctx, state.Dir)
	if err == nil {
		return &door{c, func() error { return nil }}, nil
	}
	if !errors.Is(err, adminapi.ErrNotRunning) {
		return nil, err
	}
	if !state.Exists() && !mayMake {
		return nil, noInstallation(state)
	}
	clean := func() error { return nil }
	if !state.Exists() && a.dry { // it would be made: rehearse in one that goes away
		if state.Dir, err = os.MkdirTemp("", "gatehouse-dry-run-"); err != nil {
			return nil, err
		}
		state.Database = ""
		clean = func() error { return os.RemoveAll(state.Dir) }
	}
	i, err := a.openHere(ctx, state)
	if err != nil {
		return nil, errors.Join(err, clean())
	}
	c.Transport = server.Local{Door: i.Admin(func() adminapi.Status { return adminapi.Status{PID: os.Getpid(), Version: version()} }, nil)}
	return &door{c, func() error { return errors.Join(i.Close(), clean()) }}, nil
}

// elsewhere says when a command is about another installation than that of the
// file in the working directory, which people forget to name.
func (a *app) elsewhere(state server.State) {
	if a.file != "" || a.state != "" {
		return
	}
	if _, err := os.Lstat(defaultFile); err != nil {
		return
	}
	database, err := config.Locate(defaultFile, config.SettingDatabase, a.outside())
	if err != nil || database == "" || filepath.Dir(database) == state.Dir {
		return
	}
	a.say("%s this is about the installation in %s; that of ./%s is meant with -c %[3]s\n", a.mark(a.err, "!"), state.Dir, defaultFile)
}

func noInstallation(state server.State) error {
	return &fault{exitNotFound, "GH-2401", "There is no installation in " + state.Dir + ". Make one: gatehouse up --demo, or gatehouse serve; or name another: --state DIR, or -c FILE."}
}

// openHere opens an installation that no server runs over.
func (a *app) openHere(ctx context.Context, state server.State) (*server.Installation, error) {
	var c *config.Config
	if a.file != "" { // how keys are hashed and what is sealed under is in it
		var err error
		if c, err = a.load(); err != nil {
			return nil, err
		}
	}
	o, err := a.options(c, a.logger(a.err, a.level(slog.LevelWarn)))
	if err != nil {
		return nil, err
	}
	i, err := state.Open(ctx, o)
	if err == nil && c != nil {
		i.SetAPIKeys(c.Auth.APIKeys)
		i.SetIssuers(c)
	}
	return i, err
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
		database, err := config.Locate(a.file, config.SettingDatabase, a.outside())
		if err != nil {
			return s, a.unreadable(err)
		}
		if s.Database = database; database != "" {
			if a.state != "" {
				return s, usage("--state and the store of %s name two places. Give one of them", a.file)
			}
			s.Dir = filepath.Dir(database)
		}
	}
	if s.Dir == "" {
		own, err := a.userDir()
		if err != nil {
			return s, err
		}
		s.Dir = own
	}
	dir, err := filepath.Abs(s.Dir)
	s.Dir = dir
	return s, err
}

// userDir is the place that the system has for a user's data of this machine.
func (a *app) userDir() (string, error) {
	data := a.getenv("XDG_DATA_HOME")
	switch {
	case filepath.IsAbs(data): // relative ones are to be ignored
	case runtime.GOOS == "windows":
		if data = a.getenv("LOCALAPPDATA"); !filepath.IsAbs(data) { // unlike APPDATA it stays here
			return "", usage("LOCALAPPDATA is not set, so there is no place for the state. Name one: --state DIR")
		}
	default:
		home := a.getenv("HOME")
		if home == "" {
			return "", usage("HOME is not set, so there is no place for the state. Name one: --state DIR")
		}
		data = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(data, "gatehouse"), nil
}

// outside is what a configuration may refer to.
func (a *app) outside() config.Outside {
	return config.Outside{Lookup: a.lookup, Run: func(command []string) ([]byte, error) {
		return process.Ask(command, a.environ)
	}}
}

// load reads the configuration file.
func (a *app) load() (*config.Config, error) { return a.loadFile(a.file) }

func (a *app) loadFile(name string) (*config.Config, error) {
	c, err := config.Load(name, a.outside())
	if err != nil {
		return nil, a.unreadable(err)
	}
	return c, nil
}

// unreadable says what is wrong with the configuration file as a file.
func (a *app) unreadable(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		next := ""
		if errors.Is(err, fs.ErrNotExist) {
			next = " Make one: gatehouse init"
		}
		return &fault{exitUsage, "GH-2001", "The configuration " + path.Path + " cannot be read: " + path.Err.Error() + "." + next}
	}
	return err
}

// options are those of an installation. c is its configuration; nil: none is known.
func (a *app) options(c *config.Config, log *slog.Logger) (server.Options, error) {
	o := server.Options{Log: log, By: by()}
	pepper, from := a.getenv(pepperVar), pepperVar
	if c != nil {
		o.Audit, o.EncryptionKey = c.Audit, c.Store.EncryptionKey
		if e := c.Auth.Embedded; e != nil {
			o.Signing = e.Signing
		}
		if k := c.Auth.APIKeys; k != nil && k.Pepper != "" {
			pepper, from = k.Pepper.Reveal(), "auth.api_keys.pepper"
		}
	}
	if pepper != "" && len(pepper) < leastPepper {
		return o, usage("%s has %d characters; %d are the least that protects anything. Make one: openssl rand -base64 32", from, len(pepper), leastPepper)
	}
	o.Pepper = []byte(pepper)
	return o, nil
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
