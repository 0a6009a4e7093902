package client

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// Registry is every client that there is. A literal is ready for use; it is made
// anew with every configuration, and must not be copied once it is in use.
type Registry struct {
	Store    Store  // required
	Secret   []byte // required: of [Secret]
	Issuer   string // required: our own
	Settings Settings
	Cache    *Cache // of documents, which outlives a configuration; nil: one of its own

	// Once tells whether a client's assertion was used before. Required.
	Once Once
	// Ended is told when a client has been blocked, revoked or deleted: whatever it
	// was allowed has to end before Ended returns. nil: nothing was.
	Ended func(ctx context.Context, id, by, reason string) error

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: nothing is logged

	once  sync.Once
	fault error // of the settings
	http  *http.Client
}

// Once keeps what may be seen once.
type Once interface {
	// Once returns an error if the key was seen before, or if nobody can tell. It
	// may be forgotten after until.
	Once(ctx context.Context, key [32]byte, until time.Time) error
}

// Settings are those of auth.embedded.clients.
type Settings struct {
	Documents bool     // clients whose id is a URL are known
	Trusted   []string // domains that are vouched for; "*.example.com" stands for those below it
	Others    Policy   // what becomes of the rest; empty: Refuse
	Private   []string // hosts and networks that documents may be fetched from though they are private
	Roots     *x509.CertPool

	Registration bool          // clients may register themselves
	Unused       time.Duration // a registration that is not used ends then; 0: never
	Redirects    []string      // private-use redirect URIs, beside those of our list
}

// Policy is what becomes of documents of domains that are not trusted.
type Policy string

// The policies, as they are configured.
const (
	Warn    Policy = "consent_with_warning" // they are Known
	Approve Policy = "approval"             // they are Pending until an administrator decides
	Refuse  Policy = "refuse"
)

// Bounds of rows that strangers cause.
const (
	maxWaiting = 1_000              // clients that wait for approval
	maxChanged = 10_000             // registrations that nobody used, and that were changed or deleted
	waitingFor = 7 * 24 * time.Hour // after which nobody remembers that one waited
)

// maxID is the longest id that is looked at, in bytes.
const maxID = maxSealed

// Find implements [Finder].
func (g *Registry) Find(ctx context.Context, id string) (*Client, error) {
	c, _, err := g.find(ctx, id)
	if err != nil {
		return nil, err
	}
	switch c.State {
	case Known, Approved:
		return c, nil
	case Pending:
		return nil, ErrPending
	case Blocked:
	}
	return nil, ErrBlocked
}

// find returns the client of an id, Pending ones too, and its row; nil: it has none.
func (g *Registry) find(ctx context.Context, id string) (*Client, *Row, error) {
	if id == "" || len(id) > maxID || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, nil, ErrUnknown
	}
	row, err := g.Store.Client(ctx, id)
	switch {
	case errors.Is(err, ErrUnknown):
		row = nil
	case err != nil:
		return nil, nil, fmt.Errorf("find the client: %w", err)
	case !row.Deleted.IsZero():
		return nil, nil, ErrUnknown
	case row.State == Blocked: // nothing is fetched for it
		return nil, nil, ErrBlocked
	}
	var c *Client
	switch {
	case strings.HasPrefix(id, "https://"):
		c, err = g.document(ctx, id, row)
	case strings.HasPrefix(id, sealedPrefix):
		c, err = g.dynamic(id, row)
	case row == nil || row.Kind != Static:
		err = ErrUnknown
	default:
		c, err = g.static(row)
	}
	if err != nil {
		return nil, nil, err
	}
	if row != nil {
		c.LastUsed = row.LastUsed
		if row.State == Approved {
			c.State = Approved
		}
	}
	return c, row, nil
}

func (g *Registry) static(row *Row) (*Client, error) {
	m, err := parseMetadata(row.Metadata)
	if err != nil {
		return nil, err
	}
	c := m.client(row.ID, Static, "")
	c.State, c.Tenant, c.Created = Approved, row.Tenant, row.Created // who made it vouches for it
	return c, nil
}

// dynamic reads a registration out of its id. Whoever turns registration off keeps
// the clients that have come.
func (g *Registry) dynamic(id string, row *Row) (*Client, error) {
	m, registered, err := openID(g.Secret, id)
	if err != nil {
		return nil, err
	}
	if row != nil && row.Metadata != nil {
		if m, err = parseMetadata(row.Metadata); err != nil {
			return nil, err
		}
	}
	c := m.client(id, Dynamic, "")
	c.Created = registered
	if kept := row != nil && (!row.LastUsed.IsZero() || row.State == Approved); !kept && g.Settings.Unused > 0 {
		// From the end of the day: the id does not tell the hour.
		c.Expires = registered.Add(day + g.Settings.Unused)
		if !g.now().Before(c.Expires) {
			return nil, fmt.Errorf("its registration of %s was not used and has ended: %w", registered.Format(time.DateOnly), ErrUnknown)
		}
	}
	return c, nil
}

