package client

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/jwks"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Spec is what an administrator says of a client that they make.
type Spec struct {
	ID        string // empty: one is made
	Name      string // required
	Tenant    tenant.ID
	Redirects []string
	Grants    []string // nil: by what else is said
	Method    string   // how it proves who it is; empty: by a secret, in either place
	Scopes    []string // the most that it may be given; nil: whatever the user may
	JWKS      []byte
	JWKSURI   string
	Subject   string     // of its certificate
	Certs     [][32]byte // thumbprints of its certificates
	Bound     bool       // its access tokens are bound to the certificate of its connection
	Resources []string   // whose tokens it may introspect and exchange
	Targets   []string   // what it may exchange them for

	By string // who makes it
}

// Create makes a client, and its secret if it is recognized by one; whoever asked
// gets it, and nobody else ever. The error wraps ErrWrong if it cannot be like that.
func (g *Registry) Create(ctx context.Context, s *Spec) (c *Client, secret string, err error) {
	row, secret, err := g.plan(s)
	if err != nil {
		return nil, "", err
	}
	if err := g.Store.Create(ctx, row); err != nil {
		return nil, "", err
	}
	c, err = g.static(row)
	return c, secret, err
}

// Preview says what Create would make.
func (g *Registry) Preview(ctx context.Context, s *Spec) (*Client, error) {
	row, _, err := g.plan(s)
	if err != nil {
		return nil, err
	}
	switch _, err := g.Store.Client(ctx, row.ID); {
	case err == nil:
		return nil, ErrExists
	case !errors.Is(err, ErrUnknown):
		return nil, err
	}
	return g.static(row)
}

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrWrong, fmt.Sprintf(format, args...))
}

// plan makes the row of a client.
func (g *Registry) plan(s *Spec) (row *Row, secret string, err error) {
	m := &metadata{
		Name: cleanName(s.Name), Redirects: s.Redirects, Grants: s.Grants, Scopes: s.Scopes, JWKS: s.JWKS, JWKSURI: s.JWKSURI, Subject: s.Subject,
		Resources: s.Resources, Targets: s.Targets, Bound: s.Bound,
	}
	if m.Name == "" || m.Name != s.Name {
		return nil, "", wrong("a name has between 1 and %d bytes, and nothing that cannot be seen", maxName)
	}
	for _, t := range s.Certs {
		m.Thumbprints = append(m.Thumbprints, hex.EncodeToString(t[:]))
	}
	for _, step := range []func(*metadata, *Spec) error{g.planRedirects, planMethod, planGrants, planScopes} {
		if err := step(m, s); err != nil {
			return nil, "", err
		}
	}
	id := s.ID
	if id == "" {
		id = "cl_" + strings.ToLower(rand.Text())
	}
	if !validID(id) {
		return nil, "", wrong("an id has up to 64 letters, digits, dots, hyphens and underscores, and does not begin with %s", sealedPrefix)
	}
	if slices.ContainsFunc(m.Methods, shared) {
		secret = newSecret()
		m.Secrets = []string{hashOf(secret)}
	}
	raw, err := m.encode()
	if err != nil {
		return nil, "", err
	}
	now := g.now()
	return &Row{
		ID: id, Kind: Static, State: Known, Tenant: s.Tenant, Name: m.Name, Metadata: raw, Seen: now,
		Created: now, By: s.By, Decided: now,
	}, secret, nil
}

func validID(id string) bool {
	return id != "" && len(id) <= 64 && !strings.HasPrefix(id, sealedPrefix) && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_'
	})
}

func (g *Registry) planRedirects(m *metadata, s *Spec) error {
	for _, uri := range s.Redirects {
		if err := oauth.CheckRedirect(uri, g.Settings.Redirects...); err != nil {
			return wrong("the redirect URI %q cannot be registered: %v", uri, err)
		}
		if kind, err := oauth.KindOfRedirect(uri); err == nil && kind != oauth.RedirectWeb {
			m.Native = true
		}
	}
	return nil
}

