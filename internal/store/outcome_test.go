package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

const (
	outcomeIssuer   = "https://mcp.acme.test"
	outcomeResource = "https://mcp.acme.test/mcp"
	outcomeRedirect = "http://127.0.0.1:8765/callback"
	verifier        = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, Appendix B
)

// severed stands between us and PostgreSQL. Once armed, it cuts the connection
// when the server has committed a change, and before we hear of it.
type severed struct {
	armed atomic.Bool
	cuts  atomic.Int64
}

// newSevered listens in front of a cluster with an empty database, and returns
// its connection string.
func newSevered(t *testing.T, c *cluster) (s *severed, dsn string) {
	t.Helper()
	u, err := url.Parse(c.database(t))
	if err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s = &severed{}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := (&net.Dialer{}).DialContext(context.Background(), "unix", filepath.Join(c.socket, ".s.PGSQL.5432"))
			if err != nil {
				_ = near.Close()
				continue
			}
			go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
			go func() { s.relay(near, far); _ = near.Close(); _ = far.Close() }()
		}
	}()
	u.Host, u.RawQuery = l.Addr().String(), "sslmode=disable"
	return s, u.String()
}

// relay hands on what the server says, up to each point at which it is ready for
// more. PostgreSQL, Frontend/Backend Protocol §53.7
func (s *severed) relay(near io.Writer, far io.Reader) {
	var held bytes.Buffer
	changed := false
	for {
		var head [5]byte
		if _, err := io.ReadFull(far, head[:]); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(far, body); err != nil {
			return
		}
		held.Write(head[:])
		held.Write(body)
		switch head[0] {
		case 'C': // CommandComplete
			verb, _, _ := strings.Cut(strings.TrimRight(string(body), "\x00"), " ")
			changed = changed || verb == "COMMIT" || verb == "INSERT" || verb == "UPDATE" || verb == "DELETE"
		case 'Z': // ReadyForQuery: I is outside of a transaction
			if changed && body[0] == 'I' && s.armed.CompareAndSwap(true, false) {
				s.cuts.Add(1)
				return
			}
			changed = changed && body[0] != 'I'
			if _, err := near.Write(held.Bytes()); err != nil {
				return
			}
			held.Reset()
		}
	}
}

// lost does something whose answer never comes, and returns what is said of it.
func (s *severed) lost(t *testing.T, do func() error) error {
	t.Helper()
	before := s.cuts.Load()
	s.armed.Store(true)
	err := do()
	if s.cuts.Load() != before+1 {
		t.Fatalf("nothing was committed: %v", err)
	}
	return err
}

// tokensOf is a process that gives tokens out, over a database.
func tokensOf(t *testing.T, d *store.DB) *grant.Service {
	t.Helper()
	marks := &token.Revocations{Source: d.Revocations()}
	return &grant.Service{
		Store: d.Grants(), Secret: bytes.Repeat([]byte{7}, 32), Issuer: outcomeIssuer, Marks: marks, RefreshGrace: 30 * time.Second,
		RefreshIdle: time.Hour, RefreshMax: 24 * time.Hour, Changed: func() { _ = marks.Changed(context.Background()) },
	}
}

func redemptionOf(t *testing.T, s *grant.Service, def tenant.ID) grant.Redemption {
	t.Helper()
	code, err := s.Authorize(t.Context(), &grant.Authorization{
		Grant: grant.Grant{
			Tenant: def, Client: "cli", Subject: "usr_ada", Resource: outcomeResource, Scopes: []string{"read"}, Offline: true, Redirect: outcomeRedirect,
			AuthTime: time.Now(), Identity: grant.Identity{Issuer: "https://idp.test", Subject: "a1"},
		}, Challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
	})
	if err != nil {
		t.Fatal(err)
	}
	return grant.Redemption{Code: code, Client: "cli", Redirect: outcomeRedirect, Verifier: verifier, Resource: outcomeResource, Public: true}
}