// document has a client's document, and what the policy says of its domain.
func (g *Registry) document(ctx context.Context, id string, row *Row) (*Client, error) {
	u, err := documentURL(id)
	if err != nil {
		return nil, err
	}
	if !g.Settings.Documents {
		return nil, fmt.Errorf("clients with a document are not known here: %w", ErrUnknown)
	}
	state := g.opinion(u)
	if row != nil && row.State == Approved {
		state = Approved
	}
	if state == Blocked { // nothing is fetched for it
		return nil, fmt.Errorf("its domain is not one of the trusted ones: %w", ErrBlocked)
	}
	m, err := g.lookup(ctx, u, row, state == Approved)
	if err != nil {
		return nil, err
	}
	if state == Pending && row == nil {
		if err := g.wait(ctx, id, m); err != nil {
			return nil, err
		}
	}
	c := m.client(id, Document, u.Host)
	c.State = state
	if row != nil {
		c.Created = row.Created
	}
	return c, nil
}

// opinion is what the settings say of a document's domain.
func (g *Registry) opinion(u *url.URL) State {
	switch {
	case trusted(g.Settings.Trusted, u):
		return Approved
	case g.Settings.Others == Warn:
		return Known
	case g.Settings.Others == Approve:
		return Pending
	}
	return Blocked
}

// wait notes that a client waits for approval.
func (g *Registry) wait(ctx context.Context, id string, m *metadata) error {
	if err := g.sweep(ctx); err != nil {
		return err
	}
	if err := g.Store.Wait(ctx, &Row{ID: id, Kind: Document, State: Pending, Name: m.Name, Created: g.now()}, maxWaiting); err != nil {
		return fmt.Errorf("note a client that waits: %w", err)
	}
	return nil
}

// sweep makes room for rows that strangers cause. What was changed or deleted of a
// registration is kept until the registration has ended by itself: or else it would
// be back as it was.
func (g *Registry) sweep(ctx context.Context) error {
	now, ended := g.now(), time.Unix(0, 0)
	if g.Settings.Unused > 0 {
		ended = now.Add(-g.Settings.Unused - 2*day)
	}
	if _, err := g.Store.Sweep(ctx, now.Add(-waitingFor), ended); err != nil {
		return fmt.Errorf("sweep clients: %w", err)
	}
	return nil
}

// Used notes that a client was given a token: from now on its registration does not
// end, and its document is kept for when it cannot be fetched. It writes once an hour.
func (g *Registry) Used(ctx context.Context, c *Client) error {
	now := g.now().UTC().Truncate(time.Hour)
	if !now.After(c.LastUsed) {
		return nil
	}
	r := &Row{ID: c.ID, Kind: c.Kind, State: Known, Name: c.Name, Created: c.Created, LastUsed: now}
	if r.Created.IsZero() {
		r.Created = now
	}
	if c.Kind == Document {
		if m, seen := g.cache().last(c.ID); m != nil {
			raw, err := m.encode()
			if err != nil {
				return err
			}
			r.Metadata, r.Seen = raw, seen
		}
	}
	if err := g.Store.Use(ctx, r); err != nil {
		return fmt.Errorf("note that a client was used: %w", err)
	}
	c.LastUsed, c.Expires = now, time.Time{}
	return nil
}

// Refusal is what a client is told when Find returned a fact; nil: it did not, and
// something is wrong here.
func Refusal(err error) *oauth.Error {
	e := &oauth.Error{Cause: err}
	switch {
	case errors.Is(err, ErrBlocked):
		e.Code, e.Status, e.Ref = oauth.InvalidClient, http.StatusUnauthorized, "GH-1406"
		e.Description = "the client may not be used here"
	case errors.Is(err, ErrPending):
		e.Code, e.Status, e.Ref = oauth.UnauthorizedClient, http.StatusBadRequest, "GH-1407"
		e.Description = "the client waits for an administrator to approve it"
	case errors.Is(err, ErrFetch):
		e.Code, e.Status, e.Ref = oauth.Unavailable, http.StatusServiceUnavailable, "GH-1405"
		e.Description = "the client's document cannot be fetched at present" + reason(err)
	case errors.Is(err, ErrInvalid):
		e.Code, e.Status, e.Ref = oauth.InvalidClient, http.StatusUnauthorized, "GH-1405"
		e.Description = "the client's document is not valid" + reason(err)
	case errors.Is(err, ErrUnknown): // 401 has clients register anew. RFC 6749 §5.2
		e.Code, e.Status, e.Ref = oauth.InvalidClient, http.StatusUnauthorized, "GH-1401"
		e.Description = "the client is not known: its registration has ended, or was made elsewhere. Register anew"
	default:
		return nil
	}
	return e
}

func (g *Registry) now() time.Time {
	if g.Now == nil {
		return time.Now()
	}
	return g.Now()
}

func (g *Registry) cache() *Cache {
	g.prepare()
	return g.Cache
}

func (g *Registry) log() *slog.Logger {
	if g.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return g.Log
}