// planMethod decides by what the client is recognized.
func planMethod(m *metadata, s *Spec) error {
	if m.JWKS != nil {
		if _, err := jwks.Parse(m.JWKS); err != nil {
			return wrong("its keys: %v", err)
		}
	}
	if m.JWKSURI != "" {
		if kind, err := oauth.KindOfRedirect(m.JWKSURI); err != nil || kind != oauth.RedirectWeb {
			return wrong("the URL of its keys is no https URL")
		}
	}
	switch {
	case s.Method != "" && !slices.Contains(methods, s.Method):
		return wrong("there is no method %q. There are: %s", s.Method, strings.Join(methods, ", "))
	case s.Method != "":
		m.Methods = []string{s.Method}
	case m.JWKS != nil || m.JWKSURI != "":
		m.Methods = []string{oauth.AuthPrivateKeyJWT}
	case m.Subject != "":
		m.Methods = []string{oauth.AuthTLS}
	case len(m.Thumbprints) > 0:
		m.Methods = []string{oauth.AuthTLSSelfSigned}
	default:
		m.Methods = []string{oauth.AuthSecretBasic, oauth.AuthSecretPost}
	}
	if m.Bound && m.Methods[0] == oauth.AuthNone {
		return wrong("tokens can be bound to the certificate of a client that proves who it is: not with --auth none")
	}
	if m.Methods[0] == oauth.AuthTLSSelfSigned && len(m.Thumbprints) > 0 {
		return nil
	}
	var refusal *oauth.Error
	if err := m.fit(); errors.As(err, &refusal) {
		return wrong("%s", refusal.Description)
	}
	return nil
}

// planGrants decides what a client may ask for tokens by. One without a redirect
// URI speaks for itself.
func planGrants(m *metadata, _ *Spec) error {
	all := append(slices.Clone(offered), oauth.ClientCredentials, oauth.TokenExchange)
	switch {
	case len(m.Grants) > 0:
	case len(m.Redirects) > 0:
		m.Grants = []string{oauth.AuthorizationCode, oauth.RefreshToken}
	default:
		m.Grants = []string{oauth.ClientCredentials}
	}
	for _, g := range m.Grants {
		if !slices.Contains(all, g) {
			return wrong("there is no grant %q. There are: %s", g, strings.Join(all, ", "))
		}
	}
	if slices.Contains(m.Grants, oauth.AuthorizationCode) && len(m.Redirects) == 0 {
		return wrong("%s needs a redirect URI", oauth.AuthorizationCode)
	}
	public := slices.Contains(m.Methods, oauth.AuthNone)
	for _, g := range [...]string{oauth.ClientCredentials, oauth.TokenExchange, oauth.JWTBearer} {
		if public && slices.Contains(m.Grants, g) { // RFC 6749 §4.4
			return wrong("a client that cannot prove who it is cannot use %s", g)
		}
	}
	return nil
}

func planScopes(m *metadata, _ *Spec) error {
	for _, s := range m.Scopes {
		if !oauth.ValidScope(s) {
			return wrong("%q is no scope", s)
		}
	}
	return nil
}

// Entry is a client as an administrator sees it.
type Entry struct {
	Client
	By, Reason string    // of the latest decision
	Decided    time.Time // zero: there was none
	Fault      error     // why it cannot be used at the moment; nil: it can
}

// Show returns a client in whatever state it is, as long as anything is known of it.
func (g *Registry) Show(ctx context.Context, id string) (*Entry, error) {
	c, row, err := g.find(ctx, id)
	switch {
	case err == nil:
		return entryOf(c, row, nil), nil
	case Refusal(err) == nil:
		return nil, err
	}
	row, missing := g.Store.Client(ctx, id)
	if missing != nil || !row.Deleted.IsZero() {
		return nil, err
	}
	return entryOf(g.rough(row), row, err), nil
}