// TestA208CommitsOfUnknownOutcome cuts the connection to PostgreSQL between a
// commit and its answer. Nobody is told that it worked; trying again is safe, and
// makes nothing twice.
func TestA208CommitsOfUnknownOutcome(t *testing.T) {
	c := startCluster(t)
	cut, dsn := newSevered(t, c)
	d := c.open(t, dsn)
	s, ctx := tokensOf(t, d), t.Context()
	keys, def := service(t, d)

	t.Run("a code", func(t *testing.T) { //nolint:paralleltest // one connection is cut
		q := redemptionOf(t, s, def)
		if err := cut.lost(t, func() error { _, err := s.Redeem(ctx, q); return err }); err == nil || errors.Is(err, grant.ErrSpent) {
			t.Errorf("got %v, want to hear that it is not known", err)
		}
		if g, err := s.Redeem(ctx, q); !errors.Is(err, grant.ErrSpent) && !errors.Is(err, grant.ErrRevoked) {
			t.Errorf("again: got %v, %v, want that the code is spent", g, err)
		}
	})
	g, err := s.Redeem(ctx, redemptionOf(t, s, def))
	if err != nil {
		t.Fatal(err)
	}
	refresh := grant.RefreshRequest{Token: s.RefreshTokenOf(g), Client: "cli"}
	t.Run("a refresh", func(t *testing.T) { //nolint:paralleltest // one connection is cut
		if err := cut.lost(t, func() error { _, _, err := s.Refresh(ctx, refresh); return err }); err == nil || errors.Is(err, grant.ErrReused) {
			t.Errorf("got %v, want to hear that it is not known", err)
		}
		_, one, err1 := s.Refresh(ctx, refresh)
		_, two, err2 := s.Refresh(ctx, refresh)
		if err1 != nil || err2 != nil || one != two || one == refresh.Token {
			t.Errorf("again: got %v, %v, want the same successor each time", err1, err2)
		}
	})
	t.Run("a revocation", func(t *testing.T) { //nolint:paralleltest // one connection is cut
		revoke := func() error { _, err := s.Revoke(ctx, g.ID, "lost laptop", "ada"); return err }
		if err := cut.lost(t, revoke); err == nil {
			t.Error("got no error, want to hear that it is not known")
		}
		if err := revoke(); err != nil {
			t.Errorf("again: %v", err)
		}
		if _, _, err := s.Refresh(ctx, refresh); !errors.Is(err, grant.ErrRevoked) {
			t.Errorf("got %v, want it revoked", err)
		}
	})
	t.Run("a key", func(t *testing.T) { //nolint:paralleltest // one connection is cut
		mint := func() (k *apikey.Key, err error) {
			k, _, err = keys.Create(ctx, def, apikey.Spec{Name: "ci", Tools: []string{"*"}})
			return
		}
		if err := cut.lost(t, func() error { _, err := mint(); return err }); err == nil {
			t.Error("got no error, want to hear that it is not known")
		}
		if _, err := mint(); err != nil {
			t.Errorf("again: %v", err)
		}
	})
}

// TestA213ReplicasLearnOfRevocations revokes at one replica, and uses at another.
func TestA213ReplicasLearnOfRevocations(t *testing.T) {
	c := startCluster(t)
	dsn := c.database(t)
	here, there := c.open(t, dsn), c.open(t, dsn)
	s, other := tokensOf(t, here), tokensOf(t, there)
	_, def := service(t, here)
	marks := &token.Revocations{Source: there.Revocations()}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { marks.Run(ctx); close(ended) }()
	defer func() { stop(); <-ended }()
	for range 3 {
		g, err := s.Redeem(t.Context(), redemptionOf(t, s, def))
		if err != nil {
			t.Fatal(err)
		}
		named := &token.Named{Issuer: outcomeIssuer, Subject: g.Subject, Client: g.Client, Grant: g.ID, Issued: time.Now()}
		if err := marks.Judge(t.Context(), named, time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Revoke(t.Context(), g.ID, "lost laptop", "ada"); err != nil {
			t.Fatal(err)
		}
		// What is given out anew is looked up: there it is over at once.
		if _, _, err := other.Refresh(t.Context(), grant.RefreshRequest{Token: s.RefreshTokenOf(g), Client: "cli"}); !errors.Is(err, grant.ErrRevoked) {
			t.Errorf("a refresh at the other replica: got %v, want ErrRevoked", err)
		}
		began := time.Now()
		for marks.Judge(t.Context(), named, time.Now()) == nil {
			if time.Since(began) > time.Minute {
				t.Fatal("an access token is still good at the other replica")
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Logf("the other replica knew after %v", time.Since(began))
	}
}
