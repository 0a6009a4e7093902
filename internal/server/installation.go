package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/pin"
	"github.com/gatehouse-mcp/gatehouse/internal/server/admin"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// Installation is an opened state: the store and the nouns over it. A running
// server has one, and so has a command when no server runs.
type Installation struct {
	State    State
	DB       *store.DB
	Keys     *apikey.Service
	Tenants  *tenant.Service
	Verifier *apikey.Verifier
	Trail    *Trail
	Pins     *pin.Book // tools as they were approved; a running server has it loaded

	Rights      *token.Rights  // what goes on by virtue of access tokens
	Revocations *token.Service // of access tokens

	defaults atomic.Pointer[admin.Defaults] // see SetAPIKeys
	issuers  atomic.Pointer[[]admin.Issuer] // see SetIssuers

	clients   atomic.Pointer[clientSettings] // see adminClients
	current   atomic.Pointer[config.Config]  // see adminPeople
	documents client.Cache                   // of clients

	ending endings // of what providers are told of: see endUpstream

	log *slog.Logger
	by  string

	material config.Secret // what is secret in the database is sealed under it; empty: the key file
	signing  signingKeys
	signs    config.Signing
}

// Options are what opening an installation needs beside its place.
type Options struct {
	Pepper []byte       // keys are hashed under it; empty: plainly
	Log    *slog.Logger // required
	By     string       // who is written down as the author of changes
	Audit  config.Audit // where the trail is and what goes into it
	Stdout io.Writer    // where the trail goes when Audit says so; nil: to the file all the same, as a command's does

	EncryptionKey config.Secret  // what is secret in the database is sealed under it; empty: under a key file beside it
	Signing       config.Signing // how tokens are signed; zero: the defaults
}

// Open opens the state, making it if there is none.
func (s State) Open(ctx context.Context, o Options) (*Installation, error) {
	if err := s.Prepare(); err != nil {
		return nil, err
	}
	done, err := alone(s.Dir) // two that make the database at once would meet half of it
	if err != nil {
		return nil, fmt.Errorf("wait for others in %s: %w", s.Dir, err)
	}
	db, err := store.Open(ctx, store.Config{SQLite: s.DatabasePath()})
	done()
	if err != nil {
		return nil, storeError(err)
	}
	i := &Installation{State: s, DB: db, log: o.Log, by: o.By, material: o.EncryptionKey, signs: o.Signing}
	i.Verifier = &apikey.Verifier{Source: db.Source(), Pepper: o.Pepper, Log: o.Log}
	i.Trail = &Trail{Config: audit.Config{
		Path: s.AuditPath(o.Audit), MaxSize: o.Audit.MaxSize, Keep: o.Audit.Keep, Include: o.Audit.Include, Strict: o.Audit.Strict, Log: o.Log,
	}}
	if o.Audit.Stdout {
		i.Trail.Stdout = o.Stdout
	}
	i.Keys = &apikey.Service{Store: db.Keys(), Pepper: o.Pepper, Changed: i.Verifier.Changed}
	i.Pins = &pin.Book{Store: db.Tools(), Log: o.Log}
	i.Rights = &token.Rights{
		Revoked: &token.Revocations{Source: db.Revocations(), Log: o.Log}, Tenants: &tenant.Directory{Source: db.Directory(), Log: o.Log},
	}
	i.Tenants = &tenant.Service{Store: db.Tenants(), Changed: func() { i.Verifier.Changed(); i.Rights.Changed() }}
	i.Revocations = &token.Service{Store: db.Revocations(), Changed: i.Rights.Changed, Log: o.Log}
	return i, nil
}

// storeError says what is wrong with a database in words of the command line.
func storeError(err error) error {
	for _, known := range []error{store.ErrPermissions, store.ErrCorrupt, store.ErrNewer, store.ErrForeign, store.ErrFileSystem} {
		if errors.Is(err, known) {
			return stateError("%v.", err)
		}
	}
	return fmt.Errorf("open the store: %w", err)
}

// Close ends what runs over the store, and closes it and the trail.
func (i *Installation) Close() error {
	i.ending.close()
	i.signing.close()
	i.Pins.Close()
	return errors.Join(i.DB.Close(), i.Trail.Close())
}

// Admin returns the admin door's handler; r is nil when no server runs.
func (i *Installation) Admin(status func() adminapi.Status, r *Running) http.Handler {
	a := &admin.Admin{
		Keys: i.Keys, Judge: i.Verifier, Tenants: i.Tenants, Database: database{i.DB}, Signing: signingDoor{i}, Defaults: i.keyDefaults,
		Tokens: i.Revocations, Issuers: i.knownIssuers, Tools: i.Pins, Clients: i.adminClients, Grants: i.adminGrants, People: i.adminPeople,
		Status: status, Audit: i.Trail, By: i.by, Now: time.Now, Log: i.log,
	}
	if i.Trail.Stdout == nil {
		a.Events = func(ctx context.Context, q audit.Query, found func(audit.Match) error) (audit.Report, error) {
			return audit.Search(ctx, i.Trail.Path, q, found)
		}
	}
	if r != nil {
		a.Config, a.Bans = r, r.counters.Bans
	}
	return a.Handler()
}

// Local is a way to a door in this very process.
type Local struct{ Door http.Handler }

// RoundTrip has the door answer.
func (l Local) RoundTrip(r *http.Request) (*http.Response, error) {
	m := &memory{header: http.Header{}, status: http.StatusOK}
	l.Door.ServeHTTP(m, r)
	return &http.Response{
		Status: http.StatusText(m.status), StatusCode: m.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: m.header, Body: io.NopCloser(&m.body), ContentLength: int64(m.body.Len()), Request: r,
	}, nil
}

// memory keeps an answer.
type memory struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (m *memory) Header() http.Header { return m.header }

// WriteHeader implements http.ResponseWriter.
func (m *memory) WriteHeader(status int) { m.status = status }

// Write implements http.ResponseWriter.
func (m *memory) Write(b []byte) (int, error) { return m.body.Write(b) }

// database lets the admin door look after the store, which it does not know.
type database struct{ db *store.DB }

// Status implements admin.Database.
func (d database) Status(ctx context.Context) (*adminapi.Database, error) {
	s, err := d.db.Status(ctx)
	if err != nil {
		return nil, err
	}
	return &adminapi.Database{
		Engine: s.Engine, Path: s.Path, Bytes: s.Size, Schema: s.Schema,
		Revision: s.Revision, Tenants: s.Tenants, Keys: s.Keys, At: s.At,
	}, nil
}

// Backup implements admin.Database.
func (d database) Backup(ctx context.Context, path string) (*adminapi.Database, error) {
	if err := d.db.Backup(ctx, path); err != nil {
		if errors.Is(err, store.ErrExists) {
			err = fs.ErrExist
		}
		return nil, err
	}
	s, err := d.Status(ctx)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("look at the backup: %w", err)
	}
	s.Path, s.Bytes = path, info.Size()
	return s, nil
}