// rough is a client as far as its row and its id tell.
func (g *Registry) rough(row *Row) *Client {
	m, domain, state := &metadata{Name: row.Name}, "", Known
	if row.Metadata != nil {
		if kept, err := parseMetadata(row.Metadata); err == nil {
			m = kept
		}
	} else if sealed, _, err := openID(g.Secret, row.ID); err == nil {
		m = sealed
	}
	if u, err := documentURL(row.ID); err == nil {
		domain, state = u.Host, g.opinion(u)
	}
	if row.Kind == Static {
		state = Approved
	}
	if row.State == Approved || row.State == Blocked {
		state = row.State
	}
	c := m.client(row.ID, row.Kind, domain)
	c.State = state
	return c
}

func entryOf(c *Client, row *Row, fault error) *Entry {
	e := &Entry{Client: *c, Fault: fault}
	if row != nil {
		e.Tenant, e.LastUsed, e.By, e.Reason, e.Decided = row.Tenant, row.LastUsed, row.By, row.Reason, row.Decided
		if e.Created.IsZero() {
			e.Created = row.Created
		}
	}
	return e
}

// List returns the clients that are kept: those that an administrator made or
// decided upon, those that wait, and those that were used. Nothing is fetched.
func (g *Registry) List(ctx context.Context, f Filter) (all []Entry, total int, err error) {
	rows, total, err := g.Store.Clients(ctx, f)
	if err != nil {
		return nil, 0, err
	}
	all = make([]Entry, len(rows))
	for i := range rows {
		all[i] = *entryOf(g.rough(&rows[i]), &rows[i], nil)
	}
	return all, total, nil
}

// Consider returns the client that a decision would be upon, without fetching its
// document; ErrUnknown if there is nothing to decide upon.
func (g *Registry) Consider(ctx context.Context, id string) (*Entry, error) {
	row, err := g.decidable(ctx, id)
	if err != nil {
		return nil, err
	}
	return entryOf(g.rough(row), row, nil), nil
}

// Decide approves of a client or blocks it. Whatever a blocked one was allowed has
// ended when Decide returns. A client that was never seen can be decided upon, if
// its id is one that a client can have.
func (g *Registry) Decide(ctx context.Context, id string, to State, by, reason string) (*Entry, error) {
	row, err := g.decidable(ctx, id)
	if err != nil {
		return nil, err
	}
	row.State, row.By, row.Reason, row.Decided = to, by, reason, g.now()
	if row, err = g.Store.Decide(ctx, row); err != nil {
		return nil, err
	}
	if to == Blocked {
		if err := g.ended(ctx, id, by, reason); err != nil {
			return nil, err
		}
	}
	return entryOf(g.rough(row), row, nil), nil
}

// decidable returns the row that a decision upon a client is put into.
func (g *Registry) decidable(ctx context.Context, id string) (*Row, error) {
	row, err := g.Store.Client(ctx, id)
	switch {
	case err == nil && row.Deleted.IsZero():
		return row, nil
	case err == nil:
		return nil, ErrUnknown
	case !errors.Is(err, ErrUnknown):
		return nil, err
	}
	now := g.now()
	if m, registered, err := openID(g.Secret, id); err == nil {
		return &Row{ID: id, Kind: Dynamic, Name: m.Name, Created: registered}, nil
	}
	if strings.HasPrefix(id, "https://") {
		if _, err := documentURL(id); err != nil {
			return nil, wrong("%v", err)
		}
		row := &Row{ID: id, Kind: Document, Created: now}
		if m := pinned(id); m != nil {
			row.Name = m.Name
		}
		return row, nil
	}
	return nil, ErrUnknown
}

// Revoke ends whatever a client was allowed. One that an administrator made is gone
// with that, for good; another one can ask people anew.
func (g *Registry) Revoke(ctx context.Context, id, by, reason string) (*Entry, error) {
	row, err := g.decidable(ctx, id)
	if err != nil {
		return nil, err
	}
	e := entryOf(g.rough(row), row, nil)
	if row.Kind == Static {
		row.Deleted, row.By, row.Reason = g.now(), by, reason
		if err := g.Store.Delete(ctx, row, maxChanged); err != nil {
			return nil, err
		}
	}
	return e, g.ended(ctx, id, by, reason)
}
