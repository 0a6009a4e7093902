package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

// suspicious is an MCP server that lets in whom the gateway at origin() vouches
// for, and asks it for its keys each time.
type suspicious struct {
	t      *testing.T
	self   string
	origin func() string
	seen   chan upstream.Identity
}

func (s *suspicious) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, err := s.identify(r.Header.Get(config.DefaultIdentity))
	if err != nil || r.Header.Get("Authorization") != "Bearer of-the-gateway" {
		s.t.Logf("refused: %v, %q", err, r.Header)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	select {
	case s.seen <- *id:
	default:
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}`)
}

func (s *suspicious) identify(token string) (*upstream.Identity, error) {
	res, err := http.Get(s.origin() + "/.well-known/jwks.json")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(res.Body).Decode(&set); err != nil {
		return nil, err
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, err
	}
	var id upstream.Identity
	var claims jwt.Claims
	if err := parsed.Claims(&set, &id, &claims); err != nil {
		return nil, err
	}
	return &id, claims.ValidateWithLeeway(jwt.Expected{Issuer: s.origin(), AnyAudience: jwt.Audience{s.self}, Time: time.Now()}, 0)
}

// vouching returns a server in front of a suspicious one.
func vouching(t *testing.T) (*Server, *suspicious) {
	t.Helper()
	up := &suspicious{t: t, seen: make(chan upstream.Identity, 100)}
	h := httptest.NewServer(up)
	t.Cleanup(h.Close)
	s := over(t, h.URL+"/mcp")
	up.self = h.URL + "/mcp"
	s.Config.Servers[0].Forward = config.Forward{Identity: config.IdentityJWT, Authorization: "Bearer of-the-gateway"}
	return s, up
}

func TestUpstreamThatWantsOurIdentityIsReached(t *testing.T) {
	s, up := vouching(t)
	r := started(t, s)
	up.origin = func() string { return strings.TrimSuffix(r.URL, "/mcp") }
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	if _, err := r.Describe(ctx); err != nil {
		t.Fatalf("got %v, want our own look at it let in", err)
	}
	if id := <-up.seen; id.Subject != upstream.Ourselves || id.Tenant != "" || id.KeyID != "" || id.Method != "tools/list" {
		t.Errorf("got %+v, want ourselves", id)
	}
	k := newKey(t, r)
	if res := call(t, r.URL, k.Key); res.StatusCode != http.StatusOK {
		t.Fatalf("got %d, want the caller let in", res.StatusCode)
	}
	if id := <-up.seen; id.KeyID != k.ID || id.TenantName != "default" || id.Server != "test" {
		t.Errorf("got %+v, want the caller", id)
	}
	// Keys come and go while it runs; whoever looks them up is let in.
	c := &adminapi.Client{Transport: r.Admin}
	for range 3 {
		if _, err := c.RotateSigningKey(t.Context(), adminapi.RotateSigning{Now: true}); err != nil {
			t.Fatal(err)
		}
		if res := call(t, r.URL, k.Key); res.StatusCode != http.StatusOK {
			t.Errorf("after a rotation: got %d", res.StatusCode)
		}
	}
	keys, err := c.SigningKeys(t.Context())
	if err != nil || len(keys) != 4 || keys[3].State != "current" {
		t.Fatalf("got %+v, %v, want four keys", keys, err)
	}
	if _, err := c.RetireSigningKey(t.Context(), keys[3].ID); err != nil {
		t.Fatal(err)
	}
	if res := call(t, r.URL, k.Key); res.StatusCode != http.StatusOK {
		t.Errorf("after a retirement: got %d", res.StatusCode)
	}
}

// An upstream that is told nothing needs no keys, and none are made.
func TestNothingIsMadeForNothing(t *testing.T) {
	s := over(t, "http://127.0.0.1:1/mcp")
	r := started(t, s)
	res, err := http.Get(strings.TrimSuffix(r.URL, "/mcp") + "/.well-known/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := os.Stat(s.State.keyPath()); res.StatusCode != http.StatusNotFound || err == nil {
		t.Errorf("got %d, and a key file: %v", res.StatusCode, err == nil)
	}
	c := &adminapi.Client{Transport: r.Admin, DryRun: true}
	if k, err := c.RotateSigningKey(t.Context(), adminapi.RotateSigning{}); err != nil || k.ID != "" || !k.DryRun {
		t.Errorf("got %+v, %v, want a preview", k, err)
	}
	if _, err := c.RetireSigningKey(t.Context(), "NOBODY"); err == nil {
		t.Error("a key that is not there was retired")
	}
	if _, err := os.Stat(s.State.keyPath()); err == nil {
		t.Error("a dry run has made a key file")
	}
}

func TestForwardThatCannotBeIsRefused(t *testing.T) {
	for name, edit := range map[string]func(*config.Upstream){
		"to a program":         func(u *config.Upstream) { u.URL, u.Stdio = "", &config.Stdio{Command: []string{"cat"}} },
		"in a callers' header": func(u *config.Upstream) { u.Forward.Header = "Mcp-Session-Id" },
		"of an unknown kind":   func(u *config.Upstream) { u.Forward.Identity = "saml" },
	} {
		s, _ := vouching(t)
		edit(&s.Config.Servers[0])
		r, err := s.Start(t.Context())
		if err == nil {
			_ = r.Close()
		}
		if m, ok := errors.AsType[config.Mistakes](err); !ok || m[0].Code != "GH-2001" || !strings.Contains(m[0].Text, "forward") {
			t.Errorf("%s: got %v, want GH-2001", name, err)
		}
	}
}

const operatorsKey = "the key material of an operator, long enough"

// The key to seal under is missing, wrong, weak, open to others, or damaged:
// nothing is served, and no other key is made in silence.
func TestA218MasterKeyFaults(t *testing.T) {
	for _, tt := range []struct {
		name, says string
		spoil      func(t *testing.T, s *Server, path string)
	}{
		{"missing", "is missing", func(t *testing.T, _ *Server, path string) { must(t, os.Remove(path)) }},
		{"another", "is not the key", func(t *testing.T, _ *Server, path string) {
			must(t, os.Remove(path))
			_, err := seal.MakeFile(path)
			must(t, err)
		}},
		{"empty", "needs 32 bytes", func(t *testing.T, _ *Server, path string) { must(t, os.WriteFile(path, nil, 0o600)) }},
		{"cut", "needs 32 bytes", func(t *testing.T, _ *Server, path string) { must(t, os.Truncate(path, 20)) }},
		{"open to others", "chmod 600", func(t *testing.T, _ *Server, path string) { must(t, os.Chmod(path, 0o644)) }},
		{"a link", "not a plain file", func(t *testing.T, _ *Server, path string) {
			must(t, os.Rename(path, path+".real"))
			must(t, os.Symlink(path+".real", path))
		}},
		{"another of the operator's, the old one gone", "is not the key", func(t *testing.T, s *Server, path string) {
			must(t, os.Remove(path))
			s.Config.Store.EncryptionKey = operatorsKey
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := vouching(t)
			r := started(t, s)
			must(t, r.Close())
			path := s.State.keyPath()
			tt.spoil(t, s, path)
			_, before := os.Lstat(path)
			r, err := s.Start(t.Context())
			if err == nil {
				_ = r.Close()
			}
			e, ok := errors.AsType[*adminapi.Error](err)
			if !ok || e.Code != "GH-2020" || !strings.Contains(e.Message, tt.says) || strings.Contains(e.Message, "operator, long") {
				t.Errorf("got %v, want GH-2020 that says %q", err, tt.says)
			}
			if _, after := os.Lstat(path); (before == nil) != (after == nil) {
				t.Error("a key file was made or removed")
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// From the key file to a key of the operator's, and on to another: each start
// with both at hand has everything sealed anew, and needs the old one no more.
func TestA218MasterKeyIsExchanged(t *testing.T) {
	s, _ := vouching(t)
	kid := func() string {
		t.Helper()
		s.Options.EncryptionKey = "" // as a new process
		r, err := s.Start(t.Context())
		must(t, err)
		defer func() { must(t, r.Close()) }()
		keys, err := (&adminapi.Client{Transport: r.Admin}).SigningKeys(t.Context())
		if err != nil || len(keys) != 1 {
			t.Fatalf("got %+v, %v, want the one key", keys, err)
		}
		return keys[0].ID
	}
	first, path := kid(), s.State.keyPath()
	s.Config.Store.EncryptionKey = operatorsKey
	for step, change := range []func(){
		func() {}, // both are there
		func() { must(t, os.Remove(path)) },
		func() { // and on to the next
			must(t, os.WriteFile(path, []byte(operatorsKey+"\n"), 0o600))
			s.Config.Store.EncryptionKey = "another " + operatorsKey
		},
		func() { must(t, os.Remove(path)) },
	} {
		change()
		if got := kid(); got != first {
			t.Errorf("step %d: got key %s, want %s still", step, got, first)
		}
	}
}

// The key is beside the database, not in it, and goes with it.
func TestKeyFileStaysHere(t *testing.T) {
	s, _ := vouching(t)
	r := started(t, s)
	key, err := os.ReadFile(s.State.keyPath())
	must(t, err)
	backup := filepath.Join(t.TempDir(), "backup.db")
	_, err = (&adminapi.Client{Transport: r.Admin}).Backup(t.Context(), adminapi.Backup{Path: backup})
	must(t, err)
	must(t, r.Close())
	for _, path := range []string{backup, s.State.DatabasePath()} {
		text, err := os.ReadFile(path)
		must(t, err)
		if strings.Contains(string(text), strings.TrimSpace(string(key))) {
			t.Errorf("%s holds the key that it is sealed under", path)
		}
	}
	// Elsewhere the copy opens, but nothing is signed.
	there := State{Dir: filepath.Join(t.TempDir(), "state")}
	must(t, there.Prepare())
	must(t, os.Rename(backup, there.DatabasePath()))
	i, err := there.Open(t.Context(), Options{Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer func() { must(t, i.Close()) }()
	if _, err := i.Keys.List(t.Context(), ""); err != nil {
		t.Errorf("got %v, want the rest to work", err)
	}
	if _, err := i.Signing(t.Context()); err == nil {
		t.Error("signing keys were opened without their key")
	}
	gone, err := s.State.Forget()
	if _, statErr := os.Stat(s.State.keyPath()); err != nil || statErr == nil {
		t.Errorf("got %v and %v removed, want the key file among it", err, gone)
	}
}

// Whatever of the first start a crash has left, the next one goes on from there.
func TestA218CrashWhileTheFirstKeyIsMade(t *testing.T) {
	for name, leave := range map[string]func(i *Installation) error{
		"half a key file": func(i *Installation) error {
			return os.WriteFile(filepath.Join(i.State.Dir, strings.Replace(seal.Unfinished, "*", "1", 1)), []byte("half"), 0o600)
		},
		"a key file": func(i *Installation) error { _, err := seal.MakeFile(i.State.keyPath()); return err },
		"a key file and its check value": func(i *Installation) error {
			_, _, err := i.sealKey(t.Context())
			return err
		},
	} {
		s, _ := vouching(t)
		i, err := s.State.Open(t.Context(), s.Options)
		must(t, err)
		must(t, leave(i))
		must(t, i.Close())
		r := started(t, s)
		keys, err := (&adminapi.Client{Transport: r.Admin}).SigningKeys(t.Context())
		if err != nil || len(keys) != 1 {
			t.Errorf("%s: got %+v, %v, want one key", name, keys, err)
		}
		must(t, r.Close())
		if _, err := s.State.Forget(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(s.State.Dir); err == nil {
			t.Errorf("%s: something is left of the state", name)
		}
	}
}
