package server

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// What the file says of sign-ins is what they are like.
func TestSettingsOfSignInsAreInForce(t *testing.T) {
	i := opened(t, State{Dir: filepath.Join(t.TempDir(), "state")}, strings.Repeat("k", 32))
	defer i.Close()
	c := &config.Config{Auth: config.Auth{Embedded: &config.Embedded{Issuer: "https://auth.test", SessionTTL: time.Hour}}}
	c.Complete()
	s := i.newPeople(c, nil)
	if s.Settings.SessionIdle != time.Hour || s.Name != "" {
		t.Errorf("left out: got %+v, %q", s.Settings, s.Name)
	}
	c.Auth.Embedded.SessionIdle, c.Auth.Embedded.Name = time.Minute, "Acme Notes"
	if s = i.newPeople(c, nil); s.Settings.SessionIdle != time.Minute || s.Name != "Acme Notes" {
		t.Errorf("got %+v, %q", s.Settings, s.Name)
	}
	l, err := LoginSettings(c, &config.Login{Name: "acme"})
	if err != nil || l.House != "Acme Notes" {
		t.Errorf("got %+v, %v", l, err)
	}
}

// Keys are made when the server starts: a reload that wants others says so.
func TestAReloadSaysThatSigningNeedsARestart(t *testing.T) {
	with := func(alg string) *config.Config {
		return &config.Config{Auth: config.Auth{Embedded: &config.Embedded{Signing: config.Signing{Alg: alg}}}}
	}
	if err := fixed(with("ES256"), with("ES256")); err != nil {
		t.Errorf("got %v", err)
	}
	if err := fixed(with("ES256"), with("EdDSA")); err == nil || !strings.Contains(err.Error(), "auth.embedded.signing cannot change while the server runs. Restart it for that") {
		t.Errorf("got %v", err)
	}
}
